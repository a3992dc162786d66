"""Dates written as text, in one style or several in one column.

Whether 03/04/1992 is in March or April is decided by the other dates of the column that are written with the same
sign: one with a day past 12 settles it. Where none does it stays open, and is said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np

DATES_FROM = 0.8  # of what is there must read as dates
YEARS = (1850, 2250)  # de-identified records move dates a century or two ahead
TIME = r"(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d+)?\s*([AaPp][Mm])?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?)?"
YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})" + TIME)
YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})" + TIME)
COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
CHINESE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(?:(\d{1,2})\s*日)?")
NAMED = re.compile(r"(\d{1,2})[.\s-]+([A-Za-zäéû]{3,9})\.?[\s,-]+(\d{4})" + TIME)
NAMED_MONTH_FIRST = re.compile(r"([A-Za-z]{3,9})\.?\s+(\d{1,2}),?\s+(\d{4})" + TIME)
MONTHS = {
    name: month
    for month, names in enumerate(
        [
            "jan januar january",
            "feb februar february",
            "mar mär märz march mrz",
            "apr april",
            "may mai",
            "jun juni june",
            "jul juli july",
            "aug august",
            "sep sept september",
            "oct okt october oktober",
            "nov november",
            "dec dez december dezember",
        ],
        start=1,
    )
    for name in names.split()
}


@dataclass(frozen=True)
class Parsed:
    """`values` (n,) datetime64[s], NaT where a text is no date; `unsure` (n,) bool: day and month may be swapped."""

    values: np.ndarray
    unsure: np.ndarray
    styles: int

    @property
    def ambiguous(self) -> bool:
        return bool(self.unsure.any())


def parse(texts: list[str]) -> Parsed | None:
    """Different texts of a column -> dates, or None if they are not dates."""
    if not _worth_it(texts):
        return None
    matches = [_match(text) for text in texts]
    if sum(m is not None for m in matches) < DATES_FROM * len(texts):
        return None
    orders = _orders(matches)
    values = np.full(len(texts), np.datetime64("NaT", "s"))
    unsure = np.zeros(len(texts), dtype=bool)
    for i, match in enumerate(matches):
        if match is None:
            continue
        style, first, second, year, time = match
        if style in ("year", "compact", "named", "chinese"):
            month, day = first, second
        else:
            day_first = orders.get(style)
            unsure[i] = day_first is None and first != second
            month, day = (second, first) if day_first or day_first is None else (first, second)
        try:
            values[i] = np.datetime64(datetime(year, month, day, *time), "s")
        except ValueError:
            unsure[i] = False
    if np.isnat(values).mean() > 1 - DATES_FROM:
        return None
    styles = len({m[0] for m in matches if m})
    return Parsed(values, unsure, styles)


def _worth_it(texts: list[str]) -> bool:
    """A quick look at the first few before all are tried."""
    few = [t for t in texts if t][:20]
    return bool(few) and sum(_match(t) is not None for t in few) >= 0.6 * len(few)


def _orders(matches: list[tuple | None]) -> dict[str, bool | None]:
    """For each sign: True if the day stands first, False if the month does, None if nothing settles it.

    A point means day first wherever it is written (German, Russian, Turkish and Chinese usage alike).
    """
    orders: dict[str, bool | None] = {}
    for match in matches:
        if match is None or not match[0].startswith("last"):
            continue
        style, first, second = match[:3]
        orders.setdefault(style, None)
        if first > 12:
            orders[style] = True
        elif second > 12 and orders[style] is None:
            orders[style] = False
    if orders.get("last.") is None and "last." in orders:
        orders["last."] = True
    return orders


def _match(text: str) -> tuple[str, int, int, int, tuple[int, ...]] | None:
    """(style, first, second, year, time): first and second are month and day except for "last*" styles."""
    if m := YEAR_FIRST.fullmatch(text):
        found = ("year", int(m[3]), int(m[4]), int(m[1]), _time(m.groups()[4:]))
    elif m := YEAR_LAST.fullmatch(text):
        year = int(m[4])
        if len(m[4]) == 2:
            year += 1900 if year > 40 else 2000
        found = (f"last{m[2]}", int(m[1]), int(m[3]), year, _time(m.groups()[4:]))
    elif m := COMPACT.fullmatch(text):
        found = ("compact", int(m[2]), int(m[3]), int(m[1]), ())
    elif m := CHINESE.fullmatch(text):
        found = ("chinese", int(m[2]), int(m[3] or 1), int(m[1]), ())
    elif (m := NAMED.fullmatch(text)) and m[2].lower() in MONTHS:
        found = ("named", MONTHS[m[2].lower()], int(m[1]), int(m[3]), _time(m.groups()[3:]))
    elif (m := NAMED_MONTH_FIRST.fullmatch(text)) and m[1].lower() in MONTHS:
        found = ("named", MONTHS[m[1].lower()], int(m[2]), int(m[3]), _time(m.groups()[3:]))
    else:
        return None
    plausible = YEARS[0] <= found[3] <= YEARS[1] and max(found[1:3]) <= 31 and min(found[1:3]) >= 1
    return found if plausible and (found[0].startswith("last") or found[1] <= 12) else None


def _time(parts: tuple[str | None, ...]) -> tuple[int, ...]:
    if parts[0] is None:
        return ()
    hour = int(parts[0])
    if parts[3]:
        hour = hour % 12 + (12 if parts[3].lower() == "pm" else 0)
    return (hour, int(parts[1]), int(parts[2] or 0))
