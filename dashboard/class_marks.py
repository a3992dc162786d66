"""How a class looks: one colour and one shape each, everywhere the same, told apart by colour-blind readers too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ClassMark:
    """`colour` reads on dark and light grounds; `shape` is a character, `symbol` plotly's name for the same shape."""

    colour: str
    shape: str
    symbol: str


# Okabe & Ito (2008) order and hues, lightened so that they read on a dark ground and still on a light one.
MARKS = (
    ClassMark("#2fa394", "●", "circle"),
    ClassMark("#e69a2e", "▲", "triangle-up"),
    ClassMark("#4c8ff0", "■", "square"),
    ClassMark("#c568b0", "◆", "diamond"),
    ClassMark("#8fae3c", "▼", "triangle-down"),
    ClassMark("#b3744a", "✚", "cross"),
    ClassMark("#7b74d9", "⬟", "pentagon"),
    ClassMark("#5aa9c9", "⬢", "hexagon"),
    ClassMark("#9a9a4e", "★", "star"),
)
NEUTRAL = "#8b93a3"


def class_mark(classes: Sequence[str], name: str) -> ClassMark:
    """The mark of a class by its place in the project. Raises ValueError for a class that is not there."""
    return MARKS[list(classes).index(name) % len(MARKS)]
