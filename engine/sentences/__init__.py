"""The engine's own sentences for people (refusals, warnings, checks), by key, in English and Chinese.

Each room keeps its own pair of files, `<room>.en.toml` and `<room>.zh.toml`, whose top-level table is that room's
name or a subject ("refused", "warning"). The page has its own table in dashboard/words and reads these through `say`.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

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
    """The sentence of a note in one language. Raises KeyError for an unknown key."""
    return table(language)[note.key].format(**note.values)


def _flat(raw: dict, prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in raw.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
