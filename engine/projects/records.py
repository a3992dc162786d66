"""What the store hands out: frozen records, read once, never written back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.nouns import Case, Note

# A case that a person has looked at and does not want to use; kept apart from the names of classes.
UNSURE = "unsure"


@dataclass(frozen=True)
class Project:
    """A question and its cases. `classes` stand in the order of the keys 1-9. `created` is seconds since 1970."""

    id: str
    name: str
    created: float
    demo: bool
    classes: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class ProjectCase:
    """A case in a project. `number` is the one in "Case 07": it stays the same when others are removed."""

    case: Case
    number: int
    position: int
    added: float
    upload: str

    @property
    def id(self) -> str:
        return self.case.id

    @property
    def patient(self) -> str:
        return self.case.patient


@dataclass(frozen=True)
class Mark:
    """Something a person said of a case: kind "label" (a class name, UNSURE or None), "place" or "region"."""

    id: int
    case_id: str
    kind: str
    value: Any
    reader: str
    at: float
    undoes: int | None = None


@dataclass(frozen=True)
class Upload:
    """Files on their way in. `state`: open, received, taken, cancelled or failed."""

    id: str
    project_id: str
    session: str
    name: str
    state: str
    files: int
    bytes: int
    manifest: str
    created: float


@dataclass(frozen=True)
class RefusedFile:
    """A row of the table of files that were not taken in."""

    id: int
    upload: str
    file: str
    note: Note
    at: float


@dataclass(frozen=True)
class Run:
    """One adaptation: `record` is everything to repeat it (versions, hashes, seed, split, timings, warnings)."""

    id: str
    project_id: str
    at: float
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Session:
    """Someone at a browser. `login` says that the password was given. `who` stands in the audit log."""

    who: str
    created: float
    seen: float
    login: bool
    token_hash: str
