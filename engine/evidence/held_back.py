"""How a run did on the rows whose labels came with the table and were kept aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from engine.evidence.judging_numbers import scores
from engine.evidence.ranges import exact_interval
from engine.nouns import Note

FEWEST_FOR_R2 = 3


def judge_held_back(
    truth: Mapping[str, str | float], predictions: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """`truth` by case, predictions as a run files them. None where no predicted row has a label kept aside.

    Classes: {"right", "count", "low", "high" (exact 95 % interval), "classes": {class: {"right", "count"}}, "wrong":
    [cases]}. Numbers: {"count", "mae", "r2", "covered", "inside", "low", "high"}: `inside` of `count` lie in their
    interval, `covered` as a share, with its exact 95 % interval.
    """
    known = [case for case in predictions if case in truth]
    if not known:
        return None
    if isinstance(truth[known[0]], str):
        return _classes(truth, predictions, known)
    values = torch.tensor([float(predictions[c]["value"]) for c in known])
    wanted = torch.tensor([float(truth[c]) for c in known])
    bounds = [(predictions[c]["low"], predictions[c]["high"]) for c in known]
    with_interval = all(low is not None for low, _ in bounds)
    low, high = torch.tensor(bounds).T if with_interval else (None, None)
    found: dict[str, Any] = {"count": len(known), **scores(values, wanted, low, high)}
    if len(known) < FEWEST_FOR_R2:
        found["r2"] = None
    if with_interval:
        found["inside"] = round(found["covered"] * len(known))
        found["low"], found["high"] = exact_interval(found["inside"], len(known))
    return found


def short_intervals(held: Mapping[str, Any] | None, level: float) -> list[Note]:
    """A warning where intervals made to hold the true number with probability `level` held it too seldom for chance:
    `level` lies above the exact 95 % interval of the share that they held. `held`: as `judge_held_back` gives it."""
    if not held or "inside" not in held or held["high"] >= level:
        return []
    counts = {"inside": held["inside"], "count": held["count"], "percent": round(100 * level)}
    return [Note("evidence.intervals_short", counts)]


def _classes(truth: Mapping[str, Any], predictions: Mapping[str, Mapping[str, Any]], known: list[str]) -> dict:
    right = {case for case in known if predictions[case]["predicted"] == truth[case]}
    low, high = exact_interval(len(right), len(known))
    by_class = {
        name: {
            "right": sum(truth[c] == name for c in right),
            "count": sum(truth[c] == name for c in known),
        }
        for name in sorted({str(truth[c]) for c in known})
    }
    wrong = [case for case in known if case not in right]
    return {"right": len(right), "count": len(known), "low": low, "high": high, "classes": by_class, "wrong": wrong}
