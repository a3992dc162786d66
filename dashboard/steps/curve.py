"""The learning curve of the newest run: what was tried with fewer patients, and what more would probably bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import frame, plots
from dashboard.state import Page
from dashboard.steps.watching import watch_job
from engine.jobs.queue import INTAKE
from engine.projects.records import Run

NEEDED = 10  # engine.evidence.learning_curve.FEWEST_PATIENTS, which the page can't import without what computes


def show(page: Page, runs: Sequence[Run]) -> None:
    words = page.words
    frame.heading(words("runs.curve"))
    job = page.queue.latest("learning_curve", page.project.id)
    if page.under_way(job):
        watch_job(page, job.id, page.words("runs.curve_working"), "stop-curve")
        return
    if job is not None and job.state == "failed" and job.args["run"] == page.run.id:
        frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
    found = page.run.record.get("curve")
    if found is None:
        frame.quiet(words("runs.curve_stale" if page.stale else "runs.curve_what"))
        _button(page, "runs.curve_make")
        return
    frame.card(page.words.between.join(curve_sentences(page, found)), quiet=_method(page))
    st.plotly_chart(_figure(page, found, runs), key="learning-curve", config={"displayModeBar": False})


def _method(page: Page) -> str:
    place = page.run.record["look"] == "place"
    return page.words("runs.how") + (page.words.between + page.words("runs.how_place") if place else "")


def _button(page: Page, text: str) -> None:
    if st.button(page.words(text), key="draw-curve", icon=":material/show_chart:", disabled=page.stale):
        args = {"run": page.run.id, "project": page.project.id}
        page.queue.file("learning_curve", args, lane=INTAKE, priority=-1)
        st.rerun()


def curve_sentences(page: Page, found: Mapping[str, Any]) -> list[str]:
    """What twice as many labelled patients would probably bring, or that too few allow nothing."""
    words = page.words
    if found["then"] is None:
        return [words("runs.few", patients=found["patients"], needed=NEEDED)]
    numbers = {"then": found["then_patients"], "now": found["patients"]}
    gain = found["gain"]
    if page.numeric:
        for name, three in (("before", found["now"]), ("after", found["then"])):
            numbers |= {f"{name}{end}": page.amount(v) for end, v in zip(("", "_low", "_high"), three, strict=True)}
        told = dict(zip(("gain", "low", "high"), map(page.amount, gain), strict=True))
        said = [words("runs.ahead_number", **numbers), words("runs.gain_number", **told)]
        nothing = gain[1] <= 0.01 * found["now"][0]
    else:
        for name, (error, low, high) in (("before", found["now"]), ("after", found["then"])):
            three = {"": 1 - error, "_low": 1 - high, "_high": 1 - low}
            numbers |= {f"{name}{end}": round(100 * value) for end, value in three.items()}
        told = {name: round(100 * value) for name, value in zip(("gain", "low", "high"), gain, strict=True)}
        said = [words("runs.ahead", **numbers), words("runs.gain", **told)]
        nothing = told["low"] <= 0
    return [*said, words("runs.gain_unsure")] if nothing else said


def _figure(page: Page, found: Mapping[str, Any], runs: Sequence[Run]):
    """Accuracy in percent, or the mean distance from the number; runs of the same method and look stand beside."""
    from dashboard.steps.runs import own_test, taught

    words, record = page.words, page.run.record

    def shown(error: float) -> float:
        return error if page.numeric else 100 * (1 - error)

    ahead = [
        (n, shown(fit), *sorted((shown(low), shown(high))))
        for n, fit, low, high in zip(found["ahead"], found["fit"], found["low"], found["high"], strict=True)
    ]
    points = []
    for run in runs:
        test = own_test(run.record)
        same = all(run.record.get(k) == record.get(k) for k in ("learner", "look"))
        if test is None or not test["count"] or not same:
            continue
        x = taught(page, run)[1]
        points.append(
            (x, test["mae"], test["mae"], test["mae"])
            if page.numeric
            else (x, 100 * test["right"] / test["count"], 100 * test["low"], 100 * test["high"])
        )
    texts = {name: words(f"runs.curve_{name}") for name in ("x", "y", "tried", "fit", "runs")}
    if page.numeric:
        texts["y"] = words("runs.curve_y_number")
    tried = [(n, shown(error)) for n, error in zip(found["sizes"], found["error"], strict=True)]
    return plots.learning_curve(tried, ahead, points, found["patients"], texts, top=None if page.numeric else 100.0)
