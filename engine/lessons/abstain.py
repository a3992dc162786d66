"""When it should say "I don't know": what a probability is worth after a few labels, and what silence costs and buys.

Two classes of cases that overlap, as embeddings do: clouds of sixteen numbers whose means lie `hard` standard
deviations from the border each. So the truth is known for as many new cases as it takes to count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.evidence.ranges import exact_interval
from engine.evidence.uncertainty import calibrated, leave_one_patient_out, unlike
from engine.learners import Support, learner

SIZE = 16  # numbers a case
ASKED, STRANGERS = 400, 100
FAR = 8.0  # standard deviations by which a stranger (another organ, a wrong series) lies off
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
THRESHOLDS = tuple(range(50, 100))  # per cent


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"bins": [{"stated", "right", "count", "low", "high"}], "curve": [{"threshold", "answered", "right", "low",
    "high", "strangers"}], "flagged", "asked", "strangers", "gap"}

    `bins`: new cases by the probability stated for the answer given. `curve`: for each threshold (per cent) how many
    are answered and how many of those are right, and how many strangers are answered. `flagged`: strangers that are
    called unlike anything labelled, and `false`: own cases that are. `gap`: expected calibration error.
    """
    support, asked, truth, strangers = task(settings["labelled"], settings["hard"], settings["seed"])
    method = learner(settings["learner"])
    adapted = method.adapt(support, seed=settings["seed"])
    model = calibrated(adapted, leave_one_patient_out(method, support, settings["seed"]))
    with torch.no_grad():
        stated, said = model.probabilities(asked).max(1)
        foreign = model.probabilities(strangers).max(1).values
    right = said == truth
    bins = [_bin(stated, right, low, high) for low, high in zip(BINS, BINS[1:], strict=False)]
    flagged = unlike(support, torch.cat([asked, strangers]))
    told = None if flagged is None else flagged[1]
    return {
        "bins": bins,
        "gap": round(
            sum(b["count"] * abs(b["stated"] - b["right"] / b["count"]) for b in bins if b["count"]) / ASKED, 4
        ),
        "curve": [_answered(stated, right, foreign, t / 100) | {"threshold": t} for t in THRESHOLDS],
        "asked": ASKED,
        "strangers": STRANGERS,
        "flagged": None if told is None else int(told[ASKED:].sum()),
        "false": None if told is None else int(told[:ASKED].sum()),
        "labelled": len(support.targets),
    }


def task(labelled: int, hard: float, seed: int) -> tuple[Support, Tensor, Tensor, Tensor]:
    """Support of `labelled` cases a class, ASKED new cases with their truth, STRANGERS from elsewhere."""
    draw = torch.Generator().manual_seed(seed)
    along = torch.nn.functional.normalize(torch.randn(SIZE, generator=draw), dim=0)
    away = torch.nn.functional.normalize(torch.randn(SIZE, generator=draw), dim=0)

    def cases(truth: Tensor) -> Tensor:
        return torch.randn(len(truth), SIZE, generator=draw) + hard * (2.0 * truth[:, None] - 1) * along

    targets = torch.arange(2).repeat(labelled)
    support = Support(cases(targets), targets, ("a", "b"), tuple(f"patient {i}" for i in range(len(targets))))
    truth = torch.arange(2).repeat(ASKED // 2)
    strangers = cases(torch.arange(2).repeat(STRANGERS // 2)) + FAR * away
    return support, cases(truth), truth, strangers


def _bin(stated: Tensor, right: Tensor, low: float, high: float) -> dict[str, Any]:
    inside = (stated >= low) & (stated < high if high < 1 else stated <= high)
    count, good = int(inside.sum()), int(right[inside].sum())
    bounds = exact_interval(good, count)
    mean = float(stated[inside].mean()) if count else (low + high) / 2
    return {
        "stated": round(mean, 3), "right": good, "count": count, "low": round(bounds[0], 3), "high": round(bounds[1], 3)
    }  # fmt: skip


def _answered(stated: Tensor, right: Tensor, foreign: Tensor, threshold: float) -> dict[str, Any]:
    given = stated >= threshold
    count, good = int(given.sum()), int(right[given].sum())
    low, high = exact_interval(good, count)
    return {
        "answered": count, "right": good, "low": round(low, 3), "high": round(high, 3),
        "strangers": int((foreign >= threshold).sum()),
    }  # fmt: skip
