"""The viewer in the middle of a step, wired to what a person does in it: keys, a click on the finding, a region."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from dashboard.viewer import viewer
from engine.intake import load_case
from engine.nouns import Case, Place


def viewer_case(page: Page, case: Case) -> dict:
    """A case as the viewer takes it: what it is, where its voxels lie in the patient, where they are fetched."""
    geometry = case.geometry
    return {
        "id": case.id,
        "kind": case.kind,
        "shape": list(case.shape[:3]),
        "spacing_mm": list(geometry.spacing_mm),
        "origin_mm": list(geometry.origin_mm),
        "axes": [list(a) for a in geometry.axes],
        "measured": geometry.measured,
        "is_hu": case.is_hu,
        "colour": len(case.shape) == 4,
        "windows": [list(w) for w in case.windows],
        "synthetic": bool(case.kept.get("synthetic")),
        "title": page.title(case.id),
        "project": page.project.id,
    }


def look(
    page: Page,
    case_id: str | None,
    *,
    on_key: Callable[[str], bool],
    overlay: dict | None = None,
    marks: Sequence[dict] = (),
    found: Sequence[Place] = (),
    start_mm: Sequence[float] | None = None,
) -> None:
    """Draw the viewer for a case and act on what was done in it. Keys go to `on_key`; True draws the page anew."""
    if case_id is None:
        frame.card(page.words("gather.none"), quiet=page.words("gather.hint_empty"))
        return
    pointed = list(page.places.get(case_id) or [])
    result = viewer(
        viewer_case(page, load_case(page.case_dir(case_id))),
        key="viewer",
        language=page.words.language,
        overlay=overlay,
        marks=list(marks),
        places=[p.to_json() for p in (*pointed, *found)],
        region=page.regions[case_id].to_json() if page.regions.get(case_id) else None,
        start_mm=list(start_mm) if start_mm is not None else None,
    )
    if _act(page, case_id, result, on_key):
        st.rerun()


def _act(page: Page, case_id: str, result, on_key: Callable[[str], bool]) -> bool:
    if result.place:
        page.store.set_place(page.project.id, case_id, Place.from_json(result.place), reader=page.reader)
        return True
    if result.region:
        page.store.set_region(page.project.id, case_id, Place.from_json(result.region), reader=page.reader)
        return True
    if result.label_key:
        return on_key(result.label_key["key"])
    return False
