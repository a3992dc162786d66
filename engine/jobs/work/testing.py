"""How a run would do on patients it has not seen: each labelled patient left out in turn, both ways of looking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.evidence.conformal import LEVELS, prediction_sets
from engine.evidence.folds import LeftOut, judge_folds, leave_out
from engine.evidence.judging_numbers import number_tested
from engine.jobs.queue import LEARN, Cancelled
from engine.jobs.work import looks, rooms
from engine.jobs.work.adapt import KeptCases, kept_cases, read_said, support_of
from engine.jobs.work.leaving_out import place_folds
from engine.learners import NumberSupport, Support, adapt_number, learner
from engine.nouns import Note

CONTROLS = ("nearest", "logistic")
NUMBER_CONTROLS = ("nearest", "ridge")


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, run, reader. Adds to the run's record what the labelled cases say of it.

    `tests`: whole, place (with enough clicks) or row, the controls as the run looked; for a number {"count", "mae",
    "mean_mae", "r2"}. `sets`: for each predicted case the
    classes that can't be excluded. Where the page left it open where to look and the whole scan tests better than the
    place, the project is adapted once more with the whole scan; a tie stays with the place, since there somebody
    showed where to look.
    """
    run = rooms.store().run(args["run"])
    said = read_said(args["project"], run.record.get("taught_by"))
    if said.marks != run.record["marks"]:
        return {}  # labels went on; the next run has its own test
    report(0, 1, Note("work.testing").to_json())
    seed, name, look = run.record["seed"], run.record["learner"], run.record["look"]
    kept = kept_cases(run.id)

    def tick() -> None:
        if cancelled():
            raise Cancelled

    tests: dict[str, Any]
    if said.numeric:
        tests = {"row": number_tests(name, kept.support, seed, tick)}
        tests |= {control: number_tests(control, kept.support, seed, tick) for control in NUMBER_CONTROLS}
        rooms.store().complete_run(run.id, {"tests": tests})
        return tests
    whole = kept.support if said.table else support_of(said, looks.whole_look(said.split.support, said.regions))
    folds = {"row" if said.table else "whole": leave_out(whole, seed)}
    if not said.table and looks.can_point([*said.split.support, *said.split.query], said.places):
        folds["place"] = place_folds(said, kept.support if look == "place" else whole, seed, report, cancelled)
    tests = {}
    sets: dict[str, Any] = {}
    for each, parts in folds.items():
        mine = each == look
        left_out = judge_folds(learner(name), whole, parts, seed, tick, kept.query if mine else None)
        tests[each] = _counts(left_out, whole)
        if mine and left_out.asked is not None:
            sets = _sets(left_out, kept)
    same = folds[look] if look in folds else folds["whole"]
    for control in CONTROLS:
        tests[control] = _counts(judge_folds(learner(control), whole, same, seed, tick), whole)
    rooms.store().complete_run(run.id, {"tests": tests, "sets": sets})
    left_open = run.record["asked_look"] == "auto" and look == "place"
    if left_open and "place" in tests and tests["whole"]["right"] > tests["place"]["right"]:
        again = {"project": args["project"], "learner": name, "seed": seed, "look": "whole", "reader": args["reader"]}
        mine = run.record.get("taught_by")  # readers who are blind to each other adapt beside each other
        key = f"adapt-{args['project']}" + (f"-{mine}" if mine is not None else "")
        rooms.queue().file("adapt", again, lane=LEARN, key=key)
    return tests


def number_tests(name: str, support: NumberSupport, seed: int, tick: Callable[[], None]) -> dict[str, Any]:
    """A method on the labelled numbers, each by a model without its patient."""
    tick()
    found = number_tested(adapt_number(learner(name), support, seed=seed))
    return {key: value for key, value in found.to_json().items() if key != "predicted"}


def _counts(left_out: LeftOut, support: Support) -> dict[str, Any]:
    tested = left_out.tested(support.classes)
    return {"right": tested.right, "count": tested.count, "low": tested.low, "high": tested.high}


def _sets(left_out: LeftOut, kept: KeptCases) -> dict[str, Any]:
    """{"patients": class -> how many, "levels": {"0.8": {"promises": [class], "cases": {case: [class]}}, ...}}."""
    found = [prediction_sets(left_out, kept.support, level) for level in LEVELS]
    return {
        "patients": dict(found[0].patients),
        "levels": {
            str(each.level): {
                "promises": list(each.promises),
                "cases": {case: list(names) for case, names in zip(kept.asked, each.sets, strict=True)},
            }
            for each in found
        },
    }
