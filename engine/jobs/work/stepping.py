"""The inner loop step by step: what the model of a run says of each case after no step, after one, after two, ..."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from engine.jobs.queue import Cancelled
from engine.jobs.work import rooms
from engine.jobs.work.adapt import KeptCases, kept_cases
from engine.learners import Adapted, AdaptedNumber, Learner, NumberSupport, adapt_number, learner
from engine.nouns import Note

DIGITS = 4  # of a probability; a page draws it
MOST_STEPS = 60  # more than any method takes by itself


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: run. Result: {"steps": k, "loss": [k + 1], "right": [k + 1], "cases": {case: [k + 1 rows of p a class]}}.

    `right`: labelled cases on the right side, learned from, so no test. `steps` 0: the method has no inner loop.
    Each row is a model adapted with that many steps, at the run's temperature; the last row is what the run predicted.
    """
    run = rooms.store().run(args["run"])
    kept, method, seed = kept_cases(run.id), learner(run.record["learner"]), run.record["seed"]
    if isinstance(kept.support, NumberSupport):
        return number_steps(kept, method, seed, report, cancelled)
    steps = inner_steps(method.adapt(kept.support, seed=seed))
    models = []
    for count in range(steps + 1 if steps else 0):
        if cancelled():
            raise Cancelled
        report(count, steps + 1, Note("work.stepping", {"step": count, "steps": steps}).to_json())
        models.append(method.adapt(kept.support, steps=count, seed=seed).with_temperature(run.record["temperature"]))
    with torch.no_grad():
        asked = [model.probabilities(kept.query) for model in models]
        right = [int((m.logits(kept.support.embeddings).argmax(1) == kept.support.targets).sum()) for m in models]
    return {
        "steps": steps,
        "loss": [round(model.trace[-1].loss, DIGITS) for model in models],
        "right": right,
        "count": len(kept.support.targets),
        "classes": list(kept.support.classes),
        "cases": {
            case: [[round(p, DIGITS) for p in each[i].tolist()] for each in asked] for i, case in enumerate(kept.asked)
        },
    }


def number_steps(
    kept: KeptCases, method: Learner, seed: int, report: Callable, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """The same for a number: {"steps", "loss", "count", "cases": {case: [k + 1 values]}}, in the target's unit."""
    steps = inner_steps(adapt_number(method, kept.support, seed=seed))
    models = []
    for count in range(steps + 1 if steps else 0):
        if cancelled():
            raise Cancelled
        report(count, steps + 1, Note("work.stepping", {"step": count, "steps": steps}).to_json())
        models.append(adapt_number(method, kept.support, steps=count, seed=seed))
    with torch.no_grad():
        asked = [model.mean(kept.query).tolist() for model in models]
    return {
        "steps": steps,
        "loss": [round(model.trace[-1].loss, DIGITS) for model in models],
        "count": len(kept.support.targets),
        "cases": {case: [each[i] for each in asked] for i, case in enumerate(kept.asked)},
    }


def inner_steps(adapted: Adapted | AdaptedNumber) -> int:
    """How many inner steps a method took: those it can be stopped between, 0 for one that solves at once."""
    numbers = [step.step for step in adapted.trace]
    walked = len(numbers) > 1 and numbers == list(range(len(numbers)))
    return min(numbers[-1], MOST_STEPS) if walked else 0
