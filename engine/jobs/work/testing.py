"""How a run would do on patients it has not seen: each labelled patient left out in turn, both ways of looking.

At the place this is strict: the finder, too, is taught without the left-out patient's click and has to find the place
by itself, as it has to in the cases that are predicted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.encoders.finder import refine
from engine.evidence.uncertainty import exact_interval, leave_one_patient_out
from engine.jobs.queue import LEARN, Cancelled
from engine.jobs.work import looks, rooms
from engine.jobs.work.adapt import Said, patient, read_said, support_of
from engine.learners import SupportError, learner
from engine.nouns import Note

CONTROLS = ("nearest", "logistic")


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, run, reader. Adds `tests` to the run's record: whole, place (with enough clicks), the controls.

    Where the page left it open where to look and the whole scan tests better than the place, the project is adapted
    once more with the whole scan; a tie stays with the place, since there somebody showed where to look.
    """
    run = rooms.store().run(args["run"])
    said = read_said(args["project"])
    if said.marks != run.record["marks"]:
        return {}  # labels went on; the next run has its own test
    report(0, 1, Note("work.testing").to_json())
    seed, name = run.record["seed"], run.record["learner"]
    tests: dict[str, Any] = {}
    whole = support_of(said, looks.whole_look(said.split.support, said.regions))
    tests["whole"] = _counts(learner(name), whole, seed)
    if looks.can_point([*said.split.support, *said.split.query], said.places):
        tests["place"] = _at_found_places(said, name, seed, report, cancelled)
    for control in CONTROLS:
        tests[control] = _counts(learner(control), whole, seed)
    rooms.store().complete_run(run.id, {"tests": tests})
    left_open = run.record["asked_look"] == "auto" and run.record["look"] == "place"
    if left_open and tests["whole"]["right"] > tests["place"]["right"]:
        again = {"project": args["project"], "learner": name, "seed": seed, "look": "whole", "reader": args["reader"]}
        rooms.queue().file("adapt", again, lane=LEARN, key=f"adapt-{args['project']}")
    return tests


def _counts(method, support, seed: int) -> dict[str, Any]:
    tested = leave_one_patient_out(method, support, seed).tested(support.classes, 1.0)
    return {"right": tested.right, "count": tested.count, "low": tested.low, "high": tested.high}


def _at_found_places(
    said: Said, name: str, seed: int, report: Callable[..., None], cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Leave one patient out of clicks and labels, find the place, judge it there."""
    ids = said.split.support
    pointed = {c: looks.place_embedding(c, said.places[c][0]) for c in ids if said.places.get(c)}
    right = count = 0
    patients = sorted({patient(said.cases[c]) for c in ids})
    for done, who in enumerate(patients):
        if cancelled():
            raise Cancelled
        others = [c for c in ids if patient(said.cases[c]) != who]
        finder = refine([(looks.dense(c), said.places[c]) for c in others if said.places.get(c)], seed)

        def seen(case: str, finder=finder) -> np.ndarray:
            if case in pointed:
                return pointed[case]
            places = looks.found(finder, case)
            return looks.place_embedding(case, places[0])

        split = replace(said.split, support=tuple(others))
        try:
            support = support_of(replace(said, split=split), looks.Look("place", {c: seen(c) for c in others}))
        except SupportError:
            continue  # the class is gone without this patient: nothing can be tested
        adapted = learner(name).adapt(support, seed=seed)
        for case in (c for c in ids if patient(said.cases[c]) == who):
            place = looks.found(finder, case)[0]
            embedding = torch.from_numpy(looks.place_embedding(case, place))[None]
            right += support.classes[int(adapted.logits(embedding).argmax())] == said.labels[case]
            count += 1
        report(done + 1, len(patients), Note("work.testing").to_json())
    low, high = exact_interval(right, count)
    return {"right": right, "count": count, "low": low, "high": high}
