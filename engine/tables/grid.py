"""A table before its cells have types: texts in columns, each kept once. Runs in the child.

Readers push rows in; limits are counted here, so that no reader can forget them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.intake.refusal import Refusal
from engine.nouns import Note
from engine.tables.limits import TableLimits

BATCH = 8192  # rows packed at once; what waits unpacked stays a few MB


@dataclass
class Grid:
    """Columns of text: `texts[c]` are the different cells of column c, `index[c]` (n,) which one each row holds, -1
    none. `lines` (n,): where a row begins in its file. `units` by column, where a row below the heading gives them."""

    names: list[str]
    texts: list[list[str | None]]
    index: list[np.ndarray]
    lines: np.ndarray
    units: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)


class Packer:
    """Takes rows of texts and keeps them as columns."""

    def __init__(self, width: int, limits: TableLimits) -> None:
        if width > limits.columns:
            raise Refusal("table_columns", columns=width, limit=limits.columns)
        self.width, self.limits = width, limits
        self.rows = 0
        self.lines: list[int] = []
        self._waiting: list[list[str]] = []
        self._chunks: list[list[pa.Array]] = [[] for _ in range(width)]

    def add(self, line: int, row: list[str]) -> None:
        """One row of `width` texts. Raises Refusal where the table passes a limit."""
        self.rows += 1
        if self.rows > self.limits.rows:
            raise Refusal("table_rows", limit=self.limits.rows)
        if self.rows * self.width > self.limits.cells:
            raise Refusal("table_cells", limit=self.limits.cells, columns=self.width)
        self._waiting.append(row)
        self.lines.append(line)
        if len(self._waiting) >= BATCH:
            self._pack()

    def _pack(self) -> None:
        for chunks, column in zip(self._chunks, zip(*self._waiting, strict=True), strict=True):
            longest = max(map(len, column))
            if longest > self.limits.cell_characters:
                row = self.lines[len(self.lines) - len(column) + max(range(len(column)), key=lambda i: len(column[i]))]
                raise Refusal("table_long_cell", row=row, limit=self.limits.cell_characters)
            chunks.append(pa.array(column, pa.string()))
        self._waiting.clear()

    def grid(self, names: list[str]) -> Grid:
        """Everything that was added, under these names."""
        if self._waiting:
            self._pack()
        texts, index = [], []
        for position in range(self.width):
            chunks, self._chunks[position] = self._chunks[position], []
            found, where = encoded(pa.chunked_array(chunks, pa.string()))
            texts.append(found)
            index.append(where)
        return Grid(names, texts, index, np.array(self.lines, dtype=np.int64))


def encoded(column: pa.ChunkedArray) -> tuple[list[str | None], np.ndarray]:
    """A column of texts -> its different texts, and for each row which (-1 where it is null)."""
    if len(column) == 0:
        return [], np.zeros(0, dtype=np.int32)
    one = pc.dictionary_encode(column).unify_dictionaries().combine_chunks()
    if isinstance(one, pa.ChunkedArray):
        one = one.chunk(0)
    return one.dictionary.to_pylist(), one.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)


def clean_names(raw: list[str]) -> list[str]:
    """Headings as they can be shown and told apart: one line, no control characters, none empty, none twice."""
    names: list[str] = []
    for position, text in enumerate(raw, start=1):
        plain = " ".join("".join(c if c.isprintable() else " " for c in text or "").split())[:200]
        name = plain or f"column {position}"
        again = 2
        while name in names:
            name = f"{plain or f'column {position}'} ({again})"
            again += 1
        names.append(name)
    return names
