"""What is known of a synthetic table because we made it: which columns drive the label, how strongly, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Effect:
    """One column's part in the label.

    `strength`: what one standard deviation of the column's population (for skewed columns: of its logarithm), or
    having the answer `level`, adds to the log odds of class `on` against the first class; for a numeric target to its
    natural logarithm. For a molecule `level` is the SMARTS of a substructure.
    """

    column: str
    strength: float
    on: str = ""
    level: str = ""


@dataclass(frozen=True)
class Truth:
    """How the label of a table came about. Effects add up and nothing else counts: every other column is noise, and
    agrees with the label only through how sick a patient is.

    `target`: "class" or "number". `practice`: hospital -> class -> what that hospital adds to its log odds (numeric
    targets: "" -> what it adds to the logarithm). `gaps`: column -> how much less often it is missing in the sick
    (log odds for one standard deviation of frailty).
    """

    target: str
    label: str
    classes: tuple[str, ...]
    effects: tuple[Effect, ...]
    practice: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    gaps: Mapping[str, float] = field(default_factory=dict)

    @property
    def driving(self) -> tuple[str, ...]:
        """Columns that drive the label, strongest first."""
        most: dict[str, float] = {}
        for effect in self.effects:
            most[effect.column] = max(most.get(effect.column, 0.0), abs(effect.strength))
        return tuple(sorted(most, key=lambda name: -most[name]))

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "driving": list(self.driving)}
