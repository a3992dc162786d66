"""Parquet -> texts, so that one way of typing serves every format. Runs in the child."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.intake.refusal import Refusal
from engine.nouns import Note
from engine.tables.grid import Grid, clean_names, encoded
from engine.tables.limits import TableLimits

PANDAS_INDEX = "__index_level_0__"


def read(path: Path, limits: TableLimits) -> Grid:
    """A Parquet file. Its size is known before a value is read. Columns of lists and records are left out and named."""
    try:
        return _read(pq.ParquetFile(path), limits)
    except (pa.ArrowException, OSError) as error:
        raise Refusal("parquet_broken") from error


def _read(file: pq.ParquetFile, limits: TableLimits) -> Grid:
    rows, width = file.metadata.num_rows, len(file.schema_arrow.names)
    if rows > limits.rows:
        raise Refusal("table_rows", limit=limits.rows)
    if width > limits.columns:
        raise Refusal("table_columns", columns=width, limit=limits.columns)
    if rows * width > limits.cells:
        raise Refusal("table_cells", limit=limits.cells, columns=width)
    if sum(file.metadata.row_group(g).total_byte_size for g in range(file.num_row_groups)) > limits.workbook_bytes:
        raise Refusal("table_bytes", limit_mb=limits.workbook_bytes >> 20)
    if not rows or not width:
        raise Refusal("table_empty")
    names, texts, index, left_out = [], [], [], []
    for field in file.schema_arrow:
        if field.name == PANDAS_INDEX:
            continue
        column = file.read(columns=[field.name]).column(0) if not pa.types.is_nested(field.type) else None
        if column is None or pa.types.is_binary(field.type):
            left_out.append(field.name)
            continue
        found, where = encoded(_as_text(column))
        names.append(field.name)
        texts.append(found)
        index.append(where)
    if not names:
        raise Refusal("table_empty")
    notes = (
        [Note("table.nested_columns", {"count": len(left_out), "columns": ", ".join(left_out[:5])})] if left_out else []
    )
    return Grid(
        clean_names(names), texts, index, np.arange(1, rows + 1), {}, {"format": "parquet", "heading": 0}, notes
    )


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = pc.cast(column, kind.value_type)
        kind = column.type
    if pa.types.is_timestamp(kind):
        column = pc.cast(column, pa.timestamp("s"), safe=False)
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
    return pc.cast(column, pa.string())
