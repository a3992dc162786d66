"""What became different between two runs of a project: how they were asked, and which cases they answer otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Changes:
    """From an earlier run to a later one. `settings`: name -> (before, after), of what differs among learner, seed,
    look and classes. `added`, `removed`: cases that teach only in the later or earlier one; `relabelled`: case ->
    (before, after). `flipped`: case -> (before, after) of those both predicted; `compared` is how many these are.
    `encoder`: True where scans are seen by another encoder."""

    settings: Mapping[str, tuple[Any, Any]]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: Mapping[str, tuple[Any, Any]]
    flipped: Mapping[str, tuple[Any, Any]]
    compared: int
    encoder: bool

    @property
    def same_question(self) -> bool:
        """Whether nothing that was said or chosen differs."""
        return not (self.settings or self.added or self.removed or self.relabelled or self.encoder)


def changes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    predicted_before: Mapping[str, Mapping[str, Any]],
    predicted_after: Mapping[str, Mapping[str, Any]],
) -> Changes:
    """Compares two records of runs and their predictions (case -> JSON). A number is another answer where it lies
    outside the other run's interval; where there is none, it is not compared."""
    taught = [{each["case"]: each["label"] for each in record.get("support", ())} for record in (before, after)]
    pairs = {
        case: (predicted_before[case], predicted_after[case])
        for case in predicted_before
        if case in predicted_after and _comparable(predicted_before[case], predicted_after[case])
    }
    return Changes(
        {
            name: (before.get(name), after.get(name))
            for name in ("learner", "seed", "look", "classes", "taught_by")
            if before.get(name) != after.get(name)
        },
        tuple(case for case in taught[1] if case not in taught[0]),
        tuple(case for case in taught[0] if case not in taught[1]),
        {c: (taught[0][c], v) for c, v in taught[1].items() if c in taught[0] and taught[0][c] != v},
        {case: (answer(was), answer(now)) for case, (was, now) in pairs.items() if differs(was, now)},
        len(pairs),
        (before.get("hashes") or {}).get("encoder") != (after.get("hashes") or {}).get("encoder"),
    )


def answer(prediction: Mapping[str, Any]) -> str | float:
    """The class or the number that was predicted."""
    return prediction["value"] if "value" in prediction else prediction["predicted"]


def differs(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the answer is another one: a class is not the same, a number lies outside the later interval."""
    if "value" not in now:
        return was["predicted"] != now["predicted"]
    return now["low"] is not None and not now["low"] <= was["value"] <= now["high"]


def _comparable(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return ("value" in was) == ("value" in now) and ("value" not in now or now.get("low") is not None)
