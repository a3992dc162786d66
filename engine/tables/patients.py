"""Whose row it is, as a keyed code; and the rule that nobody stands on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.intake.codes import code
from engine.nouns import Note
from engine.sentences import Refusal
from engine.tables.cells import listed
from engine.tables.nouns import Dictionary, Table


@dataclass(frozen=True)
class Parts:
    """Positions of the rows that teach and of those that are predicted, and what was said about shared patients."""

    support: np.ndarray
    query: np.ndarray
    notes: tuple[Note, ...] = ()


def patient_codes(table: Table, dictionary: Dictionary, key: bytes) -> tuple[str, ...]:
    """(n,) keyed codes. A row without a patient is a patient of its own, known by what the row holds, so that the same
    row twice is one patient."""
    name = dictionary.one("patient")
    column = table.frame[name] if name else pd.Series([None] * len(table), dtype="object")
    features = [e.name for e in dictionary if e.role in ("feature", "molecule")]
    made: dict[object, str] = {}
    found: list[str] = []
    alone = (
        pd.util.hash_pandas_object(table.frame[features], index=False).to_numpy() if features else np.arange(len(table))
    )
    for position, value in enumerate(column.astype("object")):
        given = not pd.isna(value)
        what = ("id", plain_id(value)) if given else ("row", str(int(alone[position])))
        if what not in made:
            made[what] = code(key, "patient", *what)
        found.append(made[what])
    return tuple(found)


def site_codes(table: Table, dictionary: Dictionary, key: bytes) -> tuple[str, ...]:
    """(n,) keyed codes of sites, "" where a row has none."""
    name = dictionary.one("site")
    if name is None:
        return ("",) * len(table)
    values = table.frame[name].astype("object")
    known = {v: code(key, "site", plain_id(v)) for v in values.dropna().unique()}
    return tuple(known.get(v, "") if not pd.isna(v) else "" for v in values)


def plain_id(value: object) -> str:
    """A patient number as text, the same whether Excel made 17.0 of it or a CSV wrote 17."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).strip()


def parted(
    patients: Sequence[str], support: np.ndarray, query: np.ndarray, lines: np.ndarray, *, shared: str = "refuse"
) -> Parts:
    """Support and query without a patient on both sides. `shared`: "refuse" raises Refusal and names rows; "group"
    leaves those rows out of the query and says so."""
    if shared not in ("refuse", "group"):
        raise ValueError(f"shared patients can be refused or grouped, not {shared!r}")
    support, query = np.asarray(support, dtype=int), np.asarray(query, dtype=int)
    taught = {patients[i] for i in support}
    both = np.array([patients[i] in taught for i in query], dtype=bool)
    if not both.any():
        return Parts(support, query)
    values = {
        "count": int(both.sum()),
        "patients": len({patients[i] for i in query[both]}),
        "rows": listed(lines[query[both]]),
    }
    if shared == "refuse":
        raise Refusal(Note("refused.shared_patients", values))
    return Parts(support, query[~both], (Note("table.shared_patients", values),))
