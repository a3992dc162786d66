"""The demo projects' scans: synthetic studies that walk in through the same door as a real upload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.intake import Taken, load_volume, patient_key, take_in
from engine.jobs.demo_start import QUESTIONS, READER
from engine.jobs.work import rooms
from engine.jobs.work.encode import file_encode
from engine.nouns import Case, Note, Place
from engine.phantoms.demo import DEMO_FOLDER, DemoSeries, match_demo

TAUGHT_A_CLASS = 3  # labelled and pointed at by us, so that Adapt can be pressed at once; the visitor labels more


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, again. Reads the shipped studies into a demo project and gives the first labels from the truth.

    `again`: the scans are there, only the first labels are given anew: after a reset of a demo that an earlier version
    made, which kept no first state.
    """
    store = rooms.store()
    project = store.project(args["project"])
    removed: dict[str, int] = {}
    if args.get("again"):
        cases = [c.case for c in store.cases(project.id)]
    else:
        taken = _read(report, cancelled)
        cases, removed = taken.cases, dict(taken.removed)
    known = {case.id: match_demo(load_volume(rooms.case_dir(case.id))) for case in cases}
    classes = dict(QUESTIONS)[project.name]
    asked = [c for c in cases if known[c.id] and _belongs(known[c.id], classes)]
    for case in asked:
        store.add_case(project.id, case, reader=READER)
        file_encode(project.id, case.id)
    begin_labels(project.id, asked, known)
    store.keep_first_state(project.id)
    return {"cases": len(asked), "already": 0, "refused": 0, "removed": removed}


def _read(report: Callable, cancelled: Callable[[], bool]) -> Taken:
    settings = rooms.settings()
    settings.cases_dir.mkdir(parents=True, exist_ok=True)

    def tell(done: int, total: int, name: str) -> None:
        report(done, total, Note("work.reading", {"done": done, "total": total}).to_json())

    key = patient_key(settings.key_file)
    return take_in(DEMO_FOLDER, settings.cases_dir, key=key, report=tell, cancelled=cancelled)


def _belongs(series: DemoSeries, classes: dict[str, str]) -> bool:
    """A question of two kinds of nodule shows nodules only; a wider one shows everything, also what has no class."""
    return series.truth.finding in classes or "normal" in classes


def begin_labels(project: str, cases: list[Case], known: dict[str, DemoSeries]) -> None:
    """Label the first few cases of each class and point at their findings, hospitals in turn."""
    store = rooms.store()
    classes = dict(QUESTIONS)[store.project(project).name]
    by_turn = sorted(cases, key=lambda c: (known[c.id].file.split("-")[-1], known[c.id].file))
    given: Counter[str] = Counter()
    for case in by_turn:
        truth = known[case.id].truth
        label = classes.get(truth.finding)
        if label is None or given[label] >= TAUGHT_A_CLASS:
            continue
        given[label] += 1
        store.set_label(project, case.id, label, reader=READER)
        if truth.centre_mm is not None:
            store.set_place(project, case.id, Place(tuple(truth.centre_mm)), reader=READER)
