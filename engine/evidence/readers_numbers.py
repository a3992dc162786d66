"""How far two readers' numbers lie apart: mean difference and limits of agreement.

Bland & Altman 1986, Lancet 327:307. The limits hold 95 of 100 differences between these two readers, if differences
are of one kind over the whole range.
Intervals are those of Bland & Altman 1999 (Stat Methods Med Res 8:135, section 2), with the number of patients in place
of the number of cases: two cases of one patient are not two witnesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import norm, t

from engine.evidence.ranges import LEVEL

FEWEST_PATIENTS = 3  # below it a standard deviation says nothing


@dataclass(frozen=True)
class Limits:
    """Second reader minus first on `count` cases of `patients`: `mean` difference, and the limits `lower`, `upper`.

    Each stands with its 95 % interval (low, high). All None with fewer than FEWEST_PATIENTS patients.
    """

    readers: tuple[str, str]
    count: int
    patients: int
    mean: float | None = None
    mean_interval: tuple[float, float] | None = None
    lower: float | None = None
    lower_interval: tuple[float, float] | None = None
    upper: float | None = None
    upper_interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def limits(answers: Mapping[str, Mapping[str, float]], patients: Mapping[str, str]) -> Limits:
    """Two readers on the cases to which both gave a number."""
    (first, one), (second, other) = answers.items()
    shared = sorted(set(one) & set(other))
    count = len({patients[case] for case in shared})
    if count < FEWEST_PATIENTS:
        return Limits((first, second), len(shared), count)
    apart = np.array([other[case] - one[case] for case in shared])
    mean, spread = float(apart.mean()), float(apart.std(ddof=1))
    wide, quantile = float(norm.ppf((1 + LEVEL) / 2)), float(t.ppf((1 + LEVEL) / 2, count - 1))
    of_mean = quantile * spread / np.sqrt(count)
    of_limit = quantile * spread * np.sqrt(1 / count + wide**2 / (2 * (count - 1)))

    def around(value: float, half: float) -> tuple[float, float]:
        return float(value - half), float(value + half)

    lower, upper = mean - wide * spread, mean + wide * spread
    return Limits(
        (first, second), len(shared), count, mean, around(mean, of_mean),
        lower, around(lower, of_limit), upper, around(upper, of_limit),
    )  # fmt: skip


def every_pair(answers: Mapping[str, Mapping[str, float]], patients: Mapping[str, str]) -> list[Limits]:
    """`limits` for every two readers, in their order."""
    return [limits({a: answers[a], b: answers[b]}, patients) for a, b in combinations(answers, 2)]
