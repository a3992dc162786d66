"""Which row names the columns: the first, a later one below a title, or none. Runs in the child."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from engine.nouns import Note
from engine.tables.cells import is_missing, number
from engine.tables.grid import clean_names
from engine.tables.names import UNITS

LOOK_AT = 30  # rows from the top among which a heading may stand
RECURS = 0.5  # of the first row's words that stand again below in their column: then it is data
SUMMARY_WORDS = frozenset(
    [
        "mean",
        "average",
        "avg",
        "sum",
        "total",
        "totals",
        "grand total",
        "median",
        "mittelwert",
        "summe",
        "gesamt",
        "moyenne",
        "somme",
        "平均",
        "平均值",
        "合计",
        "总计",
        "小计",
        "总和",
    ]
)


@dataclass(frozen=True)
class Heading:
    """`names` of the columns; `named` False where the file has no heading. `skip`: rows to pass over from the top,
    `line`: the heading's place among the rows, from 1. `units` by column, where the row below it gives them."""

    names: list[str]
    named: bool
    skip: int
    line: int
    width: int
    units: dict[str, str] = field(default_factory=dict)

    def notes(self) -> list[Note]:
        if not self.named:
            return [Note("table.no_heading", {"count": self.width})]
        return [Note("table.heading_below", {"row": self.line})] if self.line > 1 else []


def find_heading(rows: list[list[str]]) -> Heading:
    """The heading among the first rows of a table (lists of texts, of any length)."""
    filled = [sum(bool(c.strip()) for c in row) for row in rows]
    widths = Counter(len(_trimmed(row)) for row, count in zip(rows, filled, strict=True) if count > 1 or len(row) == 1)
    usual = widths.most_common(1)[0][0] if widths else max((len(r) for r in rows), default=0)
    start = next((i for i, count in enumerate(filled[:LOOK_AT]) if count and count >= 0.6 * usual), 0)
    if start >= len(rows):
        return Heading([], False, 0, 0, usual)
    top, below = rows[start], [r for r in rows[start + 1 :] if any(r)]
    width = max(usual, len(_trimmed(top)))
    if not _names_columns(top, below):
        return Heading(clean_names([""] * width), False, start, start + 1, width)
    names = clean_names((top + [""] * width)[:width])
    units = _units_in(names, rows[start + 1]) if start + 1 < len(rows) else {}
    return Heading(names, True, start + 1 + bool(units), start + 1, width, units)


def _units_in(names: list[str], row: list[str]) -> dict[str, str]:
    """The units that a row below the heading gives by column; none where any of its cells is something else."""
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=False) if cell.strip()}
    return cells if cells and all(cell.lower() in UNITS for cell in cells.values()) else {}


def _trimmed(row: list[str]) -> list[str]:
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return row[:end]


def _names_columns(top: list[str], below: list[list[str]]) -> bool:
    """Whether this row names what stands below it.

    Numbers above numbers are data; so are words that come again in their own column. A heading of numbers alone is
    taken as one only where it is different from everything below.
    """
    cells = [c.strip() for c in top]
    present = [(i, c) for i, c in enumerate(cells) if c]
    if not below:
        return bool(present) and not any(number(c) is not None for _, c in present)
    numbers = [i for i, c in present if number(c) is not None or is_missing(c)]
    if len(numbers) > 0.3 * len(present):
        return False
    words = [(i, c) for i, c in present if i not in set(numbers)]
    again = sum(any(i < len(row) and row[i].strip() == c for row in below) for i, c in words)
    return again < RECURS * max(len(words), 1)


def is_summary(row: list[str]) -> bool:
    """A row of means or totals under the table: its first filled cell says so, in a table with more than one column."""
    first = next((c.strip().lower().rstrip(":：") for c in row if c.strip()), "")
    return len(row) > 1 and first in SUMMARY_WORDS
