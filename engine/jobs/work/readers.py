"""Readers compared: how far they agree, and what the model does when it is taught by each of them alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from engine.evidence import readers as agreement
from engine.evidence import readers_numbers
from engine.evidence.folds import judge_folds, leave_out
from engine.evidence.judging_numbers import number_tested
from engine.evidence.ranges import exact_interval
from engine.jobs.queue import Cancelled
from engine.jobs.work import rooms
from engine.jobs.work.adapt import Said, choose_look, patient, query_of, read_said, support_of
from engine.jobs.work.leaving_out import place_folds
from engine.learners import SupportError, adapt_number, learner
from engine.nouns import Note
from engine.projects.blind import lifted
from engine.projects.records import UNSURE
from engine.sentences import Refusal


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, learner, seed, look, reader. Labels count as they stood when the blind reading was lifted.

    Result: {"readers": [{"name", "labelled", "unsure", "left"}], "all" (more than two readers) and "pairs": agreements,
    "differ": [{"case", "labels": {reader: label}}], "classes", "number": bool, "taught": [a row a reader: `_taught`],
    "answers": [{"readers", "count", "same", "low", "high"} or for numbers {"readers", "count", "apart"}]}.
    Raises Refusal for a single reader.
    """
    store, project = rooms.store(), args["project"]
    until = lifted(store.project(project).settings)
    names = list(store.readers(project, until=until))
    if len(names) < 2:
        raise Refusal(Note("work.one_reader"))
    said = {name: read_said(project, name, until) for name in names}
    report(0, len(names) + 1, Note("work.readers_agree").to_json())
    found = _agreement(said)
    taught = []
    for done, (name, each) in enumerate(said.items()):

        def tick(share: float = 0.0, total: float = 1.0, _note: object = None, done: int = done) -> None:
            if cancelled():
                raise Cancelled
            note = Note("work.readers_taught", {"done": done + 1, "total": len(said)})
            report(done + 1 + share / max(total, 1), len(said) + 1, note.to_json())

        tick()
        taught.append({"reader": name, **_taught(args, each, said, tick, cancelled)})
    return {**found, "taught": taught, "answers": _answers(taught)}


def _agreement(said: Mapping[str, Said]) -> dict[str, Any]:
    """Everything that needs no model."""
    first = next(iter(said.values()))
    patients = {case: patient(noun) for case, noun in first.cases.items()}
    given = {
        name: {c: v for c, v in each.labels.items() if v not in (None, UNSURE) and c in each.cases}
        for name, each in said.items()
    }
    described = [
        {
            "name": name,
            "labelled": len(given[name]),
            "unsure": len(each.split.unsure),
            "left": len(each.cases) - len(given[name]) - len(each.split.unsure),
        }
        for name, each in said.items()
    ]
    differ = [
        {"case": case, "labels": {name: each[case] for name, each in given.items() if case in each}}
        for case in agreement.differing(given)
    ]
    found: dict[str, Any] = {
        "readers": described, "differ": differ, "number": first.numeric, "classes": list(first.project.classes),
        "all": None,
    }  # fmt: skip
    if first.numeric:
        differ.sort(key=lambda each: min(each["labels"].values()) - max(each["labels"].values()))
        pairs = [each.to_json() for each in readers_numbers.every_pair(given, patients)]
        found["pairs"] = [{**each, "points": _points(*(given[name] for name in each["readers"]))} for each in pairs]
        return found
    found["pairs"] = [each.to_json() for each in agreement.every_pair(given, patients, first.project.classes)]
    if len(given) > 2:
        found["all"] = agreement.agree(given, patients, first.project.classes).to_json()
    return found


def _points(one: Mapping[str, float], other: Mapping[str, float]) -> list[dict[str, Any]]:
    """What a figure of two readers' numbers shows: their mean and how far apart they are, a case each."""
    return [
        {"id": case, "mean": (one[case] + other[case]) / 2, "apart": other[case] - one[case]}
        for case in one
        if case in other
    ]


def _taught(
    args: Mapping[str, Any], mine: Said, said: Mapping[str, Said], tick: Callable[..., None], cancelled: Callable
) -> dict[str, Any]:
    """A model of one reader's labels: {"look", "right", "count", "low", "high", "against": {other: counts},
    "answers": {case: class}}, for numbers {"mae", "mean_mae", "count", "answers"}; or {"refused": note}.

    `against`: the same left-out answers, held against what the others said of these cases.
    """
    method, seed = learner(args["learner"]), args["seed"]
    try:
        look = choose_look(mine, args.get("look", "auto"), seed, tick, cancelled)
        support, asked = support_of(mine, look), query_of(mine, look)
        if mine.numeric:
            adapted = adapt_number(method, support, seed=seed)
            tested = number_tested(adapted)
            values = adapted.mean(asked).detach().tolist() if len(asked) else []
            answers = dict(zip(mine.split.query, values, strict=True))
            return {"count": tested.count, "mae": tested.mae, "mean_mae": tested.mean_mae, "answers": answers}
        folds = place_folds(mine, support, seed, tick, cancelled) if look.name == "place" else leave_out(support, seed)
        tested = judge_folds(method, support, folds, seed, tick).tested(support.classes)
        adapted = method.adapt(support, seed=seed)
    except SupportError as error:
        return {"refused": error.note.to_json()}
    with torch.no_grad():
        best = adapted.logits(asked).argmax(1).tolist() if len(asked) else []
    left_out = {case: name for case, name in zip(mine.split.support, tested.predicted, strict=True) if name}
    return {
        "look": look.name,
        **{key: getattr(tested, key) for key in ("right", "count", "low", "high")},
        "against": {name: _right(left_out, each.labels) for name, each in said.items() if each is not mine},
        "answers": {case: support.classes[b] for case, b in zip(mine.split.query, best, strict=True)},
    }


def _right(answers: Mapping[str, str], labels: Mapping[str, Any]) -> dict[str, Any]:
    both = [case for case in answers if labels.get(case) not in (None, UNSURE)]
    right = sum(answers[case] == labels[case] for case in both)
    low, high = exact_interval(right, len(both))
    return {"right": right, "count": len(both), "low": low, "high": high}


def _answers(taught: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How alike the models answer for the cases that neither of their readers labelled."""
    found = []
    for one, other in combinations([each for each in taught if "answers" in each], 2):
        both = [(one["answers"][case], other["answers"][case]) for case in one["answers"] if case in other["answers"]]
        pair: dict[str, Any] = {"readers": [one["reader"], other["reader"]], "count": len(both)}
        if "mae" in one:
            pair["apart"] = sum(abs(a - b) for a, b in both) / len(both) if both else None
        else:
            pair["same"] = sum(a == b for a, b in both)
            pair["low"], pair["high"] = exact_interval(pair["same"], len(both))
        found.append(pair)
    return found
