"""How the method did on one's own labelled cases, in words: counts before percentages, n and the exact range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.learner_names import learner_title
from dashboard.state import Page


def test_sentences(page: Page) -> list[str]:
    """The test of the run shown; why nobody can say, where it could not be tested; and what pointing brings."""
    words, record = page.words, page.run.record
    tests = record.get("tests") or {}
    mine = tests.get(record["look"]) or (record["tested"] if record["look"] == "whole" else None)
    if mine is None:
        return []  # the strict test at found places is still running
    if not mine["count"]:
        return [words("adapt.tested_none")]
    said = [words("adapt.tested", **values(mine))]
    place, whole = tests.get("place"), tests.get("whole")
    if place and whole:
        used = words(f"adapt.look_{record['look']}")
        said.append(
            words("adapt.tested_places", used=used, **values(place), **{f"{k}2": v for k, v in values(whole).items()})
        )
    elif not page.places:
        said.append(words("adapt.pointing_brings"))
    return said


def control_sentences(page: Page) -> list[str]:
    """What simple controls reach on the same cases: the method has to beat them to be worth its name."""
    words, tests = page.words, page.run.record.get("tests") or {}
    return [
        words("adapt.control", name=learner_title(words, name), **values(tests[name]))
        for name in ("nearest", "logistic")
        if name in tests and name != page.run.record["learner"] and tests[name]["count"]
    ]


def values(test: Mapping[str, Any]) -> dict[str, int]:
    """{"right", "count", "low", "high"} as a sentence's k, n and whole percent."""
    return {
        "k": test["right"],
        "n": test["count"],
        "low": round(100 * test["low"]),
        "high": round(100 * test["high"]),
    }
