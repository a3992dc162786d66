"""The methods there are, and what they are called: the engine says which, the tables of texts say how.

A new method needs no code here. Its line comes from the engine's sentences, its name from `adapt.learner_<name>` in
this page's words; without one it goes by the engine's own name.
"""

from __future__ import annotations

from dashboard.state import Page
from dashboard.words import Words
from engine.nouns import Note
from engine.sentences import table

_LINE = "learners.line_"


def learner_names(page: Page) -> tuple[str, ...]:
    """What the engine offers, as its worker wrote it down when it started; before its first start, what has texts."""
    listed = page.store.get_setting("learners")
    described = (key.removeprefix(_LINE) for key in table("en") if key.startswith(_LINE))
    return tuple(listed or (name for name in described if f"adapt.learner_{name}" in page.words))


def learner_title(words: Words, name: str) -> str:
    key = f"adapt.learner_{name}"
    return words(key) if key in words else name


def learner_line(words: Words, name: str) -> str:
    """What it does, in one line; nothing for a method this version doesn't know (a project from elsewhere)."""
    key = _LINE + name
    return words.note(Note(key)) if key in table("en") else ""
