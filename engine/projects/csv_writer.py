"""The one writer of CSV: a spreadsheet that opens the file runs nothing in it.

A text cell that starts like a formula (= + - @, a tab, a NUL, a carriage return) gets a single quote in front, which
spreadsheets show as text (OWASP, "CSV Injection"). Numbers are written as numbers, so that they stay numbers.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")  # full width: Excel in East Asia
DIGITS = 6  # of a number with a fraction; a probability with more pretends


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]], *, mark: bool = True) -> None:
    """Write UTF-8 with CRLF line ends (RFC 4180), with a byte order mark unless `mark` is False.

    Without the mark Excel garbles Chinese class names; with it, programs that don't expect it misread the first name.
    The file appears under its name only when it is whole. Raises ValueError for a row of another length than `head`.
    """
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8-sig" if mark else "utf-8", newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL)
        writer.writerow([cell(name) for name in head])
        for row in rows:
            if len(row) != len(head):
                raise ValueError(f"a row of {len(row)} cells under {len(head)} headings")
            writer.writerow([cell(value) for value in row])
    part.replace(path)


def cell(value: object) -> object:
    """A value as it may stand in a spreadsheet. Numbers of any kind (numpy's too) stay numbers; None is empty."""
    if value is None:
        return ""
    if isinstance(value, Integral):  # numpy's whole numbers and True too
        return int(value)
    if hasattr(value, "__float__") and not isinstance(value, str):
        return f"{float(value):.{DIGITS}g}"
    text = str(value).replace("\0", "")
    return "'" + text if str(value).lstrip(" ").startswith(DANGEROUS) else text
