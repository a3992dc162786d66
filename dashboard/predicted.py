"""A prediction as the page draws it: read from the run's JSON, so that the page needs nothing that computes."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dashboard.records import number_text
from dashboard.steps.score import score
from engine.nouns import Place


@dataclass(frozen=True)
class Near:
    """A labelled case that a prediction rests on."""

    case: str
    label: str
    distance: float
    at_mm: tuple[float, float, float] | None


@dataclass(frozen=True)
class TypicalCase:
    """A class's prototype: how far it lies, and the labelled case nearest to it, which shows it."""

    label: str
    distance: float
    case: str


@dataclass(frozen=True)
class Amount:
    """A predicted number in its unit; `low` and `high` hold the true one with probability `level`, None where too few
    patients are labelled for such a promise."""

    value: float
    low: float | None
    high: float | None
    unit: str
    level: float

    @property
    def text(self) -> str:
        return f"{self._said(self.value)} {self.unit}".strip()

    @property
    def range(self) -> str:
        """ "3 – 8 days", "" where nothing is promised."""
        if self.low is None or self.high is None:
            return ""
        return f"{self._said(self.low)} – {self._said(self.high)} {self.unit}".strip()

    def _said(self, value: float) -> str:
        """To a tenth of what the interval leaves open or finer: "3.9", where the true one may lie four away."""
        wide = (self.high - self.low) if self.low is not None and self.high is not None else 0.0
        return number_text(round(value, max(0, 1 - math.floor(math.log10(wide))))) if wide > 0 else number_text(value)


@dataclass(frozen=True)
class Predicted:
    """One predicted case: scores by class with their likely range, whether it is unlike anything labelled, where was
    looked (best first), the most similar labelled cases, the typical case of each class, and for a method that draws
    several models of the task the range of their scores. A number predicted has `amount` and no classes."""

    case: str
    predicted: str
    scores: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    unlike: bool
    places: tuple[Place, ...]
    near: tuple[Near, ...]
    typical: tuple[TypicalCase, ...]
    sampled: Mapping[str, tuple[float, float]] | None
    amount: Amount | None = None

    @property
    def score(self) -> float:
        return self.scores[self.predicted]

    @property
    def tag(self) -> str:
        """The answer where there is little room: ".81" behind its class, or the number."""
        return self.amount.text if self.amount else f"{self.predicted} {score(self.score)}"

    @property
    def by_score(self) -> list[str]:
        """Classes, most likely first."""
        return sorted(self.scores, key=lambda name: -self.scores[name])

    @property
    def sureness(self) -> tuple[bool, float]:
        """Sorts the least sure first: what is unlike anything labelled, then how close the best two are."""
        if self.amount:
            wide = self.amount.high - self.amount.low if self.amount.range else 0.0
            return (not self.unlike, -wide)
        top = [self.scores[name] for name in self.by_score]
        return (not self.unlike, top[0] - top[1] if len(top) > 1 else 1.0)

    def among(self, cases: Container[str]) -> Predicted:
        """The same, resting on these cases alone: one taken out of the project since can't be shown."""
        near, typical = (tuple(each for each in rests if each.case in cases) for rests in (self.near, self.typical))
        return replace(self, near=near, typical=typical)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Predicted:
        if "value" in raw:
            return cls._number(raw)
        classes = raw["classes"]
        at = raw.get("neighbours_at_mm") or [None] * len(raw["neighbours"])
        return cls(
            raw["case"],
            raw["predicted"],
            dict(zip(classes, raw["probabilities"], strict=True)),
            dict(zip(classes, raw["low"], strict=True)),
            dict(zip(classes, raw["high"], strict=True)),
            bool(raw["unlike_flag"]),
            tuple(Place.from_json(p) for p in raw.get("places", ())),
            tuple(
                Near(n["case"], n["label"], n["distance"], tuple(mm) if mm else None)
                for n, mm in zip(raw["neighbours"], at, strict=True)
            ),
            tuple(TypicalCase(t["label"], t["distance"], t["case"]) for t in raw["typical"]),
            {name: (low, high) for name, (low, high) in zip(classes, raw["sampled"], strict=True)}
            if raw.get("sampled")
            else None,
        )

    @classmethod
    def _number(cls, raw: Mapping[str, Any]) -> Predicted:
        near = tuple(Near(n["case"], n["label"], n["distance"], None) for n in raw["neighbours"])
        amount = Amount(raw["value"], raw["low"], raw["high"], raw["unit"], raw["level"])
        return cls(raw["case"], "", {}, {}, {}, bool(raw["unlike_flag"]), (), near, (), None, amount)
