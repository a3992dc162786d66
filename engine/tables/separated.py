"""Text with separators: which encoding, which separator, which quotes; then rows. Runs in the child.

The bytes decide, never the name of the file. Python's own csv reader splits the rows: it knows quoted line breaks and
tells the line, and what it gives is text, so that nothing is converted before it can be told by row and column.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.intake.refusal import Refusal
from engine.nouns import Note
from engine.tables.cells import listed
from engine.tables.encodings import SURE, encoding_of
from engine.tables.grid import Grid, Packer, clean_names
from engine.tables.heading import Heading, find_heading, is_summary
from engine.tables.limits import TableLimits

SEPARATORS = (",", ";", "\t", "|")
GAPS = "  "  # columns held apart by two blanks and more, as in a printed list
GAP = re.compile(r" {2,}")
SAMPLE_BYTES = 1 << 18
SAMPLE_ROWS = 400
LEAST_ROWS = 0.4  # of a sample must have the table's width
WIDEST_RAGGED = 0.5  # of the rows may be shorter or longer than the rest; past that it is no table


def separator_of(sample: str) -> tuple[str, str]:
    """(separator, quote) under which the sample falls into rows of one width; ("", '"') for a single column."""
    quote = _quote_of(sample)
    best, score = "", -1.0
    for separator in (*SEPARATORS, GAPS):
        widths = [len(r) for r in _rows(sample.splitlines(keepends=True), separator, quote, SAMPLE_ROWS) if any(r)]
        several = [width for width in widths if width > 1]  # a title and remarks on top have one cell
        if not several:
            continue
        width, often = Counter(several).most_common(1)[0]
        value = often / len(widths) + min(width, 50) / 1000  # of two that fit as well, the one with more columns
        value -= separator == GAPS  # the last resort
        if value > score and often / len(widths) >= LEAST_ROWS and often / len(several) > WIDEST_RAGGED:
            best, score = separator, value
    return best, quote


def _quote_of(sample: str) -> str:
    double = len(re.findall(r'(?:^|[,;\t|])"', sample, re.MULTILINE))
    single = len(re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n]|$)", sample, re.MULTILINE))
    return "'" if single > double else '"'


def _rows(lines: Iterable[str], separator: str, quote: str, most: int | None = None) -> Iterator[list[str]]:
    for count, row in enumerate(_reader(lines, separator, quote)):
        if most is not None and count >= most:
            return
        yield row


def _reader(lines: Iterable[str], separator: str, quote: str) -> Any:
    """Python's reader of rows, which also counts lines."""
    if separator == GAPS:
        lines, separator = (GAP.sub("\t", line.strip(" \r\n")) for line in lines), "\t"
    return csv.reader(lines, delimiter=separator or "\x1f", quotechar=quote, skipinitialspace=True)


def read(path: Path, limits: TableLimits, encoding: str | None = None) -> Grid:
    """A file of separated text. `encoding` as a person says it, else found. Raises Refusal where it is no table."""
    csv.field_size_limit(4 * limits.cell_characters)
    told, encoding = encoding, encoding or encoding_of(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        sample = file.read(SAMPLE_BYTES)
    if not sample.strip():
        raise Refusal("table_empty")
    separator, quote = separator_of(sample)
    first = list(_rows(sample.splitlines(keepends=True), separator, quote, SAMPLE_ROWS))
    if len(sample) == SAMPLE_BYTES and len(first) > 1:
        first = first[:-1]
    heading = find_heading(first)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        grid = _read_rows(file, separator, quote, heading, limits)
    if told is None and encoding not in SURE:
        grid.notes.append(Note("table.encoding_guessed", {"encoding": encoding}))
    grid.units = heading.units
    grid.facts |= {"format": "csv", "encoding": encoding, "separator": separator, "quote": quote,
                   "heading": heading.line if heading.named else 0}  # fmt: skip
    return grid


def _read_rows(file: Iterator[str], separator: str, quote: str, heading: Heading, limits: TableLimits) -> Grid:
    packer = Packer(heading.width, limits)
    short, long, summary, line = [], [], [], 1
    reader = _reader(file, separator, quote)
    try:
        for count, row in enumerate(reader):
            began, line = line, reader.line_num + 1
            if count < heading.skip or not any(row):
                continue
            if len(row) != heading.width:
                trailing = row[heading.width :]
                (short if len(row) < heading.width else long).append(began) if any(trailing) or not trailing else None
                row = (row + [""] * heading.width)[: heading.width]
            if is_summary(row):
                summary.append(began)
                continue
            packer.add(began, row)
    except csv.Error as error:
        raise Refusal("table_broken_row", row=line) from error
    if not packer.rows:
        raise Refusal("table_empty")
    if len(short) + len(long) > WIDEST_RAGGED * packer.rows:
        raise Refusal("table_ragged", count=len(short) + len(long), rows=listed_rows(short + long))
    grid = packer.grid(heading.names if heading.named else clean_names([""] * heading.width))
    grid.notes += ragged_notes(short, long, heading.width) + heading.notes() + summary_notes(summary)
    return grid


def ragged_notes(short: list[int], long: list[int], width: int) -> list[Note]:
    """Rows with fewer or more cells than the heading, by line."""
    notes = []
    if short:
        notes.append(Note("table.short_rows", {"count": len(short), "rows": listed_rows(short), "width": width}))
    if long:
        notes.append(Note("table.long_rows", {"count": len(long), "rows": listed_rows(long), "width": width}))
    return notes


def summary_notes(lines: list[int]) -> list[Note]:
    return [Note("table.summary_rows", {"count": len(lines), "rows": listed_rows(lines)})] if lines else []


def listed_rows(lines: list[int]) -> str:
    import numpy as np

    return listed(np.array(sorted(lines)))
