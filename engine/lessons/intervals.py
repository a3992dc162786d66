"""What five cases can prove: the exact interval of a proportion against the number of cases, and a check by lot.

Clopper & Pearson 1934; the same function as stands beside every count on the page (`engine.evidence.ranges`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import binom

from engine.evidence.ranges import exact_interval

REPEATS = 200  # imagined repeats
SIZES = (5, 10, 20, 50, 100, 200, 400)  # numbers of cases beside which the same share is shown
MOST = 3000  # beyond this the claim is called out of reach
HOLDS = 0.8  # how often the proof should succeed, the usual power


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"right", "cases", "low", "high", "share", "ladder": [{"cases", "right", "low", "high"}], "needed",
    "repeats": [{"right", "low", "high", "holds"}], "held"}, shares in 0..1.

    `needed`: the fewest cases with which the interval would lie above the claim 8 times in 10, if the share that was
    seen is the true one; None where it never would. `repeats`: so many cases drawn again and again where the true
    share is the one seen, and whether each interval holds it.
    """
    count = settings["cases"]
    right = max(count - settings["wrong"], 0)
    low, high = exact_interval(right, count)
    share = right / count
    return {
        "right": right,
        "cases": count,
        "share": round(share, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "claim": settings["claim"] / 100,
        "ladder": [_rung(share, size) for size in SIZES],
        "needed": needed(share, settings["claim"] / 100),
        **_repeats(share, count, settings["seed"]),
    }


def _rung(share: float, size: int) -> dict[str, Any]:
    right = round(share * size)
    low, high = exact_interval(right, size)
    return {"cases": size, "right": right, "low": round(low, 4), "high": round(high, 4)}


def proof(share: float, claim: float, count: int) -> float:
    """How likely `count` cases of a model that is right in `share` of all cases give an interval above the claim."""
    fewest = next((k for k in range(count + 1) if exact_interval(k, count)[0] > claim), None)
    return 0.0 if fewest is None else float(binom.sf(fewest - 1, count, share))


def needed(share: float, claim: float) -> int | None:
    """The fewest cases that prove the claim HOLDS of the time; None where the share is not above it, or beyond MOST.

    The chance rises in a saw's teeth with the number of cases; the first tooth that reaches HOLDS is taken.
    """
    if share <= claim:
        return None
    low, high = 1, 1
    while proof(share, claim, high) < HOLDS:
        low, high = high, high * 2
        if high > MOST:
            return None
    return next(n for n in range(low, high + 1) if proof(share, claim, n) >= HOLDS)


def _repeats(share: float, count: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    drawn = rng.binomial(count, share, REPEATS).tolist()
    ranges = {right: exact_interval(right, count) for right in set(drawn)}
    rows = [
        {"right": right, "low": round(low, 4), "high": round(high, 4), "holds": low <= share <= high}
        for right, (low, high) in ((right, ranges[right]) for right in drawn)
    ]
    return {"repeats": rows, "held": sum(row["holds"] for row in rows)}
