"""The methods there are, and what they are called: the engine says which, the tables of texts say how.

A new method needs no code here. Its line comes from the engine's sentences, its name from `adapt.learner_<name>` in
this page's words; without one it goes by the engine's own name.
"""

from __future__ import annotations

from dashboard.state import Page
from dashboard.words import Words
from engine.nouns import Note
from engine.sentences import table

IMAGES, ROWS, NUMBERS = "learners", "learners_rows", "learners_numbers"  # settings of the store
# The method for rows where nobody has chosen one: on families never read it was level with or a little ahead of tuned
# logistic regression at 5 and 10 a class and not ahead at 20 (docs/records.md). It needs no choice of steps.
FOR_ROWS = "incontext"
_LINE = "learners.line_"


def learner_names(page: Page) -> tuple[str, ...]:
    """What the engine offers for this project's cases, as its worker wrote it down when it started; before its first
    start, what has texts."""
    listed = page.store.get_setting(NUMBERS if page.numeric else ROWS if page.of_rows else IMAGES)
    described = (key.removeprefix(_LINE) for key in table("en") if key.startswith(_LINE))
    return tuple(listed or (name for name in described if f"adapt.learner_{name}" in page.words))


def default_learner(page: Page) -> str:
    """The project's choice; else the method that fits its kind of cases."""
    names = learner_names(page)
    chosen = page.project.settings.get("learner")
    if chosen and (chosen in names or not page.of_rows):
        return chosen
    wanted = FOR_ROWS if page.of_rows else "protonet"
    return wanted if wanted in names or not page.of_rows else names[0]


def learner_title(words: Words, name: str) -> str:
    key = f"adapt.learner_{name}"
    return words(key) if key in words else name


def learner_line(words: Words, name: str) -> str:
    """What it does, in one line; nothing for a method this version doesn't know (a project from elsewhere)."""
    key = _LINE + name
    return words.note(Note(key)) if key in table("en") else ""
