"""What this room hands out: frozen, and each turns into plain JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.nouns import Note


@dataclass(frozen=True)
class Neighbour:
    """A labelled case of another patient, how it is labelled, and how far it lies from the case asked about.

    Distances are in the learner's own space, in units of the labelled cases' spread around their mean.
    """

    case: str
    label: str
    distance: float


@dataclass(frozen=True)
class Typical:
    """A class's typical case (prototype): how far it lies, and the labelled case nearest to it, which shows it."""

    label: str
    distance: float
    case: str


@dataclass(frozen=True)
class Prediction:
    """One case judged. `probabilities`, `low` and `high` go by `classes`; the range is over resampled patients.

    `unlike` (0..1): the share of labelled cases that lie nearer to their fellows than this case does to any; with
    `unlike_flag` it lies farther out than all of them. None where too few labelled cases allow it to be said.
    `sampled`: for a learner that gives several models of the task (PLATIPUS), where 9 of 10 of them lie, by class.
    """

    case: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    unlike: float | None
    unlike_flag: bool
    neighbours: tuple[Neighbour, ...]
    typical: tuple[Typical, ...]
    sampled: tuple[tuple[float, float], ...] | None = None

    @property
    def predicted(self) -> str:
        return self.classes[max(range(len(self.classes)), key=self.probabilities.__getitem__)]

    @property
    def probability(self) -> float:
        return max(self.probabilities)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "predicted": self.predicted}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Prediction:
        return cls(
            raw["case"],
            tuple(raw["classes"]),
            tuple(raw["probabilities"]),
            tuple(raw["low"]),
            tuple(raw["high"]),
            raw["unlike"],
            raw["unlike_flag"],
            tuple(Neighbour(**n) for n in raw["neighbours"]),
            tuple(Typical(**t) for t in raw["typical"]),
            tuple((low, high) for low, high in raw["sampled"]) if raw.get("sampled") else None,
        )


@dataclass(frozen=True)
class Tested:
    """Accuracy by leave-one-patient-out: `right` of `count` cases, with the exact 95 % interval.

    Per labelled case, in the order given: `predicted` class ("" where the case could not be tested, because its
    class has no other patient) and `probability` of the class it is labelled as (None there).
    """

    right: int
    count: int
    low: float
    high: float
    predicted: tuple[str, ...]
    probability: tuple[float | None, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Tested:
        return cls(
            raw["right"], raw["count"], raw["low"], raw["high"], tuple(raw["predicted"]), tuple(raw["probability"])
        )


@dataclass(frozen=True)
class MapPoint:
    """A point of the map of cases: `kind` is "labelled", "query" or "prototype"; `case` is "" for a prototype."""

    case: str
    label: str
    kind: str
    x: float
    y: float


@dataclass(frozen=True)
class Judgement:
    """Everything that one press of Adapt gives.

    `trace`: (step, loss, seconds) of the adaptation. `map_share`: how much of the differences between cases the two
    directions of the map show (0..1). `temperature`: what the scores were divided by after leave-one-patient-out.
    `next_cases`: which cases would teach most if they were labelled next, and why.
    """

    learner: str
    classes: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    tested: Tested
    temperature: float
    trace: tuple[tuple[int, float, float], ...]
    points: tuple[MapPoint, ...]
    map_share: float
    notes: tuple[Note, ...]
    seconds: float
    next_cases: tuple[tuple[str, Note], ...] = ()

    def to_json(self) -> dict[str, Any]:
        raw = asdict(self)
        raw["predictions"] = [p.to_json() for p in self.predictions]
        raw["next_cases"] = [{"case": case, "reason": note.to_json()} for case, note in self.next_cases]
        raw["notes"] = [n.to_json() for n in self.notes]
        return raw

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Judgement:
        return cls(
            raw["learner"],
            tuple(raw["classes"]),
            tuple(Prediction.from_json(p) for p in raw["predictions"]),
            Tested.from_json(raw["tested"]),
            raw["temperature"],
            tuple((int(a), float(b), float(c)) for a, b, c in raw["trace"]),
            tuple(MapPoint(**p) for p in raw["points"]),
            raw["map_share"],
            tuple(Note.from_json(n) for n in raw["notes"]),
            raw["seconds"],
            tuple((n["case"], Note.from_json(n["reason"])) for n in raw.get("next_cases", ())),
        )
