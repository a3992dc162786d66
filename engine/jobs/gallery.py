"""The gallery's ready tasks, as their texts stand in assets/gallery: what is asked, of what, by which method, and what
it can't do."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.sentences import LANGUAGES

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "gallery"


@dataclass(frozen=True)
class Text:
    """A task's short page in one language. `warning` is empty where no treatment is chosen."""

    title: str
    question: str
    row: str
    columns: tuple[str, ...]
    why: str
    limits: tuple[str, ...]
    warning: str


@dataclass(frozen=True)
class Task:
    """A ready task: its id (also the synthetic table's), the method it opens with, "class" or "number", how many rows
    (a class) the demo labels, whether it is about treatments, and its page by language."""

    id: str
    learner: str
    target: str
    taught: int
    treatment: bool
    texts: Mapping[str, Text]

    def text(self, language: str) -> Text:
        return self.texts[language if language in self.texts else "en"]


@cache
def tasks(folder: Path = FOLDER) -> tuple[Task, ...]:
    """All ready tasks in their order. Raises KeyError where a page is incomplete."""
    raw = [tomllib.loads(path.read_text("utf-8")) for path in folder.glob("*.toml")]
    return tuple(_task(each) for each in sorted(raw, key=lambda each: each["order"]))


def task(id_: str) -> Task | None:
    """One task, or None where no task has that id."""
    return next((each for each in tasks() if each.id == id_), None)


def _task(raw: Mapping) -> Task:
    texts = {language: _text(raw[language]) for language in LANGUAGES}
    return Task(raw["id"], raw["learner"], raw["target"], raw["taught"], raw["treatment"], texts)


def _text(raw: Mapping) -> Text:
    lists = {name: tuple(raw[name]) for name in ("columns", "limits")}
    return Text(**lists, **{name: raw[name] for name in ("title", "question", "row", "why", "warning")})
