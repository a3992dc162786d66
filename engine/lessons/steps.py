"""One step, five steps: the inner loop of MAML on the plane of the demo's cases, step by step, at several rates.

The start that ships adapts with the rates that meta-training found for it; the lesson multiplies them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from engine.learners import head
from engine.learners.maml import ANIL, MAML
from engine.learners.starts import shipped_start
from engine.lessons import plane
from engine.lessons.plan import Labels

STEPS = 20  # as many as the start has learned rates for
WILD = 16.0
METHODS = {"maml": MAML, "anil": ANIL}


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"points", "labels", "extent", "steps": [{"loss", "right", "answers", "flips", "regions"}], "wild": the same
    of a rate WILD times the learned one, loss and number of flips alone, "asked"}. `right` counts the cases that were
    not labelled; `flips` are the cases whose answer changed in that step."""
    labels = _two_classes(Labels.pairs(settings["labels"]))
    rows = walk(labels, settings["learner"], float(settings["rate"]))
    wild = walk(labels, settings["learner"], WILD)
    return {
        "points": plane.points(),
        "labels": {str(i): c for i, c in labels.items()},
        "extent": list(plane.extent()),
        "steps": rows,
        "wild": [{"loss": row["loss"], "flips": len(row["flips"])} for row in wild],
        "asked": len(plane.asked(labels)),
    }


def walk(labels: Mapping[int, str], method: str, factor: float) -> list[dict[str, Any]]:
    """A row after no step, one, ... STEPS, at `factor` times the learned rates."""
    where, _ = plane.plane()
    truth, free = plane.truth(), plane.asked(labels)
    support, learner = plane.support(labels), _learner(method, factor)
    rows: list[dict[str, Any]] = []
    for count in range(STEPS + 1):
        adapted = learner.adapt(support, steps=count)
        with torch.no_grad():
            said = [support.classes[k] for k in adapted.logits(where).argmax(1).tolist()]
        before = rows[-1]["answers"] if rows else said
        rows.append(
            {
                "loss": round(adapted.trace[-1].loss, 4),
                "right": sum(said[i] == truth[i] for i in free),
                "answers": said,
                "flips": [i for i, (a, b) in enumerate(zip(before, said, strict=True)) if a != b],
                "regions": plane.regions(adapted.logits, support.classes),
            }
        )
    return rows


def _learner(name: str, factor: float) -> MAML:
    method = METHODS[name]
    start = shipped_start(method.name) or head.plain_start(2)
    start = start.fitted(2)
    return method(replace(start, rates={name: factor * rate for name, rate in start.rates.items()}))


def _two_classes(labels: dict[int, str]) -> dict[int, str]:
    """The labels, or those the lesson opens with where they name fewer than two classes."""
    return labels if len(set(labels.values())) > 1 else {0: "a", 7: "b"}
