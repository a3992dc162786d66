"""Adapt: labels and embeddings -> a model of the task -> predictions for the others, filed as a run."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import engine
from engine.evidence import Judgement, Prediction, judge
from engine.evidence.checks import facts_of
from engine.evidence.held_back import judge_held_back, short_intervals
from engine.evidence.judging_numbers import NumberJudgement, NumberPrediction, judge_number
from engine.jobs.queue import LEARN, Cancelled
from engine.jobs.work import looks, rooms
from engine.jobs.work.looks import Look
from engine.jobs.work.row_data import held_back
from engine.jobs.work.row_look import table_notes
from engine.jobs.work.weights import weights_now
from engine.learners import NumberSupport, Step, Support, SupportError, learner
from engine.nouns import Case, Note, Place
from engine.projects.blind import is_blind
from engine.projects.changes import answer, differs
from engine.projects.digest import marks_digest
from engine.projects.records import Project, Run
from engine.projects.split import Split, split_cases
from engine.sentences import Refusal


@dataclass(frozen=True)
class Said:
    """What a project's people have said when Adapt was pressed."""

    project: Project
    cases: Mapping[str, Case]
    labels: Mapping[str, str | float | None]
    places: Mapping[str, Sequence[Place]]
    regions: Mapping[str, Place]
    split: Split

    @property
    def marks(self) -> str:
        return marks_digest(self.labels, self.places, self.regions)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that have a labelled case; one without any can't be predicted."""
        return tuple(c for c in self.project.classes if self.split.counts[c])

    @property
    def table(self) -> str:
        """The kept table that the cases are rows of, "" for a project of scans."""
        return str(self.project.settings.get("table", ""))

    @property
    def numeric(self) -> bool:
        """Whether a number is learned instead of a class."""
        return self.project.settings.get("target") == "number"


def read_said(project_id: str, reader: str | None = None, until: float | None = None) -> Said:
    """What everybody said, the newest word counting; with `reader`, what that one said (`until` then)."""
    store = rooms.store()
    project, cases = store.project(project_id), store.cases(project_id)
    labels = store.labels(project_id, reader=reader, until=until)
    split = split_cases(cases, labels, project.classes)
    places, regions = store.places(project_id, reader=reader), store.regions(project_id, reader=reader)
    return Said(project, {c.id: c.case for c in cases}, labels, places, regions, split)


def taught_by(args: Mapping[str, Any]) -> str | None:
    """Whose labels alone are learned from: those of who pressed Adapt, where the project is read blind."""
    settings = rooms.store().project(args["project"]).settings
    return args.get("reader", "") if is_blind(settings) else None


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, learner, seed, look ("auto", "whole", "place"), reader. Result: the run's id."""
    started = time.perf_counter()
    mine = taught_by(args)
    said = read_said(args["project"], mine)
    report(0, 5, Note("work.gathering").to_json())
    look = choose_look(said, args.get("look", "auto"), args["seed"], report, cancelled)
    looked = time.perf_counter()
    support = support_of(said, look)
    report(3, 5, Note("work.judging", {"count": len(said.split.query)}).to_json())
    judgement = _judge(args, said, look, support, report, cancelled)
    record = _record(args, said, look, judgement)
    record["taught_by"] = mine
    record["seconds"] = {"looking": looked - started, "predictions": time.perf_counter() - started}
    predictions = {p.case: {**p.to_json(), **_where(look, p)} for p in judgement.predictions}
    before = rooms.store().latest_run(said.project.id, taught_by=mine)
    record["changed"] = _changed(before, predictions)
    if said.table:
        record["held_back"] = judge_held_back(held_back(said.table, said.project.id), predictions)
        level = next((p["level"] for p in predictions.values() if "level" in p), 0.0)
        record["notes"] += [note.to_json() for note in short_intervals(record["held_back"], level)]
    run = rooms.store().file_run(said.project.id, record, predictions, reader=args.get("reader", ""))
    keep_cases(run.id, support, query_of(said, look), said.split.query)
    test = {"project": said.project.id, "run": run.id, "reader": args.get("reader", "")}
    rooms.queue().file("test", test, lane=LEARN)
    return {"run": run.id}


def choose_look(said: Said, wanted: str, seed: int, report: Callable[..., None], cancelled: Callable[[], bool]) -> Look:
    """The place where enough was pointed at (the test afterwards says whether that was wise), else the whole scan."""
    cases = [*said.split.support, *said.split.query]
    if said.table:
        return looks.row_look(said.table, said.cases, said.split.support, said.split.query)
    if wanted != "whole" and looks.can_point(cases, said.places):
        return looks.place_look(cases, said.places, seed=seed, report=report, cancelled=cancelled)
    return looks.whole_look(cases, said.regions)


def support_of(said: Said, look: Look) -> Support | NumberSupport:
    """The labelled cases as a learner takes them. Raises SupportError where they can't teach."""
    ids = said.split.support
    groups = tuple(patient(said.cases[c]) for c in ids)
    if not ids:
        raise SupportError(Note("learners.one_class", {"name": "-"}))
    embeddings = torch.from_numpy(np.stack([look.embeddings[c] for c in ids]))
    if said.numeric:
        targets = torch.tensor([said.labels[c] for c in ids], dtype=torch.float32)
        return NumberSupport(embeddings, targets, str(said.project.settings.get("unit", "")), groups)
    return Support(embeddings, torch.tensor([said.classes.index(said.labels[c]) for c in ids]), said.classes, groups)


def query_of(said: Said, look: Look) -> Tensor:
    """(m, d) the cases asked about."""
    asked = [look.embeddings[c] for c in said.split.query]
    width = len(next(iter(look.embeddings.values()), ()))
    return torch.from_numpy(np.stack(asked)) if asked else torch.zeros(0, width)


def patient(case: Case) -> str:
    """Who a case belongs to: its patient's code, or itself where nobody is named."""
    return case.patient or case.id


def _judge(
    args: Mapping[str, Any],
    said: Said,
    look: Look,
    support: Support | NumberSupport,
    report: Callable[..., None],
    cancelled: Callable[[], bool],
) -> Judgement | NumberJudgement:
    query = said.split.query
    groups = [patient(said.cases[c]) for c in query]
    facts = facts_of([said.cases[c] for c in said.split.support])

    def on_step(step: Step) -> None:
        if cancelled():
            raise Cancelled
        report(3, 5, Note("work.step", {"step": step.step, "loss": f"{step.loss:.3f}"}).to_json())

    def progress(done: int, total: int) -> None:
        if cancelled():
            raise Cancelled
        report(3 + 2 * done / total, 5, Note("work.testing").to_json())

    given = (learner(args["learner"]), support, said.split.support, query_of(said, look), query, groups)
    if isinstance(support, NumberSupport):
        return judge_number(*given, facts=facts, scaled=bool(said.table), seed=args["seed"], on_step=on_step)[0]
    more = {"facts": facts, "scaled": bool(said.table), "seed": args["seed"]}
    return judge(*given, **more, on_step=on_step, progress=progress)[0]


def _record(args: Mapping[str, Any], said: Said, look: Look, judgement: Judgement | NumberJudgement) -> dict[str, Any]:
    """Everything to repeat the run, and what it gave beside the predictions."""
    raw = judgement.to_json()
    raw.pop("predictions")
    if said.table:
        raw["notes"] += [n.to_json() for n in table_notes(said.table, said.cases, said.split.support)]
    if look.name == "place":
        # Judged at clicked places, which new cases don't have: the test that follows finds the places by itself.
        raw["notes"] = [n for n in raw["notes"] if n["key"] != "evidence.no_better_than_guessing"]
    return {
        **raw,
        "learner": args["learner"],
        "seed": args["seed"],
        "look": look.name,
        "asked_look": args.get("look", "auto"),
        "target": "number" if said.numeric else "class",
        "device": "CPU" if said.table else str(rooms.encoder().device).upper(),
        "support": [{"case": c, "label": said.labels[c], "at_mm": _at(look, c)} for c in said.split.support],
        "split": {
            "query": list(said.split.query),
            "same_patient": list(said.split.same_patient),
            "unsure": list(said.split.unsure),
        },
        "marks": said.marks,
        "versions": {
            "handful": engine.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "hashes": weights_now(args["learner"], bool(said.table)) | ({"table": said.table} if said.table else {}),
    }


def _at(look: Look, case: str) -> list[float] | None:
    places = look.places.get(case)
    return list(places[0].centre_mm) if places else None


def _where(look: Look, prediction: Prediction | NumberPrediction) -> dict[str, Any]:
    """The places looked at in a predicted case, best first, and where its neighbours were looked at."""
    return {
        "places": [p.to_json() for p in look.places.get(prediction.case, ())],
        "neighbours_at_mm": [_at(look, n.case) for n in prediction.neighbours],
    }


def _changed(before: Run | None, predictions: Mapping[str, Mapping]) -> list[dict[str, Any]] | None:
    """Cases whose prediction is another than in the run before; None where this is the first. A number is another
    where the value before lies outside the new interval."""
    if before is None:
        return None
    old = rooms.store().predictions(before.id)
    pairs = [
        (case, old[case], new)
        for case, new in predictions.items()
        if case in old and ("value" in old[case]) == ("value" in new)
    ]
    return [
        {"case": case, "before": answer(was), "after": answer(new)} for case, was, new in pairs if differs(was, new)
    ]


@dataclass(frozen=True)
class KeptCases:
    """What a run learned from and what it was asked: `query` (m, d) of the cases `asked`."""

    support: Support | NumberSupport
    query: Tensor
    asked: tuple[str, ...]


def keep_cases(run_id: str, support: Support | NumberSupport, query: Tensor, asked: Sequence[str]) -> None:
    """Keep the embeddings of a run, so that its evidence can be drawn later from the very same model."""
    folder = rooms.settings().data_dir / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{run_id}.part"
    with part.open("wb") as out:
        np.savez(
            out,
            embeddings=support.embeddings.numpy(),
            targets=support.targets.numpy(),
            classes=np.array([] if isinstance(support, NumberSupport) else support.classes, dtype=np.str_),
            unit=np.array(support.unit if isinstance(support, NumberSupport) else ""),
            groups=np.array(support.groups),
            query=query.numpy(),
            asked=np.array(asked, dtype=np.str_),
        )
    part.replace(folder / f"{run_id}.npz")


def kept_cases(run_id: str) -> KeptCases:
    """The cases of a run. Raises Outdated where they were not kept (another Handful, or an earlier version)."""
    path = rooms.settings().data_dir / "runs" / f"{run_id}.npz"
    if not path.exists():
        raise Outdated(Note("work.not_kept"))
    with np.load(path, allow_pickle=False) as raw:
        if "query" not in raw:
            raise Outdated(Note("work.not_kept"))
        embeddings, targets = torch.from_numpy(raw["embeddings"]), torch.from_numpy(raw["targets"])
        groups = tuple(str(g) for g in raw["groups"])
        support: Support | NumberSupport
        if targets.is_floating_point():
            support = NumberSupport(embeddings, targets, str(raw["unit"]), groups)
        else:
            support = Support(embeddings, targets, tuple(str(c) for c in raw["classes"]), groups)
        return KeptCases(support, torch.from_numpy(raw["query"]), tuple(str(c) for c in raw["asked"]))


class Outdated(Refusal):
    """A run that can't be asked any more; `note` says why and what to do."""
