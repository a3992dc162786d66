"""The viewer as the page calls it: plain values in, a list of what the person did out.

A component's script is the small loader below; the viewer itself is one file of assets/viewer, served by
`dashboard.viewer.voxels.routes` under a name with its hash and kept by the browser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.unseen import unseen
from dashboard.viewer.bundle import bundle_url
from dashboard.words import Words
from engine.nouns import Case, Geometry, Place

VOXELS = "/hf/cases/{id}/voxels"
LABELS = frozenset("0123456789u")

# A component's script is called again on the same element at every change of its data, without a clean-up between,
# so the mount is remembered by element. Its script runs as a blob: only an absolute address can be imported.
LOADER = """
const mounts = new WeakMap();
export default function (component) {
  const place = component.parentElement;
  let mount = mounts.get(place);
  if (mount) {
    mount.latest = component;
    mount.ready.then((view) => view.update(mount.latest));
  } else {
    mount = { latest: component };
    mount.ready = import(location.origin + component.data.bundle).then((file) => file.mount(mount.latest));
    mounts.set(place, mount);
  }
  return () => {
    const gone = mounts.get(place);
    mounts.delete(place);
    if (gone) gone.ready.then((view) => view.destroy());
  };
}
"""

_main = st.components.v2.component("handful_viewer", js=LOADER)
_small = st.components.v2.component("handful_thumbs", js=LOADER)


@dataclass(frozen=True)
class Event:
    """One thing the person did in the viewer, on the case that was shown when it happened.

    `kind`: "key" (a labelling key: "0".."9", "u", "ctrl+z", "n", "j", "k" in `key`), "place" or "region" (`place` set),
    "clear_place" or "clear_region".
    """

    kind: str
    case: str
    key: str = ""
    place: Place | None = None


@dataclass(frozen=True)
class Overlay:
    """A map of uint8 values laid over a case: fetched from `url`, on a grid of its own (slices, rows, columns)."""

    url: str
    shape: tuple[int, int, int]
    geometry: Geometry
    opacity: float = 0.6
    on: bool = True


def describe(case: Case, *, title: str = "", synthetic: bool = False, voxels: str = VOXELS) -> dict[str, Any]:
    """What the viewer needs to know of a case; `voxels` is the address of its voxels with a place for the id."""
    return {
        "id": case.id,
        "kind": case.kind,
        "title": title or case.name,
        "shape": list(case.shape[:3]),
        "colour": len(case.shape) == 4,
        "geometry": case.geometry.to_json(),
        "is_hu": case.is_hu,
        "windows": [list(w) for w in case.windows],
        "synthetic": synthetic,
        "voxels": voxels.format(id=case.id),
    }


def viewer(
    case: Mapping[str, Any],
    *,
    key: str,
    lang: str = "en",
    height: int | str = 720,
    overlay: Overlay | None = None,
    marks: Sequence[Mapping[str, Any]] = (),
    places: Sequence[Mapping[str, Any]] = (),
    region: Place | None = None,
    start: Mapping[str, Any] | None = None,
    note: str = "",
    labelling: bool = True,
    pointing: bool = True,
    regions: bool = True,
) -> list[Event]:
    """Show a case; returns what happened since the last run, oldest first, each once.

    `case` comes from `describe`. `height` in pixels, or as CSS ("calc(100vh - 94px)" fills a window). `marks` on the
    slice slider: {"slice" (0-based), "kind": "label" | "overlay", "colour", "title"}. `places`: `Place.to_json()` with
    optional "label" and "colour"; they also mark the slider.
    `start`: {"slice": n} or {"place_mm": [x, y, z]}, optional "window": [width, level]; a new value moves the viewer.
    `note` stands under the slice number. `labelling`, `pointing`, `regions` switch those keys and buttons.
    """
    seen_key = f"{key}:seen"
    data = payload(
        case,
        lang=lang,
        height=height,
        overlay=overlay,
        marks=marks,
        places=places,
        region=region,
        start=start,
        note=note,
        labelling=labelling,
        pointing=pointing,
        regions=regions,
    )
    result = _main(key=key, data=data | {"seen": st.session_state.get(seen_key)}, on_events_change=lambda: None)
    return counted([event_of(raw) for raw in unseen(result.events, seen_key)], case["id"])


def payload(
    case: Mapping[str, Any],
    *,
    lang: str,
    height: int | str,
    overlay: Overlay | None,
    marks: Sequence[Mapping[str, Any]],
    places: Sequence[Mapping[str, Any]],
    region: Place | None,
    start: Mapping[str, Any] | None,
    note: str,
    labelling: bool,
    pointing: bool,
    regions: bool,
) -> dict[str, Any]:
    """What the component's script is handed: `viewer`'s arguments as JSON can carry them."""
    return {
        "role": "main",
        "bundle": bundle_url(),
        "words": Words(lang).page("viewer"),
        "case": dict(case),
        "height": height,
        "overlay": _overlay(overlay),
        "marks": [dict(m) for m in marks],
        "places": [dict(p) for p in places],
        "region": region.to_json() if region else None,
        "start": dict(start) if start else None,
        "note": note,
        "labelling": labelling,
        "pointing": pointing,
        "regions": regions,
    }


def _overlay(overlay: Overlay | None) -> dict[str, Any] | None:
    if overlay is None:
        return None
    return {
        "url": overlay.url,
        "shape": list(overlay.shape),
        "geometry": overlay.geometry.to_json(),
        "opacity": overlay.opacity,
        "on": overlay.on,
    }


def event_of(raw: Mapping[str, Any]) -> Event:
    """An event as the browser sent it."""
    place = raw.get("place")
    return Event(raw["kind"], raw["case"], raw.get("key", ""), Place.from_json(place) if place else None)


def counted(events: Sequence[Event], shown: str) -> list[Event]:
    """The events that count while the case `shown` is drawn: all but labelling keys pressed on another.

    A label belongs to the case it was given on: a second quick key must not fall on the next case, not seen yet.
    """
    return [e for e in events if e.kind != "key" or e.case == shown or e.key not in LABELS]


def thumbs(
    items: Sequence[Mapping[str, Any]], *, key: str, lang: str = "en", height: int = 190, linked: bool = True
) -> str | None:
    """A row of small viewers; returns the id of a case that was pressed, for one run.

    Each item: {"case": describe(...), "place_mm" or "slice" to open at, "label", "colour", "distance" (texts)}.
    They follow the main viewer's window; `linked` scrolls all of them by the same distance.
    """
    result = _small(
        key=key,
        data={
            "role": "small",
            "bundle": bundle_url(),
            "words": Words(lang).page("viewer"),
            "items": [dict(item) for item in items],
            "height": height,
            "linked": linked,
        },
        on_pressed_change=lambda: None,
    )
    return result.pressed
