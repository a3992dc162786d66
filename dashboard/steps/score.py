"""A score as people read it."""

from __future__ import annotations


def score(value: float) -> str:
    """.81, as a part of one; 1.0 only for what rounds to it."""
    return f"{value:.2f}".lstrip("0") if value < 0.995 else "1.0"
