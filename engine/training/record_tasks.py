"""Few-shot tasks from synthetic and from real tables, in batches of one shape: so many labelled and asked rows, so many
columns. A real table gives more tasks than its own: any column may be the target, any part of the others is the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from engine.training.record_prior import WRONG_LABELS, draw_table

QUERIES = 24
SHOTS = (3, 40)  # labelled rows a class, log-uniform
COLUMNS = (2, 32)  # log-uniform
CELLS = 16 * 44 * 12  # of a batch, about
NUMBERS = 0.25  # share of batches that ask for a number
UNEVEN = 0.3  # share of batches whose classes are not labelled alike
OWN_TARGET = 0.35  # of real tables' tasks ask for the table's own label
LEVELS = 10  # a column with more values is a number


@dataclass(frozen=True)
class RealTable:
    """Numbers (n, d) with NaN where missing; `column` (d,) which column each is of; `label` (n,), -1 or NaN without."""

    name: str
    family: str
    x: np.ndarray
    column: np.ndarray
    label: np.ndarray
    group: np.ndarray
    number: bool


@dataclass(frozen=True)
class Batch:
    """(b, n, d), (b, n), (b, m, d), (b, m): +1 and -1 for classes, standard on the labelled rows for numbers."""

    support: Tensor
    targets: Tensor
    query: Tensor
    wanted: Tensor
    number: bool


def read_tables(folder: Path, leave_out: Sequence[str] = ()) -> list[RealTable]:
    """Tables that `record_tables.py` prepared, without those of the families left out."""
    tables = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as raw:
            if str(raw["family"]) not in leave_out:
                tables.append(
                    RealTable(
                        path.stem, str(raw["family"]), raw["x"], raw["col"], raw["y"], raw["group"], bool(raw["number"])
                    )
                )
    return tables


def draw_batch(rng: Generator, real: Sequence[RealTable], share: float) -> Batch:
    """Tasks of one shape, about `share` of them from real tables."""
    number = rng.random() < NUMBERS
    shots = _log_uniform(rng, *SHOTS)
    n = 2 * shots
    ones = int(rng.integers(2, n - 1)) if rng.random() < UNEVEN else shots
    columns = _log_uniform(rng, *COLUMNS)
    size = int(np.clip(CELLS // ((n + QUERIES) * (columns + 1)), 4, 48))
    parts = []
    while len(parts) < size:
        drawn = None
        if real and rng.random() < share:
            drawn = _real_task(rng, real, n, ones, columns, number)
        if drawn is None:
            drawn = _made_task(rng, n, ones, columns, number)
        if drawn is not None:
            parts.append(drawn)
    stacked = [torch.from_numpy(np.stack(each).astype(np.float32)) for each in zip(*parts, strict=True)]
    return Batch(*stacked, number)


def _log_uniform(rng: Generator, low: int, high: int) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


Task = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _made_task(rng: Generator, n: int, ones: int, columns: int, number: bool) -> Task | None:
    rows = 8 * (n + QUERIES)
    made = draw_table(rng, rows, columns)
    if number:
        target = made.score if rng.random() < 0.6 else np.exp(made.score * rng.uniform(0.3, 1.0))
        return _task(rng, made.x, target, np.arange(rows), n, ones, True)
    least = (max(ones, n - ones) + QUERIES // 2 + 1) / rows
    label = (made.score > np.quantile(made.score, rng.uniform(least, 1 - least))).astype(int)
    wrong = rng.random(rows) < rng.uniform(0, WRONG_LABELS) * (rng.random() < 0.5)
    return _task(rng, made.x, np.where(wrong, 1 - label, label), np.arange(rows), n, ones, False)


def _real_task(
    rng: Generator, tables: Sequence[RealTable], n: int, ones: int, columns: int, number: bool
) -> Task | None:
    """A task of a random table; None where this one can't give it."""
    one = tables[int(rng.integers(len(tables)))]
    rows = np.arange(len(one.x))
    if one.number == number and rng.random() < OWN_TARGET:
        target, allowed = one.label.astype(float), np.ones(one.x.shape[1], bool)
        if not number:
            target = _one_class(rng, target)
    else:
        source = int(rng.choice(np.unique(one.column)))
        own = np.flatnonzero(one.column == source)
        target, allowed = one.x[:, int(rng.choice(own))].astype(float), one.column != source
        many = len(np.unique(target[np.isfinite(target)])) > LEVELS
        if number and not many:
            return None
        if not number:
            there = target[np.isfinite(target)]
            cut = np.quantile(there, rng.uniform(0.15, 0.85)) if many else rng.choice(there)
            target = np.where(np.isfinite(target), (target >= cut) if rng.random() < 0.8 else (target > cut), np.nan)
    rows = rows[np.isfinite(target)]
    x = one.x[:, allowed]
    gaps = np.isnan(x).mean(0)
    told = np.flatnonzero((gaps > 0.02) & (gaps < 0.98))
    x = np.concatenate([x, np.isnan(x[:, told]).astype(np.float32)], 1)
    if x.shape[1] < columns:
        return None
    x = x[:, rng.choice(x.shape[1], columns, replace=False)]
    group = one.group if rng.random() < 0.5 and len(np.unique(one.group)) < len(one.group) else np.arange(len(one.x))
    return _task(rng, x[rows], target[rows], group[rows], n, ones, number)


def _one_class(rng: Generator, label: np.ndarray) -> np.ndarray:
    """One class against the rest, or against one other."""
    classes = np.unique(label[label >= 0])
    one, other = rng.choice(classes, 2, replace=False)
    rest = (label >= 0) if rng.random() < 0.5 else (label == other) | (label == one)
    return np.where(rest, label == one, np.nan)


def _task(
    rng: Generator, x: np.ndarray, target: np.ndarray, group: np.ndarray, n: int, ones: int, number: bool
) -> Task | None:
    """Labelled and asked rows, of no common group."""
    order = rng.permutation(len(x))
    if len(np.unique(group)) < len(group):
        names = rng.permutation(np.unique(group))
        mine = np.isin(group[order], names[: max(1, len(names) // 2)])
    else:
        mine = None
    if number:
        first = order if mine is None else order[mine]
        second = order[n:] if mine is None else order[~mine]
        if len(first) < n or len(second) < QUERIES:
            return None
        support, query = first[:n], second[:QUERIES]
        y = target[support]
        if y.std() < 1e-9:
            return None
        return _ordered(x, support, query, _numbers(y, y), _numbers(target[query], y))
    support, query = [], []
    for value, count in ((1, ones), (0, n - ones)):
        of = target[order] == value
        first = order[of] if mine is None else order[of & mine]
        second = order[of][count:] if mine is None else order[of & ~mine]
        if len(first) < count or len(second) < QUERIES // 2:
            return None
        support.append(first[:count])
        query.append(second[: QUERIES // 2])
    support, query = np.concatenate(support), np.concatenate(query)
    flip = 1.0 if rng.random() < 0.5 else -1.0
    return _ordered(x, support, query, flip * (2 * target[support] - 1), flip * (2 * target[query] - 1))


def _numbers(target: np.ndarray, of: np.ndarray) -> np.ndarray:
    return (target - of.mean()) / of.std()


def _ordered(x: np.ndarray, support: np.ndarray, query: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> Task:
    s, q = _scaled(x, support, query)
    return s, known, q, wanted


def _scaled(x: np.ndarray, support: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `engine.tables.rows`: z-scored on the labelled rows, clipped, 0 where missing."""
    s = x[support]
    there = np.isfinite(s)
    count = np.maximum(there.sum(0), 1)
    mean = np.where(there, s, 0).sum(0) / count
    spread = np.sqrt((np.where(there, s - mean, 0) ** 2).sum(0) / count)
    ok = spread > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    spread = np.where(ok, spread, 1.0)

    def scaled(rows: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(rows) & ok, np.clip((rows - mean) / spread, -6, 6), 0.0)

    return scaled(s), scaled(x[query])
