"""Options side by side, for a project whose classes are treatments: what was chosen, never what is best."""

from __future__ import annotations

import html

import streamlit as st

from dashboard import frame
from dashboard.class_marks import NEUTRAL, class_mark
from dashboard.predicted import Predicted
from dashboard.records import Records
from dashboard.state import Page
from engine.jobs.gallery import task

OPTIONS = ("diabetes-medication",)  # ready tasks whose classes are treatments; others only have some among the columns


def fits(page: Page) -> bool:
    """Whether classes are options to choose among: the project's switch says so, or its ready task."""
    settings = page.project.settings
    return not page.numeric and bool(settings.get("treatment", settings.get("gallery") in OPTIONS))


def warns(page: Page) -> bool:
    """Whether treatments play a part, so that confounding has to be spoken of."""
    found = task(str(page.project.settings.get("gallery", "")))
    return fits(page) or bool(found and found.treatment)


def switch(page: Page) -> None:
    """The switch that says that this project's classes are treatments."""
    on = st.toggle(page.words("rows.treatment"), value=fits(page), key=f"treatment-{page.project.id}")
    if on != fits(page):
        page.store.set_project_settings(page.project.id, treatment=on)
        st.rerun()


def warning(page: Page) -> str:
    """The plain warning about confounding: the task's own, or the general one."""
    found = task(str(page.project.settings.get("gallery", "")))
    said = getattr(found.text(page.words.language), "warning", "") if found else ""
    return said or page.words("rows.confounding")


def show(page: Page, prediction: Predicted, records: Records) -> None:
    """A column an option: how like those who got it this patient is, its range, and how many of the nearest got it."""
    words = page.words
    frame.card(words("rows.chose"), warning(page), warn=True)
    near = [each.label for each in prediction.near]
    names = prediction.by_score
    tiles = "".join(_option(page, prediction, name, near.count(name), len(near)) for name in names)
    st.html(f'<div class="hf-options">{tiles}</div>')
    frame.quiet(words("rows.options_hint"))


def _option(page: Page, prediction: Predicted, name: str, near: int, of: int) -> str:
    words = page.words
    mark = class_mark(page.classes, name) if name in page.classes else None
    value, low, high = prediction.scores[name], prediction.low[name], prediction.high[name]
    colour, shape = (mark.colour, mark.shape) if mark else (NEUTRAL, "")
    taught = sum(1 for label in page.labels.values() if label == name)
    said = [
        words("rows.option_range", low=f"{100 * low:.0f}", high=f"{100 * high:.0f}"),
        words("rows.option_near", count=near, of=of),
        words("rows.option_taught", count=taught),
    ]
    lines = "".join(f'<p class="hf-quiet">{html.escape(each)}</p>' for each in said)
    return (
        f'<div class="hf-card hf-option" style="--c:{colour}"><p class="hf-p"><b>{shape} {html.escape(name)}</b></p>'
        f'<p class="hf-big">{100 * value:.0f} %</p><div class="hf-bar"><span class="b">'
        f'<i style="width:{100 * value:.1f}%">'
        f'</i><u style="left:{100 * low:.1f}%"></u><u style="left:{100 * high:.1f}%"></u></span></div>{lines}</div>'
    )
