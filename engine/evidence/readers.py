"""How far readers who labelled the same cases agree, and where they don't.

Counts come first: on how many of the cases that both labelled do they say the same. Kappa is what is left of that once
the agreement that chance alone would give is taken off: Cohen 1960 (Educ Psychol Meas 20:37, eq. 1) for two readers,
Fleiss 1971 (Psychol Bull 76:378, eq. 7) for more, where only cases that everybody labelled are counted. Its interval
resamples patients, not cases, since two cases of one patient are not two witnesses (Field & Welsh 2007, J R Stat Soc B
69:369). "Unsure" and unlabelled cases are no answers; how many there are is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from engine.evidence.ranges import LEVEL, exact_interval

RESAMPLED = 2000  # draws of the patients; the ends of the interval then move by less than 0.01 between seeds
FEWEST_PATIENTS = 5  # below it the same few patients are drawn again and again, and no interval is told
MOSTLY = 0.9  # so many of the draws must allow a kappa; with a class that nearly nobody uses they don't

Answers = Mapping[str, str]  # case id -> class; cases without an answer are absent


@dataclass(frozen=True)
class Agreement:
    """`same` of `count` cases that all of these `readers` labelled, with its exact 95 % interval (over cases).

    `kappa` is None where chance alone explains everything (all cases in one class); `kappa_low`, `kappa_high` are None
    where too few of the `patients` differ to say. `table` (c, c), for two readers: rows are the first one's classes.
    """

    readers: tuple[str, ...]
    count: int
    same: int
    low: float
    high: float
    patients: int
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    table: tuple[tuple[int, ...], ...] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def agree(
    answers: Mapping[str, Answers], patients: Mapping[str, str], classes: Sequence[str], *, seed: int = 0
) -> Agreement:
    """Two or more readers on the cases that all of them gave a class. `patients`: case -> whose it is.

    Raises ValueError for fewer than two readers.
    """
    if len(answers) < 2:
        raise ValueError("agreement needs two readers")
    shared = sorted(set.intersection(*(set(each) for each in answers.values())))
    said = np.array([[classes.index(each[case]) for each in answers.values()] for case in shared], dtype=int)
    said = said.reshape(len(shared), len(answers))
    same = int((said == said[:, :1]).all(1).sum())
    whose = sorted({patients[case] for case in shared})
    member = np.array([whose.index(patients[case]) for case in shared], dtype=int)
    parts = _parts(said, member, len(whose), len(classes))
    kappa = _kappa(parts.sum(0)[None], len(answers))[0]
    low, high = _resampled(parts, len(answers), seed)
    table = _table(said, len(classes)) if len(answers) == 2 else None
    return Agreement(
        tuple(answers), len(shared), same, *exact_interval(same, len(shared)), len(whose),
        None if np.isnan(kappa) else float(kappa), low, high, table,
    )  # fmt: skip


def every_pair(
    answers: Mapping[str, Answers], patients: Mapping[str, str], classes: Sequence[str], *, seed: int = 0
) -> list[Agreement]:
    """`agree` for every two readers, in their order."""
    return [agree({a: answers[a], b: answers[b]}, patients, classes, seed=seed) for a, b in combinations(answers, 2)]


def differing(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The cases to which two readers gave different answers, in the order the cases first appear."""
    cases = dict.fromkeys(case for each in answers.values() for case in each)
    return [case for case in cases if len({each[case] for each in answers.values() if case in each}) > 1]


def _parts(said: np.ndarray, member: np.ndarray, patients: int, classes: int) -> np.ndarray:
    """What of each patient goes into kappa, so that a resample is a sum of rows.

    Two readers: (p, c * c) the table. More: (p, c + 2): how often each class was said, the sum over cases of the share
    of pairs of readers who agree, and the number of cases.
    """
    readers = said.shape[1]
    parts = np.zeros((patients, classes * classes if readers == 2 else classes + 2))
    for answers, whose in zip(said, member, strict=True):
        if readers == 2:
            parts[whose, answers[0] * classes + answers[1]] += 1
            continue
        counts = np.bincount(answers, minlength=classes)
        parts[whose, :classes] += counts
        parts[whose, classes] += (counts * (counts - 1)).sum() / (readers * (readers - 1))
        parts[whose, classes + 1] += 1
    return parts


def _kappa(sums: np.ndarray, readers: int) -> np.ndarray:
    """(b,) kappa of each row of sums over patients; NaN where it has no meaning."""
    if readers == 2:
        classes = int(np.sqrt(sums.shape[1]))
        tables = sums.reshape(-1, classes, classes)
        total = tables.sum((1, 2))
        observed = np.trace(tables, axis1=1, axis2=2)
        expected = (tables.sum(1) * tables.sum(2)).sum(1)
    else:
        total = sums[:, -1]
        observed = sums[:, -2]
        expected = (sums[:, :-2] ** 2).sum(1) / readers**2
    with np.errstate(invalid="ignore", divide="ignore"):
        observed, expected = observed / total, expected / total**2
        return np.where(expected < 1 - 1e-9, (observed - expected) / (1 - expected), np.nan)


def _resampled(parts: np.ndarray, readers: int, seed: int) -> tuple[float | None, float | None]:
    """The middle 95 % of kappa over resampled patients; (None, None) where that would say nothing.

    Where all agree on everything every draw gives 1: that is no interval, and none is told.
    """
    patients = len(parts)
    if patients < FEWEST_PATIENTS:
        return None, None
    draws = np.random.default_rng(seed).multinomial(patients, np.full(patients, 1 / patients), RESAMPLED)
    kappas = _kappa(draws @ parts, readers)
    kappas = kappas[~np.isnan(kappas)]
    if len(kappas) < MOSTLY * RESAMPLED or np.ptp(kappas) < 1e-9:
        return None, None
    low, high = np.quantile(kappas, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _table(said: np.ndarray, classes: int) -> tuple[tuple[int, ...], ...]:
    table = np.zeros((classes, classes), dtype=int)
    np.add.at(table, (said[:, 0], said[:, 1]), 1)
    return tuple(tuple(int(n) for n in row) for row in table)
