"""Cells as text -> numbers, dates, text and missing, a column at a time. Runs in the child.

Only the different texts of a column are looked at, so that a column of 100,000 cells with five values costs five looks.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from engine.nouns import Note
from engine.tables import dates

# What stands for "no value" in any column; Excel's error texts in English, German, French, Spanish and Turkish.
MISSING = frozenset(
    [
        "",
        "?",
        "??",
        "???",
        "-",
        "--",
        "---",
        ".",
        "..",
        "na",
        "n/a",
        "n.a.",
        "nan",
        "<na>",
        "null",
        "nil",
        "missing",
        "not available",
        "#n/a",
        "#na",
        "#div/0!",
        "#value!",
        "#ref!",
        "#num!",
        "#name?",
        "#null!",
        "#nv",
        "#wert!",
        "#bezug!",
        "#zahl!",
        "#n/d",
        "#valor!",
        "#valeur!",
        "#yok",
        "#boş!",
        "#sayı/0!",
        "#değer!",
        "#başv!",
        "#ad?",
        "(null)",
        "缺失",
        "无数据",
        "未查",
        "未测",
        "不详",
        "空",
        "\\n",
    ]
)
# These are answers in a column of words (no steroid: "none"), and no value in a column of numbers.
MISSING_AMONG_NUMBERS = frozenset(
    ["none", "unknown", "not done", "not tested", "nd", "n.d.", "未知", "无", "未做", "k.a.", "unbekannt", "x", "*"]
)
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d{1,3})?")
POINT_GROUPS = re.compile(r"[+-]?\d{1,3}([.]\d{3})+(,\d+)?")
COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
SPACE_GROUPS = re.compile(r"[+-]?\d{1,3}([ \u00a0\u202f'’]\d{3})+([.,]\d+)?")
BOUND = re.compile(r"[<>≤≥]=?\s*(?=\d)")
CODE = re.compile(r"[A-Za-z]{1,2}\d[\dA-Za-z.]*")
BYTES_TEXT = re.compile(r"""b(['"])(.*)\1""", re.DOTALL)
NUMBERS_FROM = 0.8  # a column is one of numbers if so much of what is there reads as numbers; the rest is told by row
RECURS = 3  # times that a word stands in a column of numbers before it is taken for an answer
FEW_LEVELS = 20
ROWS_NAMED = 5  # rows that a sentence names; it says how many more there are
SHORT_ID = 15  # digits: more do not fit a float64 exactly, so such a column stays text


@dataclass
class Typed:
    """A column with its type: `values` float64 (NaN missing), datetime64[s] (NaT) or object (None)."""

    values: np.ndarray
    notes: list[Note] = field(default_factory=list)
    decimal: str = ""


def is_missing(text: str) -> bool:
    return text.strip().lower() in MISSING


def number(text: str, decimal: str = ".") -> float | None:
    """The number that a text writes with this decimal sign, groups of thousands allowed; None if it writes none."""
    text = text.strip().replace("−", "-").replace("＋", "+")
    groups = POINT_GROUPS if decimal == "," else COMMA_GROUPS
    plain = COMMA if decimal == "," else PLAIN
    if SPACE_GROUPS.fullmatch(text):
        text = re.sub(r"[ \u00a0\u202f'’]", "", text)
    if groups.fullmatch(text):
        text = text.replace("." if decimal == "," else ",", "")
    if plain.fullmatch(text) or PLAIN.fullmatch(text) and not (decimal == "," and "." in text and "e" not in text):
        return float(text.replace(",", "."))
    return None


def typed(name: str, texts: list[str | None], index: np.ndarray, lines: np.ndarray, decimal_hint: str = "") -> Typed:
    """One column. `texts` are its different cells, `index` (n,) tells which of them each row holds (-1: none).

    `decimal_hint` is "," where other columns of the file write a decimal comma.
    """
    cleaned, stripped = _clean(texts)
    counts = np.bincount(index[index >= 0], minlength=len(texts))
    present = [i for i, text in enumerate(cleaned) if text is not None and counts[i]]
    notes = [Note("table.bytes_text", {"column": name})] if stripped else []
    if not present:
        return Typed(np.full(len(index), np.nan), notes)
    for attempt in (_as_dates, _as_numbers):
        found = attempt(name, cleaned, present, counts, index, lines, decimal_hint)
        if found is not None:
            return Typed(found.values, notes + found.notes, found.decimal)
    table = np.array([*cleaned, None], dtype=object)
    return Typed(table[index], notes)


def _clean(texts: list[str | None]) -> tuple[list[str | None], bool]:
    """Trimmed texts, None for missing; and whether Python's b'...' was taken off."""
    cleaned: list[str | None] = []
    stripped = False
    for text in texts:
        text = (text or "").strip().replace("\0", "")
        if match := BYTES_TEXT.fullmatch(text):
            text, stripped = match[2], True
        cleaned.append(None if text.lower() in MISSING else text)
    return cleaned, stripped


def decimal_of(texts: list[str | None], hint: str = "") -> str:
    """The decimal sign of a column: "," or "."; "1,234" alone is decided by `hint`, else it counts thousands."""
    seen = Counter()
    for text in texts:
        text = text or ""
        if POINT_GROUPS.fullmatch(text) and ("," in text or text.count(".") > 1):
            seen[","] += 1
        elif COMMA_GROUPS.fullmatch(text) and ("." in text or text.count(",") > 1):
            seen["."] += 1
        elif COMMA.fullmatch(text) and not COMMA_GROUPS.fullmatch(text):
            seen[","] += 1
        elif PLAIN.fullmatch(text) and "." in text and not POINT_GROUPS.fullmatch(text):
            seen["."] += 1
    if seen[","] == seen["."]:
        points_only = any(POINT_GROUPS.fullmatch(t or "") for t in texts)
        return hint if hint and not (seen["."] or (points_only and hint != ",")) else "."
    return "," if seen[","] > seen["."] else "."


def _as_numbers(
    name: str, texts: list[str | None], present: list[int], counts: np.ndarray, index: np.ndarray, lines: np.ndarray,
    hint: str,
) -> Typed | None:  # fmt: skip
    words = [texts[i] for i in present]
    decimal = decimal_of(words, hint)
    values = np.full(len(texts) + 1, np.nan)
    plain, bad, bounds, silent = [], [], [], set()
    for i in present:
        text = texts[i]
        value = number(text, decimal)
        if value is None and text.lower() in MISSING_AMONG_NUMBERS:
            silent.add(i)
        elif value is None and (match := BOUND.match(text)):
            value = number(text[match.end() :], decimal)
            bounds.append(i)
        elif value is None and text.endswith("%"):
            value = number(text[:-1], decimal)
        if value is not None and np.isfinite(value):
            values[i] = value
            if not (bounds and bounds[-1] == i):
                plain.append(i)
        elif i not in silent:
            bad.append(i)
    counted = [i for i in present if i not in silent]
    total = counts[counted].sum()
    if not total or counts[bad].sum() > (1 - NUMBERS_FROM) * total or len(bad) == len(counted):
        return None
    if counts[plain].sum() <= counts[bounds].sum() or _are_levels(texts, plain, bad, counts):
        return None  # ">7", ">8" and "normal" are answers
    if _long_numbers([t for t in words if t]):
        return None  # numbers of 16 digits and more are identifiers, and would lose their last digits
    notes = []
    if bad:
        notes.append(_rows_note("table.not_numbers", name, bad, index, lines))
    if bounds:
        notes.append(_rows_note("table.bounds", name, bounds, index, lines))
    used = decimal if any("," in t or "." in t for t in words) else ""
    return Typed(values[index], notes, used)


def _are_levels(texts: list[str | None], plain: list[int], bad: list[int], counts: np.ndarray) -> bool:
    """Whether the words among numbers are answers and not slips: they come again, and the numbers are few (a scale with
    a named step) or the words are codes ("V57" among 250.83)."""
    again = [texts[i] for i in bad if counts[i] >= RECURS]
    return bool(again) and (len(plain) <= FEW_LEVELS or all(CODE.fullmatch(t) for t in again))


def _long_numbers(words: list[str]) -> bool:
    """Whether most of these are whole numbers of more digits than a float64 keeps, or have leading zeros (codes)."""
    whole = [w for w in words if w.isdigit()]
    long = [w for w in whole if len(w) > SHORT_ID or (len(w) > 2 and w[0] == "0")]
    return len(long) > 0.2 * len(words)


def _as_dates(
    name: str, texts: list[str | None], present: list[int], counts: np.ndarray, index: np.ndarray, lines: np.ndarray,
    hint: str,
) -> Typed | None:  # fmt: skip
    parsed = dates.parse([texts[i] for i in present])
    if parsed is None:
        return None
    table = np.full(len(texts) + 1, np.datetime64("NaT", "s"))
    table[present] = parsed.values
    notes = []
    bad = [i for i, value in zip(present, parsed.values, strict=True) if np.isnat(value)]
    if bad:
        notes.append(_rows_note("table.not_dates", name, bad, index, lines))
    if parsed.ambiguous:
        rows = int(counts[[i for i, a in zip(present, parsed.unsure, strict=True) if a]].sum())
        notes.append(Note("table.dates_ambiguous_day_first", {"column": name, "count": rows}))
    elif parsed.styles > 1:
        notes.append(Note("table.dates_mixed", {"column": name, "count": parsed.styles}))
    return Typed(table[index], notes)


def _rows_note(key: str, name: str, which: list[int], index: np.ndarray, lines: np.ndarray) -> Note:
    rows = lines[np.isin(index, which)]
    return Note(key, {"column": name, "count": len(rows), "rows": listed(rows)})


def listed(rows: np.ndarray) -> str:
    """The first few rows for a sentence: "3, 7, 12" or "3, 7, 12, 15, 18 …"."""
    return ", ".join(str(int(r)) for r in rows[:ROWS_NAMED]) + (" …" if len(rows) > ROWS_NAMED else "")
