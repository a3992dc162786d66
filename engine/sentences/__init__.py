"""The engine's own sentences for people (refusals, warnings, checks), by key, in English and Chinese.

Each room keeps its own pair of files, `<room>.en.toml` and `<room>.zh.toml`, whose top-level table is that room's
name or a subject ("refused", "warning"). The page has its own table in dashboard/words and reads these through `say`.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from engine.nouns import Note

LANGUAGES = ("en", "zh")


class Refusal(ValueError):
    """A mistake in what was asked. `note` says it in both languages; as text it is the English sentence."""

    def __init__(self, note: Note):
        super().__init__(say(note))
        self.note = note


@cache
def table(language: str) -> dict[str, str]:
    """All sentences of one language, flat: "refused.no_rescale" -> "This CT has no ..."."""
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob(f"*.{language}.toml")):
        found.update(_flat(tomllib.loads(path.read_text("utf-8")), ""))
    return found


def say(note: Note, language: str = "en") -> str:
    """The sentence of a note in one language. Raises KeyError for an unknown key.

    A place may bring its word along, for one and for more: "{count:row has|rows have}" -> "1 row has", "3 rows have";
    of a list in words the word stands in front: "{rows:row|rows}" -> "row 7", "rows 7, 9".
    """
    return table(language)[note.key].format(**{name: _Counted(value) for name, value in note.values.items()})


def unit_word(unit: str, language: str = "en", *, of_age: bool = False) -> str:
    """A unit as people of a language write it: "days" -> "天", "beats/min" -> "次/分", "mg/dL" as it is.

    English stands as the table wrote it. `of_age`: the years are somebody's age, which has a word of its own.
    """
    if language == "en":
        return unit
    known = table(language)

    def word(part: str) -> str:
        name = part.strip().lower()
        return known.get("units.years_of_age" if of_age and name == "years" else f"units.{name}", part)

    return "/".join(word(part) for part in unit.split("/"))


class _Counted:
    """A value in a sentence, which knows the word for one and for more."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, form: str) -> str:
        one, several, more = form.partition("|")
        if not several:
            return format(self.value, form)
        if isinstance(self.value, str):
            return f"{more if ',' in self.value else one} {self.value}"
        return f"{self.value:,} {one if self.value == 1 else more}"


def _flat(raw: dict, prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in raw.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
