"""The one coloured button of Label and Evidence: it files the job and goes to Adapt, where the job is watched."""

from __future__ import annotations

import streamlit as st

from dashboard import frame, state
from dashboard.learner_names import default_learner
from dashboard.state import Page
from engine.jobs.queue import LEARN


def why_not(page: Page) -> str | None:
    """What is missing before adapting makes sense, as a sentence; None when all is there."""
    taught = {page.labels[c.id] for c in page.labelled}
    if len(taught) < 2:
        return page.words("label.need_numbers" if page.numeric else "label.need_two")
    if not page.split.query:
        return page.words("label.need_query")
    waiting = len(page.queue.jobs(project=page.project.id, kinds=("encode",), alive=True))
    if waiting:
        return page.words("label.not_ready", count=waiting)
    return None


def adapt_button(page: Page, text: str | None = None) -> None:
    """Draw the button with, below it, how long it will take or what is missing."""
    words, reason = page.words, why_not(page)
    with st.container(key="next"):
        label = text or words("label.adapt")
        if st.button(label, key="adapt", type="primary", width="stretch", disabled=reason is not None):
            file_adapt(page)
            state.go("adapt")
            st.rerun()
        frame.quiet(reason or how_long(page))


def how_long(page: Page) -> str:
    """What the same method took the last time here, else what most take."""
    device = page.store.get_setting("device", "CPU")
    if page.run and page.run.record["learner"] == default_learner(page):
        seconds = page.run.record["seconds"]["predictions"]
        return page.words("label.adapt_took", seconds=max(1, round(seconds)), device=device)
    return page.words("label.adapt_time", device=device)


def file_adapt(page: Page, learner: str | None = None) -> str:
    """File the adapt job of the project as it stands, or with another learner; pressing twice files it once.

    Returns the job's id.
    """
    settings = page.project.settings
    args = {
        "project": page.project.id,
        "learner": learner or default_learner(page),
        "seed": int(settings.get("seed", 0)),
        "look": "auto" if page.of_rows else settings.get("look", "auto"),
        "reader": page.reader,
    }
    # Readers who are blind to each other adapt beside each other.
    key = f"adapt-{page.project.id}" + (f"-{page.reader}" if page.blind else "")
    return page.queue.file("adapt", args, lane=LEARN, key=key).id
