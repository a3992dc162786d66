"""Every method that learns a number, on the labelled rows of a run, each patient by a model that has not seen them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from engine.evidence.judging_numbers import number_tested
from engine.jobs.queue import Cancelled
from engine.jobs.work.adapt import KeptCases
from engine.learners import SupportError, adapt_number, learners
from engine.nouns import Note
from engine.projects.records import Run

CLEARLY = 0.05  # a method is recommended over the simplest where its mean error is smaller by this share
SIMPLEST_FIRST = ("ridge", "nearest", "matching")


def compare_numbers(
    run: Run, kept: KeptCases, report: Callable[..., None], cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """{"target": "number", "methods": [{"name", "count", "mae", "mean_mae", "r2", "seconds", "answers", "refused"}],
    "asked", "recommended"}. Smallest mean absolute error wins; the simplest where it is not clearly beaten."""
    methods = learners("number", "record")
    rows: list[dict[str, Any]] = []
    for done, method in enumerate(methods):
        if cancelled():
            raise Cancelled
        note = Note("work.comparing", {"method": method.name, "done": done + 1, "total": len(methods)})
        report(done, len(methods), note.to_json())
        started = time.perf_counter()
        try:
            adapted = adapt_number(method, kept.support, seed=run.record["seed"])
        except SupportError as error:
            rows.append({"name": method.name, "refused": error.note.to_json()})
            continue
        seconds = time.perf_counter() - started
        tested = {key: value for key, value in number_tested(adapted).to_json().items() if key != "predicted"}
        answers = adapted.mean(kept.query).detach().tolist()
        rows.append({"name": method.name, **tested, "seconds": seconds, "answers": answers, "refused": None})
    return {"target": "number", "methods": rows, "asked": list(kept.asked), "recommended": recommended(rows)}


def recommended(rows: list[dict[str, Any]]) -> str | None:
    """The method to take, None where nothing could be tested."""
    tested = {row["name"]: row["mae"] for row in rows if row.get("mae") is not None}
    if not tested:
        return None
    best = min(tested, key=tested.get)
    for name in SIMPLEST_FIRST:
        if name in tested and tested[name] * (1 - CLEARLY) <= tested[best]:
            return name
    return best
