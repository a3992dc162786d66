"""The interval that stands beside every count."""

from __future__ import annotations

from scipy.special import betaincinv  # as scipy.stats.beta.ppf, which takes a second to import

LEVEL = 0.95


def exact_interval(right: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Clopper & Pearson 1934 (Biometrika 26): holds at any n, at the price of being wide. (0, 1) for no case."""
    if count == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if right == 0 else float(betaincinv(right, count - right + 1, tail))
    high = 1.0 if right == count else float(betaincinv(right + 1, count - right, 1 - tail))
    return low, high
