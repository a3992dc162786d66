"""The worklist's items: a case with its thumbnail, its size in words, and what it is called or predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.class_marks import NEUTRAL, class_mark
from dashboard.state import ROW_KINDS, Page
from dashboard.steps.watching import reading
from dashboard.worklist import worklist
from engine.projects.records import UNSURE, ProjectCase


def describe(page: Page, case: ProjectCase) -> str:
    """ "24 slices · 5 mm", or what kind of picture it is."""
    words, noun = page.words, case.case
    if noun.kind in ROW_KINDS:
        return " · ".join(page.in_short(case.id))
    count = noun.shape[0]
    if noun.kind == "volume" and noun.geometry.measured:
        return words("app.slices", count=count, mm=f"{noun.geometry.spacing_mm[0]:.3g}")
    if noun.kind == "volume":
        return words("app.slices_alone", count=count)
    return words("app.pictures", count=count)


def label_tag(page: Page, value: str | float | None) -> dict:
    """The coloured word at the right of an item."""
    if value is None:
        return {"text": page.words("app.unlabelled"), "colour": NEUTRAL, "shape": ""}
    if value == UNSURE:
        return {"text": page.words("app.unsure"), "colour": NEUTRAL, "shape": "?"}
    if isinstance(value, float):
        return {"text": page.said(value), "colour": NEUTRAL, "shape": ""}
    mark = class_mark(page.classes, value)
    return {"text": value, "colour": mark.colour, "shape": mark.shape}


def thumb(page: Page, case_id: str) -> str:
    """The address of a small picture of a case, "" where there is none: a row of values."""
    kind = page.by_id[case_id].case.kind
    if kind == "molecule":
        return f"/hf/cases/{case_id}/structure?ink={'dark' if st.context.theme.type == 'light' else 'light'}"
    return "" if kind == "record" else f"/hf/cases/{case_id}/thumb"


def label_list(page: Page, key: str) -> str | None:
    """The worklist of Gather and Label: every case with its label. Returns the case that was clicked."""
    words, under_way = page.words, reading(page)
    items = []
    for case in page.cases:
        value = page.labels.get(case.id)
        said = describe(page, case)
        if not page.ready(case.id):
            said += f" · {words('app.preparing' if under_way else 'app.not_prepared')}"
        items.append(
            {
                "id": case.id,
                "title": page.title(case.id),
                "detail": said,
                "tag": label_tag(page, value),
                "thumb": thumb(page, case.id),
                "filter": _filter(page, value),
            }
        )
    return worklist(
        items,
        key=key,
        selected=page.case_id,
        title=words("label.cases", count=len(page.cases)),
        aside=words("label.labelled", count=len(page.labelled)),
        progress=len(page.labelled) / len(page.cases) if page.cases else None,
        filters=_filters(page),
        empty=words("gather.none"),
    )


def _filter(page: Page, value: str | float | None) -> str:
    if isinstance(value, float):
        return "number"
    return f"class-{value}" if value in page.classes else (value or "unlabelled")


def _filters(page: Page) -> Sequence[Mapping]:
    words = page.words
    chips = [{"id": "all", "text": words("app.all"), "colour": None}]
    waiting = sum(1 for c in page.cases if c.id not in page.labels)
    if waiting and waiting < len(page.cases):
        chips.append({"id": "unlabelled", "text": f"{words('label.filter_unlabelled')} {waiting}", "colour": None})
    for name in page.classes:
        count = sum(1 for v in page.labels.values() if v == name)
        if count:
            mark = class_mark(page.classes, name)
            chips.append({"id": f"class-{name}", "text": f"{mark.shape} {name} {count}", "colour": mark.colour})
    numbers = sum(1 for v in page.labels.values() if isinstance(v, float))
    if numbers and numbers < len(page.cases):
        chips.append({"id": "number", "text": f"{words('label.filter_labelled')} {numbers}", "colour": None})
    unsure = sum(1 for v in page.labels.values() if v == UNSURE)
    if unsure:
        chips.append({"id": UNSURE, "text": f"? {words('app.unsure')} {unsure}", "colour": None})
    return chips
