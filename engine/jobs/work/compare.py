"""Compare all: every method on the labelled cases of a run, the same patients left out for each, kept with the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.evidence.comparing import Compared, agreement, compare_one, recommend
from engine.evidence.folds import Fold, leave_out
from engine.jobs.queue import Cancelled
from engine.jobs.work import rooms
from engine.jobs.work.adapt import KeptCases, Outdated, kept_cases, read_said
from engine.jobs.work.compare_numbers import compare_numbers
from engine.jobs.work.leaving_out import place_folds
from engine.learners import Learner, NumberSupport, learners
from engine.nouns import Note
from engine.projects.records import Run


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: run, project. Adds `comparison` to the run's record; methods that are done survive a killed worker."""
    run = rooms.store().run(args["run"])
    kept = kept_cases(run.id)
    if isinstance(kept.support, NumberSupport):
        rooms.store().complete_run(run.id, {"comparison": compare_numbers(run, kept, report, cancelled)})
        return {"run": run.id}
    methods = learners("classes", "record" if run.record["look"] == "row" else "image")
    total = 1 + len(methods)  # making the folds is as much work as a method: a finder is taught for each

    def making(done: float, count: float, _note: object) -> None:
        report(done / count, total, Note("work.compare_begin").to_json())

    making(0, 1, None)
    folds = _folds(run, kept, making, cancelled)
    done: list[Compared] = []
    for method in methods:
        file = checkpoint_dir / f"{method.name}.json"
        if file.exists():
            done.append(Compared.from_json(json.loads(file.read_text("utf-8"))))
            continue
        found = _one(method, kept, folds, run.record["seed"], (len(done), len(methods)), report, cancelled)
        file.write_text(json.dumps(found.to_json()), "utf-8")
        done.append(found)
    rooms.store().complete_run(run.id, {"comparison": _described(done, kept)})
    return {"run": run.id}


def _folds(run: Run, kept: KeptCases, report: Callable[..., None], cancelled: Callable[[], bool]) -> list[Fold]:
    """As the run looked: at the whole scan, or where a finder looks that did not see the left-out patient's click."""
    seed = run.record["seed"]
    if run.record["look"] != "place":
        return leave_out(kept.support, seed)
    said = read_said(run.project_id, run.record.get("taught_by"))
    if said.marks != run.record["marks"]:
        raise Outdated(Note("work.labels_changed"))
    return place_folds(said, kept.support, seed, report, cancelled)


def _one(
    method: Learner,
    kept: KeptCases,
    folds: list[Fold],
    seed: int,
    place: tuple[int, int],
    report: Callable[..., None],
    cancelled: Callable[[], bool],
) -> Compared:
    before, total = place
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        if cancelled():
            raise Cancelled
        ticks += 1
        note = Note("work.comparing", {"method": method.name, "done": before + 1, "total": total})
        report(1 + before + ticks / (len(folds) + 1), 1 + total, note.to_json())

    return compare_one(method, kept.support, folds, kept.query, seed, tick)


def _described(done: list[Compared], kept: KeptCases) -> dict[str, Any]:
    """What the page shows: a row a method, two tables of agreement, the recommendation in sentences."""
    best, notes = recommend(done, kept.support)
    able = [each for each in done if each.refused is None]
    return {
        "methods": [each.to_json() for each in done],
        "asked": list(kept.asked),
        "agreement": {
            "methods": [each.name for each in able],
            "labelled": agreement([each.tested.predicted for each in able]),
            "asked": agreement([each.answers for each in able]),
        },
        "recommended": best,
        "notes": [note.to_json() for note in notes],
    }
