"""A score as people read it."""

from __future__ import annotations


def score(value: float) -> str:
    """.81, as a part of one. A handful never makes sure: what would round to all or nothing is >.99 or <.01."""
    if value >= 0.995:
        return ">.99"
    return "<.01" if value < 0.005 else f"{value:.2f}".lstrip("0")
