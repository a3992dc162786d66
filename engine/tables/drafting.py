"""A table between its reading and a person's word about its columns: on disk as it was read, names and all.

<folder>/draft.parquet      cells and the row's place in its file
<folder>/draft.json         name, facts, notes, units, the proposed dictionary, the first rows as texts
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.nouns import Note
from engine.tables.nouns import Dictionary, Table
from engine.tables.rows import texts_of
from engine.tables.storing import LINE

ROWS, ABOUT = "draft.parquet", "draft.json"
PREVIEW = 8  # rows
MOST_CHARACTERS = 60  # of a cell in the preview


def write_draft(table: Table, dictionary: Dictionary, folder: Path) -> None:
    """Write a draft, whole or not at all."""
    making = folder.with_name(f".making-{os.getpid()}-{folder.name}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    frame = pd.concat([table.frame, pd.Series(table.lines, index=table.frame.index, name=LINE)], axis=1)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), making / ROWS)
    about = {
        "name": table.name,
        "units": dict(table.units),
        "facts": dict(table.facts),
        "notes": [note.to_json() for note in table.notes],
        "dictionary": dictionary.to_json(),
        "preview": preview(table),
    }
    (making / ABOUT).write_text(json.dumps(about, ensure_ascii=False), "utf-8")
    making.replace(folder)


def load_draft(folder: Path) -> tuple[Table, Dictionary]:
    """The table as it was read, and the proposed dictionary."""
    about = about_draft(folder)
    frame = pq.read_table(folder / ROWS).to_pandas()
    lines = frame.pop(LINE).to_numpy(dtype=np.int64)
    for name in frame.columns:
        if frame[name].dtype.kind == "M":
            frame[name] = frame[name].astype("datetime64[s]")
        elif frame[name].dtype == object:
            frame[name] = frame[name].astype("str")
    notes = tuple(Note.from_json(note) for note in about["notes"])
    table = Table(about["name"], frame, lines, about["units"], about["facts"], notes)
    return table, Dictionary.from_json(about["dictionary"])


def about_draft(folder: Path) -> dict[str, Any]:
    """What `write_draft` wrote beside the cells."""
    return json.loads((folder / ABOUT).read_text("utf-8"))


def preview(table: Table, rows: int = PREVIEW) -> list[list[str]]:
    """The first rows as texts, "" where a cell is empty."""
    head = table.frame.iloc[:rows]
    columns = [_texts(head[name]) for name in table.columns]
    return [list(row) for row in zip(*columns, strict=True)] if columns else []


def _texts(column: pd.Series) -> list[str]:
    if column.dtype.kind == "M":
        days = column.dt.strftime("%Y-%m-%d %H:%M").str.removesuffix(" 00:00")
        return ["" if pd.isna(day) else str(day) for day in days]
    if column.dtype.kind == "f":
        return ["" if pd.isna(v) else f"{v:.10g}" for v in column]
    return ["" if pd.isna(text) else _cut(str(text)) for text in texts_of(column)]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
