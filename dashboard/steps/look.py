"""The viewer in the middle of a step, wired to what a person does in it: keys, a click on the finding, a region."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import frame
from dashboard.class_marks import class_mark
from dashboard.state import Page
from dashboard.steps.record_look import look_at_record
from dashboard.viewer import Event, Overlay, describe, viewer
from engine.nouns import Place

KEYS = {"ctrl+z": "undo", "n": "next", "j": "next", "k": "previous"}


def viewer_case(page: Page, case_id: str) -> dict[str, Any]:
    """A case as the viewer takes it."""
    case = page.by_id[case_id].case
    return describe(case, title=page.title(case_id), synthetic=case.synthetic)


def look(
    page: Page,
    case_id: str | None,
    *,
    on_key: Callable[[str], bool],
    height: str,
    overlay: Overlay | None = None,
    marks: Sequence[Mapping[str, Any]] = (),
    found: Sequence[Place] = (),
    start_mm: Sequence[float] | None = None,
    start_slice: int | None = None,
    note: str = "",
) -> None:
    """Draw the viewer for a case (for a row its card) and act on what was done in it.

    Keys go to `on_key`; True draws the page anew.
    """
    if case_id is None:
        frame.card(page.words("gather.none"), quiet=page.words("gather.hint_empty"))
        return
    if page.is_row(case_id):
        look_at_record(page, case_id, on_key=on_key, height=height)
        return
    pointed = page.places.get(case_id, ())
    if start_mm is None and pointed:
        start_mm = pointed[0].centre_mm
    start = None
    if start_mm is not None:
        start = {"place_mm": list(start_mm)}
    elif start_slice is not None:
        start = {"slice": start_slice}
    events = viewer(
        viewer_case(page, case_id),
        key="viewer",
        lang=page.words.language,
        height=height,
        overlay=overlay,
        marks=marks,
        places=[_pointed(page, case_id, p) for p in pointed] + _found(page, found, start_mm),
        region=page.regions.get(case_id),
        start=start,
        note=note,
    )
    changed = [_act(page, event, on_key) for event in events]
    if any(changed):
        st.rerun()


def _pointed(page: Page, case_id: str, place: Place) -> dict[str, Any]:
    """A place that a person pointed at, with name and colour of the case's label."""
    label = page.labels.get(case_id)
    named = {"label": label, "colour": class_mark(page.classes, label).colour} if label in page.classes else {}
    return place.to_json() | named


def _found(page: Page, found: Sequence[Place], at_mm: Sequence[float] | None) -> list[dict[str, Any]]:
    """The places found, best first: the one looked at by name, the others by their rank."""
    drawn = []
    for rank, place in enumerate(found, start=1):
        here = at_mm is not None and tuple(place.centre_mm) == tuple(at_mm)
        drawn.append(place.to_json() | {"label": page.words("evidence.found_here") if here else str(rank)})
    return drawn


def _act(page: Page, event: Event, on_key: Callable[[str], bool]) -> bool:
    """Write what was done to the store, on the case that was shown when it happened."""
    if event.case not in page.by_id:
        return False
    project, reader = page.project.id, page.reader
    if event.kind == "key":
        return on_key(KEYS.get(event.key, event.key))
    if event.kind == "place":
        page.store.set_place(project, event.case, event.place, reader=reader)
    elif event.kind == "region":
        page.store.set_region(project, event.case, event.place, reader=reader)
    elif event.kind == "clear_place":
        page.store.clear_place(project, event.case, reader=reader)
    elif event.kind == "clear_region":
        page.store.set_region(project, event.case, None, reader=reader)
    return True
