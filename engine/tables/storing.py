"""A table between processes and on disk: Parquet for the cells, JSON for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.nouns import Note
from engine.tables.cells import typed
from engine.tables.grid import Grid
from engine.tables.nouns import Table

SHARED_TEXTS = 0.5  # a column with fewer different texts than this share of its rows is kept as a category
LINE = "__line"


def write_grid(grid: Grid, out: Path, stem: str) -> dict[str, Any]:
    """Give the columns their types and write them; the answer of a reading process."""
    hint = _decimal_hint(grid)
    columns, notes = {}, list(grid.notes)
    decimals = set()
    for position, name in enumerate(grid.names):
        column = typed(name, grid.texts[position], grid.index[position], grid.lines, hint)
        notes += column.notes
        decimals |= {column.decimal} - {""}
        columns[name] = _arrow(column.values)
        grid.texts[position], grid.index[position] = [], np.zeros(0, np.int32)  # a large table is held once, not twice
    columns[LINE] = pa.array(grid.lines)
    path = out / f"{stem}.parquet"
    pq.write_table(pa.table(columns), path)
    facts = {**grid.facts, "decimal": decimals.pop() if len(decimals) == 1 else ("mixed" if decimals else "")}
    return {
        "file": path.name,
        "facts": facts,
        "notes": [note.to_json() for note in notes],
        "rows": len(grid.lines),
        "units": grid.units,
    }


def _decimal_hint(grid: Grid) -> str:
    """ "," where some column of the file cannot be read otherwise, or where fields are parted by semicolons."""
    from engine.tables.cells import COMMA, COMMA_GROUPS

    for texts in grid.texts:
        if any(COMMA.fullmatch(t or "") and not COMMA_GROUPS.fullmatch(t or "") for t in texts[:2000]):
            return ","
    return "," if grid.facts.get("separator") == ";" else ""


def _arrow(values: np.ndarray) -> pa.Array:
    if values.dtype.kind == "f":
        return pa.array(values, from_pandas=True)
    if values.dtype.kind == "M":
        return pa.array(values)
    text = pa.array(values, pa.string())
    packed = text.dictionary_encode()
    return packed if len(packed.dictionary) < SHARED_TEXTS * max(len(text), 1) else text


def read_table(path: Path, answer: dict[str, Any], name: str) -> Table:
    """A table that `write_grid` wrote. Memory-mapped Parquet of our own writing."""
    frame = pq.read_table(path, memory_map=True).to_pandas(self_destruct=True, split_blocks=True)
    lines = frame.pop(LINE).to_numpy(dtype=np.int64)
    for column in frame.columns:
        if frame[column].dtype == object:
            frame[column] = frame[column].astype("str")
        elif frame[column].dtype.kind == "M":
            frame[column] = frame[column].astype("datetime64[s]")
        elif isinstance(frame[column].dtype, pd.CategoricalDtype):
            continue
    notes = tuple(Note.from_json(note) for note in answer["notes"])
    return Table(name, frame, lines, answer.get("units", {}), answer["facts"], notes)
