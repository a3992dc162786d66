"""How a class looks in a report: the page's colours and shapes (dashboard/class_marks.py), darkened for white paper.

Shapes are characters that the reports' font has.
"""

from __future__ import annotations

from collections.abc import Sequence

COLOURS = ("#1f8578", "#c07a12", "#2f6fd6", "#a4468f", "#6d8a22", "#96592f", "#5a52c4", "#3787a6", "#7a7a33")
SHAPES = ("●", "▲", "■", "◆", "▼", "□", "○", "◇", "★")
NEUTRAL = "#6b7280"


def class_mark(classes: Sequence[str], name: str) -> tuple[str, str]:
    """(colour, shape) of a class by its place; grey without a shape for one that is not there."""
    if name not in classes:
        return NEUTRAL, ""
    at = list(classes).index(name) % len(COLOURS)
    return COLOURS[at], SHAPES[at]
