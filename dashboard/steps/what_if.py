"""What if: values of a row are moved, and the run's model answers at once. Nothing is stored."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import frame
from dashboard.class_marks import NEUTRAL, class_mark
from dashboard.predicted import Predicted
from dashboard.records import Records, number_text
from dashboard.state import Page
from dashboard.steps.record_look import labelled_rows
from dashboard.steps.score import score
from dashboard.steps.watching import ended_badly
from engine.jobs.queue import INTAKE, LEARN, Job

SLIDERS = 6
PATIENCE_S, LOOK_S = (
    4.0,
    0.008,
)  # how long an answer is waited for before the page is drawn, and how often it is looked for
STEPS = 100  # of a slider


def show(page: Page, prediction: Predicted, records: Records, explained: Mapping[str, Any] | None) -> None:
    """Sliders for the columns that speak loudest and for any that is added; the answer before and after."""

    @st.fragment
    def draw() -> None:
        words, row = page.words, page.row(prediction.case)
        frame.quiet(words("rows.what_if_hint"))
        turn = st.session_state.get("what-if-turn", 0)
        answer = st.container(key="what-if-answer")
        key = f"what-if-columns-{prediction.case}"
        chosen = st.session_state.get(key) or _names(page, records, explained)
        values: dict[str, float | str] = {}
        left, right = st.columns(2, gap="medium")
        for i, name in enumerate(chosen):
            with left if i % 2 == 0 else right:
                _control(page, prediction, records, name, row, turn, values)
        with answer:
            _answered(page, prediction, values)
        with st.expander(words("rows.what_if_columns")):
            st.multiselect(
                words("rows.what_if_columns"),
                [line.column for line in records.lines()],
                default=None if key in st.session_state else chosen,
                format_func=records.called,
                placeholder=words("rows.what_if_choose"),
                label_visibility="collapsed",
                key=key,
            )
        if values and st.button(words("rows.what_if_reset"), key="what-if-reset", icon=":material/undo:"):
            st.session_state["what-if-turn"] = turn + 1
            st.rerun(scope="fragment")

    draw()


def _names(page: Page, records: Records, explained: Mapping[str, Any] | None) -> list[str]:
    lines = [line.column for line in records.lines()]
    if explained:
        ranked = sorted(explained["columns"], key=lambda each: -abs(each["amount"]))
        named = [each["column"] for each in ranked if each["column"] in lines]
        if named:
            return named[:SLIDERS]
    return records.telling(labelled_rows(page, records), SLIDERS)


def _control(
    page: Page, prediction: Predicted, records: Records, name: str, row: int, turn: int, values: dict[str, float | str]
) -> None:
    """A slider or a choice for one column; what was moved goes into `values`."""
    entry, cell = records.entries[name], records.cell(name, row)
    title = records.called(name) + (f" ({cell.unit})" if cell.unit else "")
    now = page.words("rows.now", value=cell.said if not cell.missing else page.words("record.missing"))
    key = f"what-if-{prediction.case}-{name}-{turn}"
    numbers = records.numbers(name)
    if numbers is not None and entry.kind == "number":
        there = numbers[np.isfinite(numbers)]
        if not len(there):
            return
        low, high = float(there.min()), float(there.max())
        if high <= low:
            return
        whole = bool((there == np.round(there)).all())
        start = cell.number if cell.number is not None else float(np.median(there))
        if whole:
            low, high, start, step = int(low), int(high), round(start), max(1, round((high - low) / STEPS))
        else:
            step = (high - low) / STEPS
        moved = st.slider(title, low, high, start, step, key=key, help=now, format="%d" if whole else _format(step))
        if abs(float(moved) - float(start)) > 1e-9 * max(1.0, abs(high)):
            values[name] = float(moved)
        return
    levels, at = choices(records, name, row)
    said = (lambda level: page.yes_no(level)) if entry.kind == "yes_no" else str
    picked = st.selectbox(
        title, levels, index=levels.index(at) if at in levels else None, format_func=said, key=key, help=now,
        placeholder=page.words("record.missing"),
    )  # fmt: skip
    if picked is not None and picked != at:
        values[name] = float(picked) if numbers is not None else picked


def choices(records: Records, name: str, row: int) -> tuple[list[str], str | None]:
    """What a column of words may say, as the table writes it, and what this row says; None where it is missing."""
    entry, column = records.entries[name], records.table.frame[name]
    cell, own = records.cell(name, row), column.iloc[row]
    if records.numbers(name) is not None:  # yes and no, written as 1 and 0
        levels, at = ["0", "1"], None if cell.missing else str(int(own))
    else:
        levels = list(entry.levels) or sorted({_written(value) for value in column.dropna()})
        at = None if cell.missing else _written(own)
    return levels if at is None or at in levels else [*levels, at], at


def _written(value: object) -> str:
    return value.date().isoformat() if isinstance(value, pd.Timestamp) else str(value)


def _format(step: float) -> str:
    return "%.0f" if step >= 1 else "%.1f" if step >= 0.1 else "%.2f" if step >= 0.01 else "%.3f"


def _answered(page: Page, prediction: Predicted, values: Mapping[str, float | str]) -> None:
    """The answer for the row as it is, and as it was moved."""
    words = page.words
    if not values:
        st.html(_card(page, words("rows.as_is"), _of(prediction), None))
        return
    job = ask(page, "what_if", {"run": page.run.id, "case": prediction.case, "values": dict(values)})
    if job.alive:
        _wait(page, job.id)
    elif job.state != "done":
        ended_badly(page, job)
    else:
        st.html(_card(page, words("rows.as_moved", count=len(values)), job.result, _of(prediction)))


def _wait(page: Page, job_id: str) -> None:
    """A busy engine, or one just started, takes longer than a page can stand still: its answer comes by itself."""

    @st.fragment(run_every=0.5)
    def wait() -> None:
        if not page.queue.state(job_id).alive:
            st.rerun()
        frame.quiet(page.words("rows.working"))

    wait()


def ask(page: Page, kind: str, args: Mapping[str, Any]) -> Job:
    """File a short job and wait for it here, so that a slider is answered in the same run; still alive where that is
    long."""
    job = page.queue.find(kind, args)
    if job is None or job.state in ("failed", "cancelled"):
        job = page.queue.file(kind, args, lane=free_lane(page), project=page.project.id, priority=2)
    end = time.monotonic() + PATIENCE_S
    while job.alive and time.monotonic() < end:
        time.sleep(LOOK_S)
        job = page.queue.state(job.id)
    return job


def free_lane(page: Page) -> str:
    """The lane that answers first: while a run is being tested, questions about it go past the test."""
    busy = {job.lane for job in page.queue.jobs(alive=True) if job.kind not in ("what_if", "explain_row")}
    return INTAKE if LEARN in busy and INTAKE not in busy else LEARN


def _of(prediction: Predicted) -> Mapping[str, Any]:
    amount = prediction.amount
    if amount:
        return {"value": amount.value, "low": amount.low, "high": amount.high, "unit": amount.unit}
    return {"probabilities": dict(prediction.scores)}


def _card(page: Page, title: str, said: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    body = f'<p class="hf-p"><b>{html.escape(title)}</b></p>'
    if "value" in said:
        body += f'<p class="hf-big">{html.escape(page.amount(said["value"]))}</p>'
        if said.get("low") is not None:
            span = f"{number_text(said['low'])} – {number_text(said['high'])} {page.unit}".strip()
            body += f'<p class="hf-quiet">{html.escape(page.words("rows.likely", range=span))}</p>'
        if before:
            body += (
                f'<p class="hf-quiet">{html.escape(page.words("rows.before", value=page.amount(before["value"])))}</p>'
            )
        return f'<div class="hf-card">{body}</div>'
    was = before["probabilities"] if before else {}
    for name, value in sorted(said["probabilities"].items(), key=lambda each: -each[1]):
        mark = class_mark(page.classes, name) if name in page.classes else None
        ghost = f'<u style="left:{100 * was[name]:.1f}%"></u>' if name in was else ""
        moved = html.escape(f" ({score(was[name])})") if name in was else ""
        colour, shape = (mark.colour, mark.shape) if mark else (NEUTRAL, "")
        body += (
            f'<div class="hf-bar hf-wide" style="--c:{colour}"><span class="t">{shape} {html.escape(name)}</span>'
            f'<span class="b"><i style="width:{100 * value:.1f}%"></i>{ghost}</span>'
            f'<span class="v">{html.escape(score(value))}<small>{moved}</small></span></div>'
        )
    if before:
        body += f'<p class="hf-quiet">{html.escape(page.words("rows.ghost"))}</p>'
    return f'<div class="hf-card">{body}</div>'
