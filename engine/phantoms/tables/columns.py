"""The columns that synthetic tables are made of: numbers that hang together, answers, and what is left blank.

Every number is drawn as a z-score that follows others (`follows`), first of all a patient's frailty, which nobody
writes down; so columns correlate as they do in hospitals, where much goes with being old and sick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

FRAILTY = "frailty"
LEAST = 0.5  # of a skewed count, in the logarithm: 0 visits are half a visit


@dataclass(frozen=True)
class Measure:
    """A column of numbers. `mean` and `sd` are its population's; where `skewed`, the median and the standard deviation
    of the logarithm. `follows`: name of an earlier measure, or FRAILTY -> correlation with it."""

    name: str
    unit: str
    mean: float
    sd: float
    low: float
    high: float
    digits: int = 0
    skewed: bool = False
    follows: Mapping[str, float] = field(default_factory=dict)

    def values(self, z: np.ndarray) -> np.ndarray:
        """z-scores (n,) -> values in the column's unit, within its range, rounded as people write them down."""
        raw = self.mean * np.exp(self.sd * z) if self.skewed else self.mean + self.sd * z
        return np.round(np.clip(raw, self.low, self.high), self.digits)

    def z(self, values: np.ndarray) -> np.ndarray:
        """Values (n,) -> z-scores of the population."""
        if self.skewed:
            return np.log(np.maximum(values, LEAST) / self.mean) / self.sd
        return (values - self.mean) / self.sd


@dataclass(frozen=True)
class Choice:
    """A column of answers with how often each is given; `tilt`: answer -> what frailty adds to its log odds."""

    name: str
    shares: Mapping[str, float]
    tilt: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Gap:
    """`share` of a column's cells is missing in the average patient; `sick`: one standard deviation of frailty takes so
    much from the log odds (a test is done in those who look ill)."""

    column: str
    share: float
    sick: float = 0.0


def draw_measures(
    measures: tuple[Measure, ...], frailty: np.ndarray, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Name -> values (n,). Columns that follow others keep about a standard deviation of one."""
    z = {FRAILTY: frailty}
    drawn = {}
    for measure in measures:
        explained = sum(weight**2 for weight in measure.follows.values())
        own = np.sqrt(max(1.0 - explained, 0.1)) * generator.standard_normal(len(frailty))
        values = measure.values(sum((w * z[name] for name, w in measure.follows.items()), own))
        z[measure.name], drawn[measure.name] = measure.z(values), values
    return drawn


def draw_choices(
    choices: tuple[Choice, ...], frailty: np.ndarray, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Name -> answers (n,) as text."""
    drawn = {}
    for choice in choices:
        odds = np.stack([np.log(share) + choice.tilt.get(a, 0.0) * frailty for a, share in choice.shares.items()])
        drawn[choice.name] = np.array(list(choice.shares), dtype=object)[draw(odds.T, generator)]
    return drawn


def draw(odds: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Log odds (n, classes) -> drawn class numbers (n,): the largest after Gumbel noise, which is a softmax draw."""
    return np.argmax(odds + generator.gumbel(size=odds.shape), axis=1)


def missing(gap: Gap, frailty: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """bool (n,): cells that nobody filled in."""
    odds = np.log(gap.share / (1 - gap.share)) - gap.sick * frailty
    return generator.random(len(frailty)) < 1 / (1 + np.exp(-odds))
