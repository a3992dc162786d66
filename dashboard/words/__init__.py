"""Every sentence of the page, by key, in English and Chinese.

One pair of files a page (`label.en.toml`, `label.zh.toml`); a file's keys are prefixed with its name ("label.next").
The engine's own sentences (refusals, warnings) stand in engine/sentences and are read through the same `Words`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from engine.nouns import Note
from engine.sentences import say, unit_word

LANGUAGES = {"en": "EN", "zh": "中文"}
FOLDER = Path(__file__).parent


@cache
def table(language: str) -> dict[str, str]:
    """All texts of one language, flat: "label.next" -> "Next case"."""
    found: dict[str, str] = {}
    for path in sorted(FOLDER.glob(f"*.{language}.toml")):
        page = path.name.split(".")[0]
        for key, text in _flat(tomllib.loads(path.read_text("utf-8"))).items():
            found[f"{page}.{key}"] = text
    return found


def _flat(raw: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in raw.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: str(value)})
    return flat


class Words:
    """The texts of one language. `words("label.teach", count=8)` fills a text's places.

    A key whose text has a form for one (`key_one`) uses it when `count` is 1.
    """

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._table = table(self.language)

    def __call__(self, key: str, **values: Any) -> str:
        if values.get("count") == 1 and key + "_one" in self._table:
            key += "_one"
        return self._table[key].format(**values)

    @property
    def between(self) -> str:
        """What stands between two sentences: nothing in Chinese."""
        return "" if self.language == "zh" else " "

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def note(self, note: Note | Mapping[str, Any]) -> str:
        """The sentence of an engine's note."""
        return say(note if isinstance(note, Note) else Note.from_json(note), self.language)

    def unit(self, unit: str) -> str:
        """A unit that is a word in this language; signs stay as they are."""
        return unit_word(unit, self.language)

    def whole(self, note: Note | Mapping[str, Any]) -> str:
        """The sentence of a note, and of a refusal what to do about it too."""
        note = note if isinstance(note, Note) else Note.from_json(note)
        do = self.between + self.what_to_do(note) if note.key.startswith("refused.") else ""
        return self.note(note) + do

    def what_to_do(self, note: Note) -> str:
        """What a person can do about a refused file: the `refused_do` companion of a `refused` key."""
        return self.note(Note(note.key.replace("refused.", "refused_do.", 1), note.values))

    def page(self, page: str) -> dict[str, str]:
        """All texts of one page without its prefix, for a component that fills them itself."""
        start = page + "."
        return {key[len(start) :]: text for key, text in self._table.items() if key.startswith(start)}
