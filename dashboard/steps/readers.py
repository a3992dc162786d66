"""Readers compared: who labelled, how far they agree, where they differ, and the model taught by each."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import frame, plots, state
from dashboard.class_marks import NEUTRAL
from dashboard.learner_names import default_learner, learner_title
from dashboard.state import Page
from dashboard.steps import readers_told
from dashboard.steps.cases_list import thumb
from dashboard.steps.reader_name import begin_blind, lift_blind, name_field, reading_as
from dashboard.steps.watching import watch_job
from dashboard.worklist import worklist
from engine.jobs.queue import INTAKE, Job
from engine.projects.blind import lifted
from engine.projects.digest import marks_digest


def show(page: Page) -> Mapping[str, Any] | None:
    """Draw the view; returns the comparison that is shown, None before the first."""
    words = page.words
    readers = page.store.readers(page.project.id, until=lifted(page.project.settings))
    _who(page)
    if not readers:
        frame.card(words("readers.none"))
        return None
    if len(readers) == 1:
        frame.card(words("readers.one"))
        return None
    args = _args(page, list(readers))
    job = page.queue.latest("readers", page.project.id)
    if page.under_way(job):
        watch_job(page, job.id, page.words("adapt.waiting"), "stop-readers", page.words("readers.comparing"))
        return None
    if job is not None and job.state == "failed":
        frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
    done = _finished(page)
    if done is None:
        frame.card(words("readers.compare_what"))
        _button(page, args, "readers.compare")
        return None
    if done.args["said"] != args["said"] or any(done.args[k] != args[k] for k in ("learner", "seed", "look")):
        frame.remark(words("readers.changed"))
        _button(page, args, "readers.compare_again")
    _told(page, done)
    return done.result


def _who(page: Page) -> None:
    """Who reads here, and whether blind."""
    words, when = page.words, lifted(page.project.settings)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="who-reads"):
        with st.popover(reading_as(page), icon=":material/person:"):
            name_field(page, "readers")
        (lift_blind if page.blind else begin_blind)(page)
    if page.blind:
        frame.quiet(words("readers.blind_on"))
    elif when:
        frame.quiet(words("readers.lifted", when=time.strftime("%Y-%m-%d %H:%M", time.localtime(when))))


def _args(page: Page, names: list[str]) -> dict[str, Any]:
    """What is compared; `said` is all that the readers have said, so that a change asks for another comparison."""
    until = lifted(page.project.settings)
    given = [
        [name, marks_digest(page.store.labels(page.project.id, reader=name, until=until),
                            page.store.places(page.project.id, reader=name),
                            page.store.regions(page.project.id, reader=name))]
        for name in names
    ]  # fmt: skip
    given.append(["cases", hashlib.sha256(" ".join(page.by_id).encode()).hexdigest()])
    settings = page.project.settings
    return {
        "project": page.project.id,
        "learner": default_learner(page),
        "seed": int(settings.get("seed", 0)),
        "look": "auto" if page.of_rows else settings.get("look", "auto"),
        "said": hashlib.sha256(json.dumps(given).encode()).hexdigest()[:16],
    }


def _finished(page: Page) -> Job | None:
    """The newest comparison that came to an end."""
    jobs = page.queue.jobs(project=page.project.id, kinds=("readers",), limit=20)
    return next((job for job in jobs if job.state == "done"), None)


def _button(page: Page, args: Mapping[str, Any], text: str) -> None:
    if st.button(page.words(text), key="compare-readers", icon=":material/group:"):
        page.queue.file("readers", args, lane=INTAKE, priority=-1)
        st.rerun()


def _told(page: Page, job: Job) -> None:
    """The comparison in words, then the table of two readers, then the models."""
    words, found = page.words, job.result
    frame.card(*readers_told.agreement(page, found), quiet=readers_told.method(words, found))
    if not page.blind and lifted(page.project.settings) is None:
        frame.quiet(words("readers.not_blind"))
    left, right = st.columns([45, 55], gap="medium")
    with left:
        pair = _pair(page, found)
        if found["number"]:
            _limits(page, pair)
        elif pair["count"]:
            first, second = (readers_told.called(words, name) for name in pair["readers"])
            frame.heading(words("readers.matrix"))
            st.plotly_chart(
                plots.confusion(pair["table"], found["classes"], words("readers.matrix_axis", name=second),
                                words("readers.matrix_axis", name=first)),
                key="readers-table",
                config={"displayModeBar": False},
            )  # fmt: skip
    with right:
        frame.heading(words("readers.who"))
        counts = [
            words("readers.counts", **{**e, "name": readers_told.called(words, e["name"])}) for e in found["readers"]
        ]
        frame.card(*counts, *readers_told.answers(page, found))
    frame.heading(words("readers.taught"))
    frame.quiet(words("readers.taught_how", name=learner_title(words, job.args["learner"])))
    frame.table(*readers_told.models(page, found))


def _pair(page: Page, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The two readers that are looked at: chosen where there are more."""
    pairs, words = found["pairs"], page.words
    if len(pairs) == 1:
        return pairs[0]
    chosen = st.selectbox(
        words("readers.pair"),
        range(len(pairs)),
        format_func=lambda i: words("readers.and").join(readers_told.called(words, n) for n in pairs[i]["readers"]),
        key="readers-pair",
    )
    return pairs[chosen]


def _limits(page: Page, pair: Mapping[str, Any]) -> None:
    if pair["mean"] is None:
        return
    words = page.words
    a, b = (readers_told.called(words, name) for name in pair["readers"])
    points = [{**each, "title": page.title(each["id"])} for each in pair["points"] if each["id"] in page.by_id]
    st.plotly_chart(
        plots.bland_altman(points, pair["mean"], pair["lower"], pair["upper"], words("readers.limits_x"),
                           words("readers.limits_y", a=a, b=b)),
        key="readers-limits",
        config={"displayModeBar": False},
    )  # fmt: skip


def differing_list(page: Page, found: Mapping[str, Any]) -> None:
    """At the left: the cases to which readers gave different answers; a click opens the case. Not while it is blind."""
    words = page.words
    shown = [] if page.blind else [each for each in found["differ"] if each["case"] in page.by_id]
    items = [
        {
            "id": each["case"],
            "title": page.title(each["case"]),
            "detail": " · ".join(f"{readers_told.called(words, n)}: {page.said(v)}" for n, v in each["labels"].items()),
            "tag": {"text": "≠", "colour": NEUTRAL, "shape": ""},
            "thumb": thumb(page, each["case"]),
            "filter": "all",
        }
        for each in shown
    ]
    count = len(found["differ"])
    picked = worklist(
        items,
        key="differ-list",
        selected=page.case_id,
        title=words("readers.differ"),
        aside=words("readers.differ_count", count=count),
        progress=None,
        filters=[{"id": "all", "text": words("app.all"), "colour": None}],
        empty=words("readers.differ_blind" if page.blind and count else "readers.differ_none"),
    )
    if picked:
        state.go("label", case=picked)
        st.rerun()
