"""A report's sentences in one language: the engine's own table, cases called by their number, methods by their name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from engine.nouns import Note
from engine.projects.records import ProjectCase
from engine.sentences import say, table, unit_word


class Words:
    """`words("short_task", classes=...)`; a key with a form for one (`key_one`) uses it when `count` is 1."""

    def __init__(self, language: str, cases: Mapping[str, ProjectCase]) -> None:
        self.language, self._cases = language, cases

    def __call__(self, key: str, **values: Any) -> str:
        key = f"reports.{key}"
        if values.get("count") == 1 and key + "_one" in table(self.language):
            key += "_one"
        return say(Note(key, values), self.language)

    def unit(self, unit: str) -> str:
        """A unit that is a word in this language; signs stay as they are."""
        return unit_word(unit, self.language)

    def __contains__(self, key: str) -> bool:
        return f"reports.{key}" in table(self.language)

    def case(self, case_id: str) -> str:
        """What people call a case: its number in the project, as on the page; of a row its number in the table."""
        found = self._cases.get(case_id)
        if found is None:
            return self("case_gone")
        if found.case.kind in ("record", "molecule"):
            return self(f"case_{found.case.kind}", number=found.case.name)
        return self("case", number=found.number)

    def method(self, name: str) -> str:
        key = f"learner_{name}"
        return self(key) if key in self else name

    def note(self, raw: Mapping[str, Any] | Note) -> str:
        """The sentence of an engine's note."""
        note = raw if isinstance(raw, Note) else Note.from_json(raw)
        values = dict(note.values)
        if values.get("case") in self._cases:
            values["case"] = self.case(values["case"])
        for who in ("method", "best", "simplest"):
            if isinstance(values.get(who), str):
                values[who] = self.method(values[who])
        return say(Note(note.key, values), self.language)

    def listed(self, names: list[str] | tuple[str, ...]) -> str:
        return ("、" if self.language == "zh" else ", ").join(names)

    def sentences(self, *parts: str) -> str:
        """Sentences one after another: Chinese needs no space between them."""
        return ("" if self.language == "zh" else " ").join(part for part in parts if part)


def moment(seconds: float) -> str:
    """Local date and time to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def percent(share: float) -> int:
    return round(100 * share)


def number(value: float) -> str:
    """Four significant digits, as a person reads a measured number."""
    return f"{value:.4g}"
