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
    if record.get("target") == "number":
        return _number_sentences(page, tests.get("row") or record["tested"])
    mine = tests.get(record["look"]) or (record["tested"] if record["look"] in ("whole", "row") else None)
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
    elif not page.places and not page.of_rows:
        said.append(words("adapt.pointing_brings"))
    return said


def control_sentences(page: Page) -> list[str]:
    """What simple controls reach on the same cases: the method has to beat them to be worth its name."""
    words, tests = page.words, page.run.record.get("tests") or {}
    if page.run.record.get("target") == "number":
        return [
            words("adapt.control_number", name=learner_title(words, name), mae=page.amount(tests[name]["mae"]))
            for name in ("nearest", "ridge")
            if name in tests and name != page.run.record["learner"] and tests[name]["mae"] is not None
        ]
    return [
        words("adapt.control", name=learner_title(words, name), **values(tests[name]))
        for name in ("nearest", "logistic")
        if name in tests and name != page.run.record["learner"] and tests[name]["count"]
    ]


def _number_sentences(page: Page, test: Mapping[str, Any]) -> list[str]:
    """A number's test: the mean error, beside that of always saying the mean."""
    if not test["count"]:
        return [page.words("adapt.tested_none_number")]
    said = {"n": test["count"], "mae": page.amount(test["mae"]), "mean": page.amount(test["mean_mae"])}
    return [page.words("adapt.tested_number", **said)]


def held_back_sentences(page: Page) -> list[str]:
    """How the predictions compare with the answers that came with the table and were kept aside."""
    words, held = page.words, page.run.record.get("held_back")
    if not held:
        return []
    if page.run.record.get("target") != "number":
        said = [words("adapt.held_back", **values(held))]
        parts = [
            words("adapt.held_back_class", name=name, k=each["right"], n=each["count"])
            for name, each in held["classes"].items()
        ]
        stop = "。" if words.language == "zh" else "."
        return [said[0] + words.between + words("adapt.and").join(parts) + stop] if len(parts) > 1 else said
    said = words("adapt.held_back_number", n=held["count"], mae=page.amount(held["mae"]))
    if "inside" in held:
        inside = {"k": held["inside"], "n": held["count"]}
        low, high = round(100 * held["low"]), round(100 * held["high"])
        said += words.between + words("adapt.held_back_inside", **inside, low=low, high=high)
    return [said]


def values(test: Mapping[str, Any]) -> dict[str, int]:
    """{"right", "count", "low", "high"} as a sentence's k, n and whole percent."""
    return {
        "k": test["right"],
        "n": test["count"],
        "low": round(100 * test["low"]),
        "high": round(100 * test["high"]),
    }
