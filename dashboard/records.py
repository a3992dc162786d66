"""The rows of a kept table as the page shows them: each cell a text in the person's own units, columns in groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from engine.sentences import unit_word
from engine.tables.keeping import is_age, load_table
from engine.tables.nouns import Dictionary, Entry, Table

SHOWN_ROLES = ("feature", "molecule")
SUMMARIES = ("mean", "slope", "count")  # that engine.tables.visits and .flatten write beside a measure's latest value
LATEST = re.compile(r"^(?P<what>.+) latest$")
KIND_OF_CODE = re.compile(r"^(condition|medication): (?P<what>.+)$")
PROPERTY = re.compile(r" ?\[(?:Mass|Moles|#|Volume|Entitic|Enzymatic|Score|Presence|Ratio)[^\]]*\]")
SHORT = 30  # characters of a column's name where there is little room
FEWEST = 2  # labelled rows a class before a column is said to tell classes apart


@dataclass(frozen=True)
class Cell:
    """One cell: its text without unit ("" where missing), and its number where it has one."""

    text: str
    unit: str = ""
    number: float | None = None

    @property
    def missing(self) -> bool:
        return not self.text

    @property
    def said(self) -> str:
        """With its unit."""
        return f"{self.text} {self.unit}" if self.unit and self.text else self.text


@dataclass(frozen=True)
class Records:
    """A kept table. `words`: what yes and no are called, and what stands behind a date (they are kept moved);
    `language`: that of units that are words."""

    table: Table
    dictionary: Dictionary
    words: tuple[str, str, str] = ("yes", "no", "moved")
    language: str = "en"

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The columns that a person sees on a row and a method may learn from, in the table's order."""
        there = set(self.table.columns)
        return {e.name: e for e in self.dictionary if e.role in SHOWN_ROLES and e.name in there}

    @property
    def molecule(self) -> str | None:
        """The column of structures, if there is one."""
        return next((e.name for e in self.entries.values() if e.role == "molecule"), None)

    def named(self, names: tuple[str, str, str], language: str) -> Records:
        """With `words` in a person's language."""
        return Records(self.table, self.dictionary, names, language)

    def unit(self, entry: Entry) -> str:
        """A column's unit in the person's language."""
        return unit_word(entry.unit, self.language, of_age=is_age(entry))

    def cell(self, name: str, row: int) -> Cell:
        value = self.table.frame[name].iloc[row]
        entry = self.entries.get(name) or self.dictionary[name]
        unit = self.unit(entry)
        if pd.isna(value):
            return Cell("", unit)
        if entry.kind == "yes_no" and (said := yes_or_no(value)) is not None:
            return Cell(self.words[0] if said else self.words[1], "", float(said))
        if isinstance(value, pd.Timestamp):
            return Cell(value.date().isoformat(), self.words[2], None)
        if isinstance(value, int | float | np.number):
            return Cell(number_text(float(value)), unit, float(value))
        return Cell(str(value), unit)

    def numbers(self, name: str) -> np.ndarray | None:
        """(n,) the column's numbers with NaN where missing; None where it holds words."""
        column = self.table.frame[name]
        return column.to_numpy(dtype=float) if column.dtype.kind in "fiu" else None

    def lines(self) -> list[Line]:
        """The columns as lines of a card: a measure with its mean, slope and count is one line."""
        found, taken = [], set()
        for name, entry in self.entries.items():
            if name in taken or entry.role == "molecule":
                continue
            what, more = short_name(name, entry.unit), ()
            if match := LATEST.match(name):
                more = tuple(f"{match['what']} {s}" for s in SUMMARIES if f"{match['what']} {s}" in self.entries)
                what = short_name(match["what"]) if more else what
            taken |= {name, *more}
            found.append(Line(name, what, _group(entry), more))
        return found

    def called(self, name: str) -> str:
        """A column's name where there is little room."""
        called = LATEST.sub(r"\g<what>", short_name(name, self.dictionary[name].unit))
        return called if len(called) <= SHORT else called[: SHORT - 1].rstrip() + "…"

    def telling(self, rows: Mapping[int, object], most: int = 3) -> list[str]:
        """The columns that part the labelled rows best (`rows`: position -> label), else the first ones.

        For a number the share of its spread that lies between classes (eta squared), for words the share of rows whose
        class the word alone would tell above the most frequent class.
        """
        lines = [line.column for line in self.lines()]
        labels = {row: label for row, label in rows.items() if label is not None}
        counts = pd.Series(list(labels.values()), dtype="object").value_counts()
        if len(counts) < 2 or (counts >= FEWEST).sum() < 2:
            full = sorted(lines, key=lambda n: self.entries[n].missing > 0.3 * max(1, self.entries[n].rows))
            return full[:most]
        target = pd.factorize(np.array(list(labels.values()), dtype=object))[0]
        sample = self.table.frame.iloc[list(labels)]
        return sorted(lines, key=lambda name: -_parts(sample[name], target))[:most]


@dataclass(frozen=True)
class Line:
    """A line of a card: its column, what it is called, its group, and columns that say more of the same measure."""

    column: str
    name: str
    group: str
    more: tuple[str, ...] = ()


@st.cache_resource(max_entries=6, show_spinner=False)
def _kept(folder: str, changed: float) -> Records:
    table, dictionary, _, _ = load_table(Path(folder))
    return Records(table, dictionary)


def kept_records(folder: Path) -> Records | None:
    """The rows of a kept table, read once; None where its folder is gone."""
    about = folder / "table.json"
    return _kept(str(folder), about.stat().st_mtime) if about.is_file() else None


def number_text(value: float) -> str:
    """A number as people write it: whole ones whole, others with three significant digits."""
    if not np.isfinite(value):
        return ""
    size = abs(value)
    if value == round(value) and size < 1e9:
        return str(int(value))
    if size < 0.001:
        return f"{value:.1e}"
    if size >= 100:
        return f"{value:.0f}" if size < 1e9 else f"{value:.3g}"
    if size < 1:
        return f"{value:.3g}"
    return f"{value:.{1 if size >= 10 else 2}f}".rstrip("0").rstrip(".")


def short_name(name: str, unit: str = "") -> str:
    """As a person would write it: a diagnosis without what its group says already, a heading without underscores, a
    measure without LOINC's [property] in brackets, and any without a unit that stands behind the value anyway."""
    if unit:
        name = re.sub(rf"[\s_]*[(\[]?\s*{re.escape(unit)}\s*[)\]]?$", "", name, flags=re.IGNORECASE) or name
    if match := KIND_OF_CODE.match(name):
        return match["what"].removesuffix(" (disorder)").removesuffix(" (finding)")
    return PROPERTY.sub("", name).replace("_", " ").strip() or name


def placed(value: float, low: float, high: float) -> float:
    """Where a value lies between two bounds, 0..1; the middle where they are one."""
    return 0.5 if high <= low else float(min(1.0, max(0.0, (value - low) / (high - low))))


def spread_of(values: Iterable[float]) -> tuple[float, float] | None:
    """The range of numbers, None where there are none."""
    there = [v for v in values if np.isfinite(v)]
    return (min(there), max(there)) if there else None


def different(mine: Cell, other: Cell, spread: float) -> bool:
    """Whether two cells of a column differ by more than a fifth of the labelled rows' range, or in words."""
    if mine.missing or other.missing:
        return mine.missing != other.missing
    if mine.number is not None and other.number is not None:
        return abs(mine.number - other.number) > 0.2 * spread if spread > 0 else mine.number != other.number
    return mine.text != other.text


def yes_or_no(value: object) -> bool | None:
    """Only what is coded: a person's own words (male, female) stay as they are."""
    text = str(value).strip().lower()
    return {"1": True, "1.0": True, "0": False, "0.0": False, "true": True, "false": False, "yes": True, "no": False,
            "y": True, "n": False}.get(text)  # fmt: skip


def _group(entry: Entry) -> str:
    """ "condition", "medication", or "" for the rest."""
    match = KIND_OF_CODE.match(entry.name)
    return match[1] if match else ""


def _parts(column: pd.Series, target: Sequence[int]) -> float:
    """How well a column parts classes on a few rows, 0..1; less where many values are missing."""
    there = column.notna().to_numpy()
    if there.sum() < 4:
        return 0.0
    y = np.asarray(target)[there]
    if column.dtype.kind in "fiu":
        values = column.to_numpy(dtype=float)[there]
        whole = ((values - values.mean()) ** 2).sum()
        between = sum((y == k).sum() * (values[y == k].mean() - values.mean()) ** 2 for k in np.unique(y))
        return float(between / whole * there.mean()) if whole > 0 else 0.0
    words = pd.factorize(column[there].astype("str"))[0]
    cross = np.zeros((words.max() + 1, y.max() + 1))
    np.add.at(cross, (words, y), 1)
    guess = cross.sum(axis=0).max()
    told = cross.max(axis=1).sum() - (cross.sum(axis=1) == 1).sum()  # a word of one row tells nothing of others
    return float(max(0.0, told - guess) / max(1.0, len(y) - guess) * there.mean())
