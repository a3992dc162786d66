"""The nouns of tables: what was read (`Table`), and what each column is and is for (`Dictionary`).

A cell is a number, a text, a date or missing; nothing else. Formulas are never evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from engine.nouns import Note

KINDS = ("number", "yes_no", "category", "code", "date", "text", "identifier", "molecule", "empty")
ROLES = ("feature", "label", "patient", "site", "date", "measure", "value", "molecule", "leak", "identifier", "ignored")
STORED_ROLES = ("feature", "label", "date", "measure", "value", "molecule", "leak")  # patient and site become codes


@dataclass(frozen=True)
class Table:
    """One table as read: `frame` has a row a record and columns of float64, datetime64, category or text.

    `lines` (n,) int: where each row stands in its file (the heading of a plain CSV is line 1), for sentences that name
    a row. `units`: unit of a column where the file gives one apart from the heading (FHIR). `facts` say how the file
    was read: format, encoding, separator, decimal, heading (its line, 0 for none), sheet. `notes` are about the table,
    and about one of its columns where they carry a value "column".
    """

    name: str
    frame: pd.DataFrame
    lines: np.ndarray
    units: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if len(self.frame) != len(self.lines):
            raise ValueError(f"{len(self.frame)} rows, but lines for {len(self.lines)}")
        if self.frame.columns.has_duplicates:
            raise ValueError("two columns have one name")

    @property
    def columns(self) -> list[str]:
        return list(self.frame.columns)

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> Table:
        """The table of some rows, by position or mask, in that order."""
        rows = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, dtype=int)
        return replace(self, frame=self.frame.iloc[rows].reset_index(drop=True), lines=self.lines[rows])


@dataclass(frozen=True)
class Entry:
    """What one column is (`kind`) and what it is for (`role`), with the reasons of a proposal.

    `unit` is text as found ("mg/dL"), "" if unknown. `levels` are a category's values, most frequent first (ordinal:
    in their order), with their `counts`; empty for other kinds. `low`, `high`: range of numbers; ISO dates for dates.
    """

    name: str
    kind: str
    role: str
    rows: int = 0
    missing: int = 0
    distinct: int = 0
    unit: str = ""
    ordinal: bool = False
    levels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    low: float | str | None = None
    high: float | str | None = None
    reasons: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a column can be {', '.join(KINDS)}, not {self.kind!r}")
        if self.role not in ROLES:
            raise ValueError(f"a column can be for {', '.join(ROLES)}, not {self.role!r}")

    @property
    def constant(self) -> bool:
        """True where all that is there is the same: nothing can be learned from it."""
        return self.distinct <= 1

    def to_json(self) -> dict[str, Any]:
        raw = dict(self.__dict__)
        raw["levels"], raw["counts"] = list(self.levels), list(self.counts)
        raw["reasons"] = [note.to_json() for note in self.reasons]
        return raw

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Entry:
        known = {key: value for key, value in raw.items() if key in cls.__dataclass_fields__}
        known["levels"], known["counts"] = tuple(raw.get("levels", ())), tuple(raw.get("counts", ()))
        known["reasons"] = tuple(Note.from_json(note) for note in raw.get("reasons", ()))
        return cls(**known)


@dataclass(frozen=True)
class Dictionary:
    """The column dictionary of a table: proposed by the engine, corrected by a person, kept with the table."""

    entries: tuple[Entry, ...]
    notes: tuple[Note, ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(name)

    def named(self, role: str) -> list[str]:
        """Names of the columns with this role."""
        return [entry.name for entry in self.entries if entry.role == role]

    def one(self, role: str) -> str | None:
        """The column of a role that only one column has (label, patient, site, date, measure, value), or None."""
        return next(iter(self.named(role)), None)

    def change(self, name: str, **changes: Any) -> Dictionary:
        """With one column corrected: `kind`, `role`, `unit`, `ordinal` or `levels`.

        A role that only one column can have is taken from the column that had it, which becomes a feature, or is
        dropped where it identifies.
        """
        self[name]  # KeyError for a column that is not there
        single = changes.get("role") in ("label", "patient", "site", "measure", "value")
        entries = []
        for entry in self.entries:
            if entry.name == name:
                entry = replace(entry, **changes)
            elif single and entry.role == changes["role"]:
                entry = replace(entry, role="identifier" if entry.kind == "identifier" else "feature")
            entries.append(entry)
        return replace(self, entries=tuple(entries))

    def to_json(self) -> dict[str, Any]:
        return {
            "entries": [entry.to_json() for entry in self.entries],
            "notes": [note.to_json() for note in self.notes],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Dictionary:
        return cls(
            tuple(Entry.from_json(e) for e in raw["entries"]), tuple(Note.from_json(n) for n in raw.get("notes", ()))
        )
