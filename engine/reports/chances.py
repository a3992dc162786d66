"""A probability as a report prints it."""

from __future__ import annotations


def chance(value: float) -> str:
    """0.81. A handful never makes sure: what would round to all or nothing is > 0.99 or < 0.01."""
    if value >= 0.995:
        return "> 0.99"
    return "< 0.01" if value < 0.005 else f"{value:.2f}"
