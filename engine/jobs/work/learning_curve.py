"""The learning curve of a run: what its method does with fewer of the labelled patients, and probably with more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.evidence.learning_curve import curve, try_handfuls
from engine.jobs.queue import Cancelled
from engine.jobs.work import rooms
from engine.jobs.work.adapt import kept_cases
from engine.learners import NumberSupport, learner
from engine.nouns import Note


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: run, project. Adds `curve` to the run's record: `engine.evidence.learning_curve.Curve` as JSON.

    The cases are seen as the run saw them: pointed at where it looked at places, which flatters a little (the tests of
    the run have to find the place first).
    """
    run = rooms.store().run(args["run"])
    kept = kept_cases(run.id)

    def tick(done: int, total: int) -> None:
        if cancelled():
            raise Cancelled
        report(done, total, Note("work.curve", {"done": done + 1, "total": total}).to_json())

    seed = int(run.record["seed"])
    tried = try_handfuls(learner(run.record["learner"]), kept.support, seed=seed, tick=tick)
    numeric = isinstance(kept.support, NumberSupport)
    most = float("inf") if numeric else 1.0
    found = curve(tried, len(set(kept.support.groups)), most=most, seed=seed)
    rooms.store().complete_run(run.id, {"curve": found.to_json()})
    return {"run": run.id}
