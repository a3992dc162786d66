"""Synthetic patient tables without end, to meta-train the record networks on: numpy only, a table in a millisecond.

Medicine's tables are mostly few columns that each say a little, many that say nothing, yes/no and skewed values, gaps
that are ordered rather than random, labels that are wrong now and then. Five makers in the shares of `MAKERS` (Mueller
et al. 2022, Hollmann et al. 2023 for the structural causal models); then types, duplicates, a site's shift, gaps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

ACTIVATIONS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    np.tanh,
    lambda x: np.maximum(x, 0),
    np.sin,
    lambda x: x,
    np.abs,
    np.sign,
    lambda x: np.clip(x, -2, 2) ** 2,
)
WRONG_LABELS = 0.2  # at most
GAPS = 0.4  # share of a column's cells, at most


@dataclass(frozen=True)
class Drawn:
    """A table's rows: `x` (rows, columns) with NaN where missing, `score` (rows,): what the target is made of."""

    x: np.ndarray
    score: np.ndarray


def draw_table(rng: Generator, rows: int, columns: int) -> Drawn:
    """One table. The score is continuous; a class is a side of a threshold on it, a number is the score itself."""
    maker = MAKERS[int(rng.choice(len(MAKERS), p=SHARES))]
    x, score = maker(rng, rows, columns)
    score = _standard(score)
    x = _typed(rng, x)
    if columns > 2 and rng.random() < 0.2:  # measured twice
        a, b = rng.choice(columns, 2, replace=False)
        x[:, a] = x[:, b] + rng.exponential(0.5) * x[:, b].std() * rng.standard_normal(rows)
    if rng.random() < 0.25:
        x, score = _sites(rng, x, score)
    return Drawn(_gaps(rng, x, score), score)


def _factors(rng: Generator, rows: int, columns: int) -> np.ndarray:
    """Columns that hang together by a few common causes, as laboratory values do."""
    causes = int(rng.integers(1, max(2, columns // 2) + 1))
    loads = rng.standard_normal((causes, columns)) * (rng.random((causes, columns)) < rng.uniform(0.2, 1.0))
    own = np.exp(rng.normal(0.3, 0.7, columns))
    return _standard(rng.standard_normal((rows, causes)) @ loads + own * rng.standard_normal((rows, columns)))


def _linear(rng: Generator, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A sum of few columns, some of them bent or together with another."""
    x = _factors(rng, rows, columns)
    count = int(np.clip(rng.geometric(min(0.9, 2.5 / columns)), 1, columns))
    used = rng.choice(columns, count, replace=False)
    weights = rng.standard_normal(count) * np.exp(rng.normal(0, 0.6, count))
    parts = x[:, used].copy()
    bent = rng.random(count) < rng.choice([0.0, 0.0, 0.5])
    for i in np.flatnonzero(bent):
        parts[:, i] = ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))](parts[:, i] * rng.uniform(0.5, 2) + rng.normal())
    score = parts @ weights
    if count > 1 and rng.random() < 0.3:
        a, b = rng.choice(count, 2, replace=False)
        score = score + rng.normal() * x[:, used[a]] * x[:, used[b]]
    return x, _noisy(rng, score)


def _trees(rng: Generator, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A sum of regions cut out by one to three thresholds."""
    x = _factors(rng, rows, columns)
    score = np.zeros(rows)
    favoured = rng.dirichlet(np.full(columns, 0.5))
    for _ in range(int(rng.integers(2, 16))):
        inside = np.ones(rows, bool)
        for column in rng.choice(columns, int(rng.integers(1, 4)), p=favoured):
            inside &= (x[:, column] > rng.normal(0, 0.8)) ^ (rng.random() < 0.5)
        score += rng.normal() * inside
    return x, _noisy(rng, score)


def _causal(rng: Generator, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A random network of causes; columns and target are any of its nodes, causes or consequences of each other."""
    values = rng.standard_normal((rows, int(rng.integers(2, 9)))) * np.exp(rng.normal(0, 0.4))
    nodes, noise = [values], rng.uniform(0.01, 0.6)
    wide = int(np.clip(columns // 2 + 3, 4, 24))
    for _ in range(int(rng.integers(1, 5)) if columns < 12 else int(rng.integers(2, 5))):
        weights = rng.standard_normal((values.shape[1], wide)) * (rng.random((values.shape[1], wide)) < 0.6)
        bent = ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))](_standard(values @ weights) * rng.uniform(0.5, 2.5))
        values = _standard(bent + noise * np.exp(rng.normal(0, 0.8, wide)) * rng.standard_normal((rows, wide)))
        nodes.append(values)
    every = np.concatenate(nodes, 1)
    last = every.shape[1] - wide
    target = int(rng.integers(last, every.shape[1]) if rng.random() < 0.6 else rng.integers(every.shape[1]))
    others = np.delete(np.arange(every.shape[1]), target)
    x = every[:, rng.choice(others, columns, replace=len(others) < columns)]
    return x, _noisy(rng, every[:, target])


def _mixture(rng: Generator, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Illnesses that shift some columns each, and kinds of them; most columns are the same in all."""
    kinds = int(rng.integers(2, 7))
    of = rng.choice(kinds, rows, p=rng.dirichlet(np.full(kinds, 3.0)))
    severe = np.sort(rng.standard_normal(kinds)) if rng.random() < 0.5 else rng.standard_normal(kinds)
    shifts = rng.standard_normal((kinds, columns)) * (rng.random(columns) < rng.uniform(0.1, 0.7))
    spreads = np.exp(rng.normal(0, 0.3, (kinds, columns)))
    x = shifts[of] * rng.uniform(0.3, 1.8) + spreads[of] * _factors(rng, rows, columns)
    return x, severe[of] + rng.uniform(0.02, 0.5) * rng.standard_normal(rows)


def _rule(rng: Generator, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """One to three columns decide by thresholds, as a guideline does: too high, or outside a range; any or all."""
    x = _factors(rng, rows, columns)
    used = rng.choice(columns, min(columns, int(rng.integers(1, 4))), replace=False)
    beyond = []
    for column in x[:, used].T:
        centre, half = rng.normal(0, 0.8), rng.uniform(0.3, 1.5)
        far = (column - centre) * rng.choice([-1, 1]) if rng.random() < 0.7 else np.abs(column - centre) - half
        beyond.append(np.tanh(far * np.exp(rng.uniform(0, 3))))  # from a slope to a jump
    score = np.max(beyond, 0) if rng.random() < 0.6 else np.min(beyond, 0)
    return x, _standard(score) + np.exp(rng.normal(-1.2, 0.8)) * rng.standard_normal(rows)


MAKERS = (_linear, _causal, _trees, _mixture, _rule)
SHARES = (0.33, 0.25, 0.14, 0.16, 0.12)


def _noisy(rng: Generator, score: np.ndarray) -> np.ndarray:
    """What the columns do not say: from nearly nothing to most of it."""
    return _standard(score) + np.exp(rng.normal(-0.2, 0.8)) * rng.standard_normal(len(score))


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)


def _typed(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Each column as a kind of measurement."""
    yes_no = rng.choice([0.1, 0.35, 0.8])  # some tables are questionnaires
    for j in range(x.shape[1]):
        kind, column = rng.random(), x[:, j]
        if kind < yes_no:
            x[:, j] = column > np.quantile(column, rng.beta(2, 2))
        elif kind < yes_no + 0.5 * (1 - yes_no):
            if rng.random() < 0.2:
                x[:, j] = np.sinh(column)  # heavy tails
        elif kind < yes_no + 0.7 * (1 - yes_no):
            x[:, j] = np.exp(rng.uniform(0.3, 1.2) * column)
        else:
            x[:, j] = np.round(column * rng.uniform(0.6, 3.0))
            if rng.random() < 0.3:
                x[:, j] = np.maximum(x[:, j], 0)
    return x


def _sites(rng: Generator, x: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hospitals that measure some columns otherwise and see other patients."""
    site = rng.integers(0, int(rng.integers(2, 5)), len(x))
    moved = rng.random(x.shape[1]) < 0.3
    shift = rng.normal(0, 0.7, (site.max() + 1, x.shape[1])) * moved * x.std(0)
    return x + shift[site], score + rng.normal(0, 0.3, site.max() + 1)[site]


def _gaps(rng: Generator, x: np.ndarray, score: np.ndarray) -> np.ndarray:
    """NaN where nothing was measured: by chance, because of another column, the value itself, or how ill someone is.
    What is missing is told in a column of its own, which takes another column's place."""
    if rng.random() < 0.5:
        return x
    out = x.copy()
    for j in np.flatnonzero(rng.random(x.shape[1]) < rng.uniform(0.05, 0.6)):
        why = (rng.standard_normal(len(x)), x[:, int(rng.integers(x.shape[1]))], x[:, j], score)[int(rng.integers(4))]
        blurred = _standard(why) + rng.exponential(1.0) * rng.standard_normal(len(x))
        gone = blurred > np.quantile(blurred, 1 - rng.uniform(0.02, GAPS))
        out[gone, j] = np.nan
        if rng.random() < 0.5:
            told = int(rng.integers(x.shape[1]))
            if told != j:
                out[:, told] = gone
    return out
