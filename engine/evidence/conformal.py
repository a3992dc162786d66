"""Sets that hold: the classes that can't be excluded for a new case, at a chosen level, with no model of the noise.

Jackknife+ for classes (Barber, Candes, Ramdas & Tibshirani 2021, arXiv 1905.02928; as a set of classes: Romano, Sesia
& Candes 2020, arXiv 2006.02544), class by class and patient by patient. A class is excluded for a new case when the
case would be stranger in it than nearly all labelled cases of that class are, each judged by a model that saw neither:

    p_k(x) = (1 + sum over patients i of class k of [strangeness_i >= strangeness of (x, k) by i's left-out model])
             / (patients of class k + 1),            set = {k: p_k(x) > 1 - level}.

The strangeness of a case as class k is how far the best other class is ahead of k (Vovk's margin), so no temperature
changes it. Nothing new is adapted: the models of the test on one's own cases say it all.

What it promises: with n patients of a class the smallest p is 1 / (n + 1), so nothing can be excluded at level L below
n = 1 / (1 - L) - 1: 4 patients a class for 80 %, 9 for 90 %. From there on, if new patients come from where the
labelled ones came from, the set of a new patient of any class holds that class about as often as the level says;
proven is 2 * level - 1 (Barber et al., theorem 1). `benchmarks/calibration.py` measures it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from engine.evidence.folds import LeftOut
from engine.learners import Support

LEVELS = (0.8, 0.9)
_ROUNDING = 1e-6  # 1 / (9 + 1) is no more than 1 - 0.9


def fewest_patients(level: float) -> int:
    """Patients a class below which no class can ever be excluded at this level: 4 for 0.8, 9 for 0.9."""
    return math.ceil(1 / (1 - level) - _ROUNDING) - 1


@dataclass(frozen=True)
class Sets:
    """What can't be excluded. `patients`: tested patients of each class; `sets`: for each case asked about its classes.

    `promises`: the classes with patients enough; one with fewer is in every set, which says nothing.
    """

    level: float
    patients: Mapping[str, int]
    promises: tuple[str, ...]
    sets: tuple[tuple[str, ...], ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def prediction_sets(left_out: LeftOut, support: Support, level: float) -> Sets:
    """The sets of all cases in `left_out.asked`. Raises ValueError where nobody was asked about."""
    if left_out.asked is None:
        raise ValueError("nobody was asked about: give judge_folds a query")
    needed = fewest_patients(level)
    found, patients = [], {}
    for k, name in enumerate(support.classes):
        p, count = p_values(left_out, support, k)
        patients[name] = count
        found.append(p)
    p = torch.stack(found, 1).double()  # (m, c)
    # Where every class could be excluded the likeliest stays: a larger set holds at least as often.
    likeliest = (p + _ROUNDING * left_out.asked.mean(0).softmax(1)).argmax(1, keepdim=True)
    table = (p > 1 - level + _ROUNDING).scatter(1, likeliest, True).tolist()
    return Sets(
        level,
        patients,
        tuple(name for name, count in patients.items() if count >= needed),
        tuple(tuple(name for name, inside in zip(support.classes, row, strict=True) if inside) for row in table),
    )


def p_values(left_out: LeftOut, support: Support, k: int) -> tuple[Tensor, int]:
    """(m,) p of class k for each case asked about, and how many patients it rests on.

    A patient's several cases share one vote.
    """
    rows = ((left_out.targets == k) & left_out.testable).nonzero().flatten()
    usual = strangeness(left_out.scores[rows], k)  # (r,)
    asked = strangeness(left_out.asked[left_out.fold[rows]], k)  # (r, m)
    groups = [support.groups[i] for i in rows.tolist()]
    votes = {group: groups.count(group) for group in groups}
    weight = torch.tensor([1 / votes[group] for group in groups])
    stranger = (usual[:, None] >= asked).float()
    total = (stranger * weight[:, None]).sum(0) if len(rows) else torch.zeros(left_out.asked.shape[1])
    return (1 + total) / (len(votes) + 1), len(votes)


def strangeness(scores: Tensor, k: int) -> Tensor:
    """(..., c) -> (...): by how much the best other class is ahead of class k."""
    others = torch.cat([scores[..., :k], scores[..., k + 1 :]], dim=-1)
    return others.max(-1).values - scores[..., k]
