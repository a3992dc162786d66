"""How well predicted numbers fit: R², mean absolute error and coverage over episodes, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.episodes.scoring import LEVEL, RESAMPLES


@dataclass(frozen=True)
class NumberScore:
    """One episode: (m,) true and predicted numbers, and whether each lies in its interval (None: there was none)."""

    truth: np.ndarray
    said: np.ndarray
    inside: np.ndarray | None


def summarise_numbers(scores: Sequence[NumberScore], *, seed: int = 0) -> dict[str, dict[str, float] | None]:
    """{"r2", "mae", "coverage"} -> {"mean", "low", "high"}: 95 % bootstrap interval over episodes.

    R² is taken over the predictions of all episodes together (1 - squared errors / squared differences from the mean of
    all asked): that of one episode of some fifteen rows is mostly noise, and always downward. Coverage is None where
    too few rows were labelled for an interval. Raises ValueError where there is nothing to summarise.
    """
    if not scores:
        raise ValueError("there is no episode to summarise")
    draws = np.random.default_rng(seed).integers(0, len(scores), (RESAMPLES, len(scores)))
    count = np.array([len(s.truth) for s in scores], float)
    total = np.array([s.truth.sum() for s in scores])
    square = np.array([np.square(s.truth).sum() for s in scores])
    squared = np.array([np.square(s.said - s.truth).sum() for s in scores])
    absolute = np.array([np.abs(s.said - s.truth).sum() for s in scores])

    def r2(rows: np.ndarray) -> np.ndarray:
        n, spread = count[rows].sum(-1), square[rows].sum(-1)
        apart = spread - total[rows].sum(-1) ** 2 / n
        return 1 - squared[rows].sum(-1) / np.where(apart > 0, apart, np.nan)

    def mean_of(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return values[rows].sum(-1) / count[rows].sum(-1)

    everything = np.arange(len(scores))
    out: dict[str, dict[str, float] | None] = {
        "r2": _interval(r2(everything), r2(draws)),
        "mae": _interval(mean_of(absolute, everything), mean_of(absolute, draws)),
        "coverage": None,
    }
    if all(s.inside is not None for s in scores):
        inside = np.array([float(s.inside.sum()) for s in scores])
        out["coverage"] = _interval(mean_of(inside, everything), mean_of(inside, draws))
    return out


def _interval(mean: float | np.ndarray, resampled: np.ndarray) -> dict[str, float]:
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"mean": float(mean), "low": float(low), "high": float(high)}
