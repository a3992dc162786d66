"""Two files of one task: the rows to predict must have the columns that the labelled rows taught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from engine.nouns import Note
from engine.sentences import Refusal
from engine.tables.cells import listed
from engine.tables.nouns import Dictionary, Table
from engine.tables.rows import texts_of

NEEDED = ("feature", "molecule", "measure", "value")
MOST_MISSING = 0.5  # of the columns may be missing from the second file; past that it is another table


def aligned(query: Table, dictionary: Dictionary) -> Table:
    """The second table with the columns of the first, in its types. Columns it lacks are empty and named; a name that
    differs only in case or spaces is taken for the same. Raises Refusal where too many are missing."""
    loose = {_loose(c): c for c in reversed(query.columns)}
    frame, absent, notes = {}, [], list(query.notes)
    needed = [e for e in dictionary if e.role in (*NEEDED, "patient", "site", "date", "label")]
    for entry in needed:
        source = entry.name if entry.name in query.frame.columns else loose.get(_loose(entry.name))
        if source is None:
            if entry.role in NEEDED:
                absent.append(entry.name)
            frame[entry.name] = pd.Series(
                [None] * len(query), dtype="object" if entry.kind not in ("number", "date") else "float64"
            )
            continue
        column = query.frame[source]
        if entry.kind == "date" and column.dtype.kind != "M":
            column = pd.Series(np.full(len(query), np.datetime64("NaT", "s")))
        if entry.kind == "number" and column.dtype.kind != "f":
            numbers = pd.to_numeric(column.astype("object"), errors="coerce").astype("float64")
            lost = query.lines[(column.notna() & numbers.isna()).to_numpy()]
            if len(lost):
                notes.append(
                    Note("table.not_numbers", {"column": entry.name, "count": len(lost), "rows": listed(lost)})
                )
            column = numbers
        elif (
            entry.kind in ("category", "yes_no", "code", "text")
            and column.dtype.kind == "f"
            and not _coded_as_numbers(entry.levels)
        ):
            column = texts_of(column)
        frame[entry.name] = column
    wanted = sum(e.role in NEEDED for e in needed)
    if len(absent) > MOST_MISSING * max(wanted, 1):
        raise Refusal(
            Note("refused.other_table", {"count": len(absent), "total": wanted, "columns": ", ".join(absent[:5])})
        )
    if absent:
        notes.append(Note("table.absent_columns", {"count": len(absent), "columns": ", ".join(absent[:5])}))
    return replace(query, frame=pd.DataFrame(frame, index=query.frame.index), notes=tuple(notes))


def _loose(name: str) -> str:
    return "".join(name.lower().split()).replace("_", "")


def _coded_as_numbers(levels: tuple[str, ...]) -> bool:
    return bool(levels) and all(level.lstrip("-").replace(".", "", 1).isdigit() for level in levels)
