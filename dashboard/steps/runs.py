"""Runs remembered: side by side, what changed between two, which cases flipped, and the learning curve."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import frame, state
from dashboard.class_marks import NEUTRAL, class_mark
from dashboard.learner_names import learner_title
from dashboard.state import Page
from dashboard.steps import curve
from dashboard.steps.cases_list import thumb
from dashboard.steps.tested import values
from dashboard.worklist import worklist
from engine.projects.changes import Changes, changes
from engine.projects.records import Run

SHOWN = 12  # newest runs


def show(page: Page) -> Changes | None:
    """Draw the view; returns what changed between the two runs that are compared."""
    words, runs = page.words, remembered(page)
    if not runs:
        frame.card(words("runs.none"))
        return None
    frame.heading(words("runs.title"))
    heads = [words("runs.when"), words("adapt.learner"), words("runs.labels"), words("runs.seed"),
             words("adapt.look_where"), words("runs.off" if page.numeric else "runs.right")]  # fmt: skip
    with st.container(key="runs-table"):
        frame.table(heads, [_row(page, run) for run in runs])
    frame.heading(words("runs.compare"))
    found = None
    if len(runs) == 1:
        frame.quiet(words("runs.only_one"))
    else:
        earlier, later = _choose(page, runs)
        found = changes(
            earlier.record, later.record, page.store.predictions(earlier.id), page.store.predictions(later.id)
        )
        frame.card(page.words.between.join(changed_sentences(page, found)), quiet=flipped_sentence(page, found))
    curve.show(page, runs)
    return found


def remembered(page: Page) -> list[Run]:
    return page.store.runs(page.project.id, limit=SHOWN, taught_by=page.own)


def _row(page: Page, run: Run) -> list[str]:
    words, record = page.words, run.record
    when = _when(run) + (f" · {words('runs.newest')}" if page.run and run.id == page.run.id else "")
    cases, patients = taught(page, run)
    return [
        when,
        learner_title(words, record["learner"]),
        words("runs.patients", cases=cases, patients=patients),
        str(record["seed"]),
        words(f"adapt.look_{record['look']}"),
        _tested(page, record),
    ]


def _when(run: Run) -> str:
    return time.strftime("%m-%d %H:%M:%S", time.localtime(run.at))


def taught(page: Page, run: Run) -> tuple[int, int]:
    """How many cases of how many patients a run learned from; a case that was taken out since counts as one."""
    ids = [each["case"] for each in run.record.get("support", ())]
    whose = {(page.by_id[c].patient or c) if c in page.by_id else c for c in ids}
    return len(ids), len(whose)


def own_test(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The test of a run at what it looked at; None while it is not there."""
    found = (record.get("tests") or {}).get(record["look"])
    return found or (record["tested"] if record["look"] in ("whole", "row") else None)


def _tested(page: Page, record: Mapping[str, Any]) -> str:
    test = own_test(record)
    if test is None:
        return page.words("runs.running")
    if not test["count"]:
        return page.words("adapt.not_tested")
    if record.get("target") == "number":
        return page.amount(test["mae"])
    return page.words("adapt.right_of", **values(test))


def _choose(page: Page, runs: list[Run]) -> tuple[Run, Run]:
    """Two runs, by default the newest and the one before it; put in the order of time."""
    by_id = {run.id: run for run in runs}

    def named(run_id: str) -> str:
        return f"{_when(by_id[run_id])} · {learner_title(page.words, by_id[run_id].record['learner'])}"

    newest = runs[0].id  # another choice after each run
    with st.container(key="runs-pair"):
        left, right = st.columns(2, gap="small")
    ids = list(by_id)
    one = left.selectbox(page.words("runs.earlier"), ids, index=1, format_func=named, key=f"run-earlier-{newest}")
    other = right.selectbox(page.words("runs.later"), ids, index=0, format_func=named, key=f"run-later-{newest}")
    first, second = sorted((by_id[one], by_id[other]), key=lambda run: run.at)
    return first, second


def changed_sentences(page: Page, found: Changes) -> list[str]:
    """What was said or chosen otherwise."""
    words, said = page.words, []
    show_as = {
        "learner": lambda v: learner_title(words, v),
        "seed": str,
        "look": lambda v: words(f"adapt.look_{v}"),
        "classes": lambda v: " / ".join(v or ()),
        "taught_by": lambda v: v or words("runs.everybody"),
    }
    for name, (before, after) in found.settings.items():
        key = "seed_changed" if name == "seed" else name
        said.append(words(f"runs.{key}", before=show_as[name](before), after=show_as[name](after)))
    for name in ("added", "removed", "relabelled"):
        if count := len(getattr(found, name)):
            said.append(words(f"runs.{name}", count=count))
    if found.encoder:
        said.append(words("runs.encoder"))
    return said or [words("runs.same")]


def flipped_sentence(page: Page, found: Changes) -> str:
    if not found.compared:
        return page.words("runs.nothing_common")
    key = "flipped" if found.flipped else "flipped_none"
    return page.words(f"runs.{key}", k=len(found.flipped), n=found.compared)


def flipped_list(page: Page, found: Changes) -> None:
    """At the left: the cases that are answered otherwise; a click opens the case with its evidence."""
    words, items = page.words, []
    for case, (before, after) in found.flipped.items():
        if case not in page.by_id:
            continue
        mark = class_mark(page.classes, after) if after in page.classes else None
        items.append(
            {
                "id": case,
                "title": page.title(case),
                "detail": words("runs.was_now", before=page.said(before), after=page.said(after)),
                "tag": {"text": page.said(after), "colour": mark.colour if mark else NEUTRAL,
                        "shape": mark.shape if mark else ""},
                "thumb": thumb(page, case),
                "filter": "all",
            }
        )  # fmt: skip
    picked = worklist(
        items,
        key="flipped-list",
        selected=page.case_id,
        title=words("runs.flipped_list"),
        aside=words("readers.differ_count", count=len(items)),
        progress=None,
        filters=[{"id": "all", "text": words("app.all"), "colour": None}],
        empty=words("runs.flipped_empty"),
    )
    if picked:
        state.go("evidence" if picked in page.predictions else "label", case=picked)
        st.rerun()
