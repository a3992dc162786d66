"""Text with separators: which encoding, which separator, which quotes; then rows. Runs in the child.

The bytes decide, never the name of the file. Python's own csv reader splits the rows: it knows quoted line breaks and
tells the line, and what it gives is text, so that nothing is converted before it can be told by row and column.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine.intake.refusal import Refusal
from engine.nouns import Note
from engine.tables.cells import listed
from engine.tables.grid import Grid, Packer, clean_names
from engine.tables.heading import Heading, find_heading, is_summary
from engine.tables.limits import TableLimits

SEPARATORS = (",", ";", "\t", "|")
MARKS = (  # UTF-32's little-endian mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAMPLE_BYTES = 1 << 18
SAMPLE_ROWS = 400
BLOCK = 1 << 20
TURKISH = frozenset(b"\xd0\xdd\xde\xf0\xfd\xfe")  # ĞİŞğış in cp1254, Icelandic letters in cp1252
TURKISH_TOO = frozenset(b"\xc7\xd6\xdc\xe7\xf6\xfc") | TURKISH | frozenset(range(0x80, 0xC0))  # and punctuation
COMMON_HANZI = range(0xB0, 0xF8)  # lead bytes of GB 2312's characters; a Latin text rarely pairs such bytes
WIDEST_RAGGED = 0.5  # of the rows may be shorter or longer than the rest; past that it is no table


def encoding_of(path: Path) -> str:
    """The encoding of a whole file: a byte order mark, NULs of UTF-16, strict UTF-8, GB 18030, else Latin."""
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
        for mark, name in MARKS:
            if head.startswith(mark):
                return name
        if head[1::2].count(0) > 0.3 * len(head) / 2:
            return "utf-16-le"
        if head[::2].count(0) > 0.3 * len(head) / 2:
            return "utf-16-be"
        if b"\0" in head:
            raise Refusal("table_not_text")
        file.seek(0)
        utf8, gb = codecs.getincrementaldecoder("utf-8")(), codecs.getincrementaldecoder("gb18030")()
        high: Counter[int] = Counter()
        while block := file.read(BLOCK):
            utf8, gb = _still(utf8, block), _still(gb, block)
            if utf8 is None:
                high.update(b for b in block if b > 0x7F)
    if _still(utf8, b"", final=True) is not None:
        return "utf-8"
    if _still(gb, b"", final=True) is not None and _looks_chinese(head):
        return "gb18030"
    if set(high) & TURKISH and set(high) <= TURKISH_TOO:
        return "cp1254"
    return "latin-1" if set(high) & set(b"\x81\x8d\x8f\x90\x9d") else "cp1252"  # five bytes that cp1252 does not have


def _still(decoder: codecs.IncrementalDecoder | None, block: bytes, final: bool = False):
    if decoder is None:
        return None
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return None
    return decoder


def _looks_chinese(head: bytes) -> bool:
    """Whether the high bytes come in pairs that are common Chinese characters."""
    runs = re.findall(rb"[\x80-\xff]+", head)
    paired = sum(
        len(r) for r in runs if len(r) % 2 == 0 and all(b in COMMON_HANZI or b in range(0xA1, 0xAA) for b in r[::2])
    )
    return bool(runs) and paired > 0.8 * sum(map(len, runs))


def separator_of(sample: str) -> tuple[str, str]:
    """(separator, quote) under which the sample falls into rows of one width; ("", '"') for a single column."""
    quote = _quote_of(sample)
    best, score = "", 0.0
    for separator in SEPARATORS:
        widths = [len(r) for r in _rows(sample.splitlines(keepends=True), separator, quote, SAMPLE_ROWS) if any(r)]
        widths = widths[:-1] or widths  # the last row of a sample may be cut
        if not widths:
            continue
        width, often = Counter(widths).most_common(1)[0]
        value = often / len(widths) + min(width, 50) / 1000  # of two that fit as well, the one with more columns
        if width > 1 and value > score and often / len(widths) > WIDEST_RAGGED:
            best, score = separator, value
    return best, quote


def _quote_of(sample: str) -> str:
    double = len(re.findall(r'(?:^|[,;\t|])"', sample, re.MULTILINE))
    single = len(re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n]|$)", sample, re.MULTILINE))
    return "'" if single > double else '"'


def _rows(lines: list[str] | Iterator[str], separator: str, quote: str, most: int | None = None) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=separator or "\x1f", quotechar=quote, skipinitialspace=True)
    for count, row in enumerate(reader):
        if most is not None and count >= most:
            return
        yield row


def read(path: Path, limits: TableLimits) -> Grid:
    """A file of separated text. Raises Refusal where it is no table."""
    csv.field_size_limit(4 * limits.cell_characters)
    encoding = encoding_of(path)
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
    grid.facts |= {"format": "csv", "encoding": encoding, "separator": separator, "quote": quote,
                   "heading": heading.line if heading.named else 0}  # fmt: skip
    return grid


def _read_rows(file: Iterator[str], separator: str, quote: str, heading: Heading, limits: TableLimits) -> Grid:
    packer = Packer(heading.width, limits)
    short, long, summary, line = [], [], [], 1
    reader = csv.reader(file, delimiter=separator or "\x1f", quotechar=quote, skipinitialspace=True)
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
