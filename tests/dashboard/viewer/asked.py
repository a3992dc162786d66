"""What a test page's query asks for, as the viewer's arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dashboard.viewer import Overlay, describe
from tests.dashboard.viewer import cases


def arguments(query: Mapping[str, str], name: str) -> dict[str, Any]:
    """Keyword arguments of `dashboard.viewer.viewer` but its key; `name` is the case."""
    one = cases.known(name)
    overlay = None
    if query.get("overlay"):
        values, geometry = cases.overlay(one)
        overlay = Overlay(f"/hf/overlays/{name}", values.shape, geometry)
    marks, places = marked(one) if query.get("places") else ([], [])
    return {
        "case": describe(one.case, title=f"Case {name}", synthetic=one.synthetic),
        "lang": query.get("lang", "en"),
        "height": int(query.get("height", "720")),
        "overlay": overlay,
        "marks": marks,
        "places": places,
        "region": None,
        "start": json.loads(query["start"]) if query.get("start") else None,
        "note": query.get("note", ""),
        "labelling": True,
        "pointing": True,
        "regions": True,
    }


def marked(one: cases.Known) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Two marks for the slider and two places: one pointed at by a person, one found."""
    slices, rows, columns = one.volume.voxels.shape[:3]
    marks = [
        {"slice": slices // 4, "kind": "label", "colour": "#f0b35a", "title": "labelled"},
        {"slice": slices // 2, "kind": "overlay", "title": "strongest"},
    ]
    pointed, found = (
        list(one.volume.geometry.to_mm([slices // 2, rows * 0.4, columns * part])) for part in (0.35, 0.6)
    )
    places = [
        {"centre_mm": pointed, "size_mm": None, "shape": "point", "by": "person", "score": None}
        | {"label": "smooth", "colour": "#4fc4b5"},
        {"centre_mm": found, "size_mm": [20.0, 24.0, 24.0], "shape": "sphere", "by": "finder", "score": 0.81}
        | {"label": "found", "colour": "#f0b35a"},
    ]
    return marks, places
