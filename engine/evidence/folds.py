"""Leaving patients out: the labelled cases in two parts, one that teaches and one that is judged, patient by patient.

Every method that is compared, and every set that is promised, rests on the very same folds, so that a difference is
the method's and not the split's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.evidence.nouns import Tested
from engine.evidence.ranges import exact_interval
from engine.learners import Learner, Support

MOST_FOLDS = 30  # above so many patients they are left out in groups: the answer hardly moves, the wait does

Tick = Callable[[], None]


@dataclass(frozen=True)
class Fold:
    """`support` teaches; the labelled cases `rows` (positions in the whole support) are judged as `embeddings` (k, d).

    Where a finding has to be found first, `embeddings` are the places a finder took that never saw these patients.
    """

    support: Support
    rows: tuple[int, ...]
    embeddings: Tensor


def patient_folds(groups: Sequence[str], seed: int = 0) -> list[tuple[int, ...]]:
    """The positions to leave out together: one patient's each, or above MOST_FOLDS patients in that many groups."""
    patients = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(patients))
    fold_of = {patients[p]: int(i) % MOST_FOLDS for i, p in enumerate(order)}
    parts: dict[int, list[int]] = {}
    for row, group in enumerate(groups):
        parts.setdefault(fold_of[group], []).append(row)
    return [tuple(parts[f]) for f in sorted(parts)]


def leave_out(support: Support, seed: int = 0) -> list[Fold]:
    """A fold for every patient, fewer where a class would be gone without its patient: that can't be tested."""
    folds = []
    for rows in patient_folds(support.groups, seed):
        kept = torch.ones(len(support.targets), dtype=torch.bool)
        kept[list(rows)] = False
        if len(support.targets[kept].unique()) == len(support.classes):
            folds.append(Fold(support.take(kept), rows, support.embeddings[~kept]))
    return folds


@dataclass(frozen=True)
class LeftOut:
    """Scores (n, c) of each labelled case by a model that saw no case of its patient; NaN where that can't be.

    `fold` (n,): by which fold's model, -1 for none. `asked` (folds, m, c): what each of these models says of the cases
    asked about, None where nobody asked.
    """

    scores: Tensor
    targets: Tensor
    fold: Tensor
    asked: Tensor | None = None

    @property
    def testable(self) -> Tensor:
        return ~self.scores.isnan().any(1)

    def tested(self, classes: tuple[str, ...], temperature: float = 1.0) -> Tested:
        ok = self.testable
        best = self.scores.nan_to_num().argmax(1)
        own = (self.scores / temperature).softmax(1).gather(1, self.targets[:, None]).squeeze(1)
        right, count = int((best == self.targets)[ok].sum()), int(ok.sum())
        names = [classes[b] if t else "" for b, t in zip(best.tolist(), ok.tolist(), strict=True)]
        probability = [p if t else None for p, t in zip(own.tolist(), ok.tolist(), strict=True)]
        return Tested(right, count, *exact_interval(right, count), tuple(names), tuple(probability))


def judge_folds(
    learner: Learner,
    support: Support,
    folds: Sequence[Fold],
    seed: int = 0,
    tick: Tick = lambda: None,
    query: Tensor | None = None,
) -> LeftOut:
    """Adapt once a fold and judge what was left out, and the `query` (m, d) too where it is given.

    `tick` is called after each adaptation and may raise to stop. Raises SupportError.
    """
    scores = torch.full((len(support.targets), len(support.classes)), torch.nan)
    fold_of = torch.full((len(support.targets),), -1)
    asked = []
    for f, fold in enumerate(folds):
        adapted = learner.adapt(fold.support, seed=seed)
        rows = list(fold.rows)
        with torch.no_grad():
            scores[rows] = adapted.score(fold.embeddings).float()
            if query is not None:
                asked.append(adapted.score(query).float())
        fold_of[rows] = f
        tick()
    return LeftOut(scores, support.targets, fold_of, torch.stack(asked) if asked else None)
