"""How well predictions fit: accuracy, AUROC and calibration of an episode, and their means with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 15  # of the calibration error, as in Guo et al. 2017 (arXiv 1706.04599)
RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Score:
    """One episode. `bins` (BINS, 3): number, summed confidence and number right of the predictions in each bin."""

    accuracy: float
    auroc: float
    ece: float
    bins: np.ndarray


def score(probabilities: np.ndarray, targets: np.ndarray) -> Score:
    """(m, c) probabilities and (m,) targets -> Score. ValueError where they do not fit or are not finite."""
    p, t = np.asarray(probabilities, float), np.asarray(targets, int)
    if p.ndim != 2 or t.shape != (len(p),) or len(p) == 0 or not np.isfinite(p).all():
        raise ValueError("probabilities must be finite, (m, classes), with one target a row")
    bins = _bins(p, t)
    return Score(float((p.argmax(1) == t).mean()), macro_auroc(p, t), ece(bins), bins)


def macro_auroc(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean over classes of the one-against-rest AUROC; classes without both sides are left out, NaN if none is left.

    Rank formula of Mann and Whitney 1947, ties count half.
    """
    values = []
    for c in range(probabilities.shape[1]):
        positive = targets == c
        n, m = int(positive.sum()), int((~positive).sum())
        if n and m:
            ranks = _mean_ranks(probabilities[:, c])
            values.append((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))
    return float(np.mean(values)) if values else float("nan")


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _bins(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == targets
    index = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)  # bins (lower, upper]
    return np.stack([np.bincount(index, w, BINS) for w in (np.ones(len(right)), confidence, right)], 1)


def ece(bins: np.ndarray) -> float:
    """Expected calibration error from (..., BINS, 3) sums: mean of |confidence - accuracy|, weighted by number."""
    return float(_ece(bins))


def _ece(bins: np.ndarray) -> np.ndarray:
    return np.abs(bins[..., 1] - bins[..., 2]).sum(-1) / bins[..., 0].sum(-1)


def summarise(scores: Sequence[Score], *, seed: int = 0) -> dict[str, dict[str, float]]:
    """{"accuracy", "auroc", "ece"} -> {"mean", "low", "high"}: 95 % bootstrap interval over episodes.

    The calibration error is taken over the predictions of all episodes together: that of a single episode of some
    ten predictions is mostly noise, and always upward. The interval says how far the mean may be off for *these*
    groups; new hospitals may differ by more.
    """
    if not scores:
        raise ValueError("there is no episode to summarise")
    draws = np.random.default_rng(seed).integers(0, len(scores), (RESAMPLES, len(scores)))
    bins = np.stack([s.bins for s in scores])
    weights = np.apply_along_axis(np.bincount, 1, draws, minlength=len(scores))
    pooled = np.tensordot(weights, bins, 1)
    out = {"ece": _interval(float(_ece(bins.sum(0))), _ece(pooled))}
    for name in ("accuracy", "auroc"):
        values = np.array([getattr(s, name) for s in scores])
        values = np.where(np.isnan(values), np.nanmean(values) if (~np.isnan(values)).any() else np.nan, values)
        out[name] = _interval(float(values.mean()), values[draws].mean(1))
    return {name: out[name] for name in ("accuracy", "auroc", "ece")}


def _interval(mean: float, resampled: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"mean": mean, "low": float(low), "high": float(high)}
