"""From a table to numbers for learners: `fit` on the labelled rows, then the same plan for any row.

All that is estimated (means, spreads, which categories there are) comes from the support rows, so that what is said of
one patient never depends on which others are asked about. What is missing stays known: the value is 0, the mask tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from engine.nouns import Note
from engine.sentences import Refusal
from engine.tables.kinds import LEADING, ORDERS
from engine.tables.molecules import COUNTS, DESCRIPTORS, Molecules
from engine.tables.nouns import Dictionary, Entry, Table

CLIP = 6.0  # standard deviations; the record encoder is trained on values within them
MOST_LEVELS = 20  # of a category get a column each; rarer ones share none
CODE_CHARACTERS = 3  # ICD-10's category, ICD-9's and ATC's second level
SECONDS_A_DAY = 86_400.0
NAMED = 5  # columns named in a sentence


@dataclass(frozen=True)
class ColumnPlan:
    """How one column becomes numbers. `how`: "number", "days" (of a date, since the column `since`), "ordinal",
    "levels" (a 0/1 column for each of `levels`),
    "counts" or "descriptors" (of a molecule). `order`: the words of an
    ordinal from low to high, or all levels of the support. `characters`: how many of a code's count, 0 for all.
    `mean`, `spread`: of each number on the support. `masked`: whether some support row lacks it."""

    column: str
    how: str
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    levels: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    characters: int = 0
    since: str = ""
    masked: bool = False

    @property
    def names(self) -> list[str]:
        """What each number is called."""
        if self.how == "levels":
            return [f"{self.column} = {level}" for level in self.levels]
        if self.how == "counts":
            return [f"{self.column} fragment {i}" for i in range(len(self.mean))]
        if self.how == "descriptors":
            return [f"{self.column} {name}" for name in DESCRIPTORS]
        return [self.column]


@dataclass(frozen=True)
class Plan:
    """How a table becomes numbers; can be kept as JSON. `notes` name columns that say nothing on the support."""

    columns: tuple[ColumnPlan, ...]
    notes: tuple[Note, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"columns": [asdict(c) for c in self.columns], "notes": [n.to_json() for n in self.notes]}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Plan:
        columns = (
            ColumnPlan(**{k: tuple(v) if isinstance(v, list) else v for k, v in each.items()})
            for each in raw["columns"]
        )
        return cls(tuple(columns), tuple(Note.from_json(n) for n in raw["notes"]))


@dataclass(frozen=True)
class Rows:
    """Numbers of (n) rows. `values` (n, d) float32: z-scored on the support, clipped to 6, 0 where missing. `missing`
    (n, d) bool. `names` (d,) say what each is, `columns` (d,) which column it comes from. `masked` (d,) bool: columns
    that some support row lacks. `unseen` (n,): how many categories of a row no support row has."""

    values: np.ndarray
    missing: np.ndarray
    names: tuple[str, ...]
    columns: tuple[str, ...]
    masked: np.ndarray
    unseen: np.ndarray
    patients: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.values)

    def flat(self) -> np.ndarray:
        """(n, d + m) float32: the values, then a 0/1 column for each number that some support row lacks."""
        firsts = [i for i in np.flatnonzero(self.masked) if i == 0 or self.columns[i] != self.columns[i - 1]]
        return np.concatenate([self.values, self.missing[:, firsts].astype(np.float32)], axis=1)


def fit(
    table: Table, dictionary: Dictionary, support: np.ndarray, molecules: Mapping[str, Molecules] | None = None
) -> Plan:
    """Learn the plan from the rows at `support` (positions) alone. `molecules` by column, of all rows of the table.

    Raises Refusal where no column says anything.
    """
    support = np.asarray(support, dtype=int)
    plans, silent = [], []
    for entry in dictionary:
        if entry.role == "molecule" and molecules and entry.name in molecules:
            found = _fit_molecules(entry.name, molecules[entry.name], support)
            plans += found
            silent += [] if found else [entry.name]
        elif entry.role == "feature":
            plan = _fit_column(entry, table.frame.iloc[support], dictionary.one("date") or "")
            plans.append(plan) if plan is not None else silent.append(entry.name)
    if not plans:
        raise Refusal(_nothing(table, dictionary, silent))
    notes = [Note("table.silent_columns", {"count": len(silent), "columns": ", ".join(silent[:5])})] if silent else []
    return Plan(tuple(plans), tuple(notes))


def _nothing(table: Table, dictionary: Dictionary, silent: Sequence[str]) -> Note:
    """Why no column of the table can teach: those that say one thing or nothing, or that none is set to."""
    mute = {"table.because_constant", "table.because_empty"}
    names = [e.name for e in dictionary if e.name in silent or (mute & {n.key for n in e.reasons})]
    if not names:
        return Note("refused.no_feature", {"table": table.name})
    shown = ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
    return Note("refused.rows_nothing", {"table": table.name, "columns": shown})


def apply(
    plan: Plan,
    table: Table,
    rows: np.ndarray | None = None,
    molecules: Mapping[str, Molecules] | None = None,
    patients: Sequence[str] = (),
) -> Rows:
    """The numbers of the rows at these positions (all without). Raises KeyError where a column of the plan is gone."""
    frame = table.frame if rows is None else table.frame.iloc[np.asarray(rows, dtype=int)]
    rows = np.arange(len(table)) if rows is None else np.asarray(rows, dtype=int)
    values, missing, unseen = [], [], np.zeros(len(rows), dtype=int)
    for each in plan.columns:
        if each.how in ("counts", "descriptors"):
            raw = _of_molecules(each.how, (molecules or {})[each.column], rows)
        else:
            raw, strange = _raw(each, frame)
            unseen += strange
        there = np.isfinite(raw)
        scaled = (np.where(there, raw, 0.0) - np.array(each.mean)) / np.array(each.spread)
        values.append(np.where(there, np.clip(scaled, -CLIP, CLIP), 0.0).astype(np.float32))
        missing.append(~there)
    names = [name for each in plan.columns for name in each.names]
    columns = [each.column for each in plan.columns for _ in each.names]
    masked = np.array([each.masked for each in plan.columns for _ in each.names], dtype=bool)
    chosen = tuple(patients[i] for i in rows) if patients else ()
    return Rows(
        np.concatenate(values, 1), np.concatenate(missing, 1), tuple(names), tuple(columns), masked, unseen, chosen
    )


def _fit_column(entry: Entry, frame: pd.DataFrame, date: str) -> ColumnPlan | None:
    """The plan of one column, None where the support rows show only one value of it. A date says something only as
    days since the row's own `date`: the calendar is no property of a patient, and is not kept."""
    support = frame[entry.name]
    if support.notna().sum() < 2 or (entry.kind == "date" and not date):
        return None
    draft = ColumnPlan(entry.name, "number", (0.0,), (1.0,))
    if entry.kind == "date":
        draft = replace(draft, how="days", since=date)
    if entry.kind in ("category", "code", "yes_no", "text"):
        texts = texts_of(support, _characters(entry))
        counts = texts.value_counts()
        levels = sorted(counts.index, key=lambda t: (-counts[t], t))
        if len(levels) < 2:
            return None
        if entry.ordinal and (order := _order(entry, levels)) is not None:
            draft = ColumnPlan(entry.name, "ordinal", (0.0,), (1.0,), tuple(levels), order)
        else:
            shown = tuple(sorted(levels)[1:] if len(levels) == 2 else levels[:MOST_LEVELS])
            zeros, ones = (0.0,) * len(shown), (1.0,) * len(shown)
            draft = ColumnPlan(entry.name, "levels", zeros, ones, shown, tuple(levels), _characters(entry))
    raw, _ = _raw(draft, frame)
    mean, spread = _moments(raw)
    if not (spread > 1e-12 * np.maximum(np.abs(mean), 1e-12)).any():
        return None
    spread = np.where(spread > 0, spread, 1.0)
    masked = bool(np.isnan(raw).any())
    return replace(draft, mean=_floats(mean), spread=_floats(spread), masked=masked)


def _characters(entry: Entry) -> int:
    return CODE_CHARACTERS if entry.kind == "code" else 0


def _raw(plan: ColumnPlan, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) numbers before scaling, NaN where missing, and how many of each row's answers the support never gave."""
    column = frame[plan.column]
    none = np.zeros(len(column), dtype=int)
    if plan.how == "days":
        return _days(column, frame[plan.since])[:, None], none
    if plan.how == "number":
        return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)[:, None], none
    texts = texts_of(column, plan.characters)
    there = texts.notna().to_numpy()
    if plan.how == "ordinal":
        values = np.array([_place(t, plan.order) if ok else np.nan for t, ok in zip(texts, there, strict=True)])
        return values[:, None], (there & np.isnan(values)).astype(int)
    shown = np.stack([(texts == level).to_numpy(dtype=bool, na_value=False) for level in plan.levels], axis=1)
    strange = there & ~texts.isin(plan.order).to_numpy(dtype=bool, na_value=False)
    return np.where(there[:, None], shown.astype(float), np.nan), strange.astype(int)


def texts_of(column: pd.Series, characters: int = 0) -> pd.Series:
    """A column as texts, numbers without ".0"; of a code the first `characters`."""
    if column.dtype.kind == "f":
        whole = (column.dropna() % 1 == 0).all()
        texts = column.map(lambda v: None if pd.isna(v) else str(int(v)) if whole else repr(float(v))).astype("object")
    else:
        texts = column.astype("object")
    if characters:
        texts = texts.map(lambda t: t[:characters] if isinstance(t, str) else t)
    return texts.where(texts.notna(), None).astype("str")


def _order(entry: Entry, levels: list[str]) -> tuple[str, ...] | None:
    """What `_place` needs: () where a level's own number is its place, else the words from low to high."""
    if all(LEADING.fullmatch(t.strip().lower()) for t in levels):
        return ()
    for order in ORDERS:
        if {t.strip().lower() for t in levels} <= set(order):
            return order
    return tuple(t.strip().lower() for t in entry.levels) if set(levels) <= set(entry.levels) else None


def _place(text: str, order: Sequence[str]) -> float:
    word = text.strip().lower()
    if order:
        return float(order.index(word)) if word in order else np.nan
    match = LEADING.fullmatch(word)
    return float(match[1]) if match else np.nan


def _days(column: pd.Series, since: pd.Series) -> np.ndarray:
    """(n,) days from `since` to `column`, NaN where either is no date."""
    if column.dtype.kind != "M" or since.dtype.kind != "M":
        return np.full(len(column), np.nan)
    seconds = column.to_numpy().astype("datetime64[s]") - since.to_numpy().astype("datetime64[s]")
    return np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64) / SECONDS_A_DAY)


def _fit_molecules(name: str, molecules: Molecules, support: np.ndarray) -> list[ColumnPlan]:
    """Fragments as log(1 + count), unscaled; descriptors z-scored. None where no support row has a structure."""
    if not molecules.valid[support].any():
        return []
    raw = molecules.descriptors[support].astype(float)
    mean, spread = _moments(raw)
    mean = np.where(np.isfinite(mean), mean, 0.0)
    spread = np.where(np.isfinite(spread) & (spread > 1e-9), spread, 1.0)
    masked = bool(np.isnan(raw).any())
    return [
        ColumnPlan(name, "counts", (0.0,) * COUNTS, (1.0,) * COUNTS),
        ColumnPlan(name, "descriptors", _floats(mean), _floats(spread), masked=masked),
    ]


def _moments(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (k,) of what is there in (n, k), NaN where nothing is."""
    some = np.isfinite(raw).any(0)
    mean, spread = np.full(len(some), np.nan), np.full(len(some), np.nan)
    mean[some], spread[some] = np.nanmean(raw[:, some], axis=0), np.nanstd(raw[:, some], axis=0)
    return mean, spread


def _of_molecules(how: str, molecules: Molecules, rows: np.ndarray) -> np.ndarray:
    if how == "descriptors":
        return molecules.descriptors[rows].astype(float)
    values = np.log1p(molecules.counts[rows].astype(float))
    values[~molecules.valid[rows]] = np.nan
    return values


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(v) for v in np.atleast_1d(values))


def targets(
    table: Table, dictionary: Dictionary, rows: np.ndarray | None = None, *, number: bool | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The label of rows: ((n,) int64 class numbers, -1 where there is none; the classes), or for a numeric target
    ((n,) float64, NaN where there is none; ()). `number` says which; without it a label of kind "number" with more than
    20 different values is one. Raises Refusal: no label column, one value, a class with one row, text for a number."""
    name = dictionary.one("label")
    if name is None:
        raise Refusal(Note("refused.no_label", {"table": table.name}))
    column = table.frame[name] if rows is None else table.frame[name].iloc[np.asarray(rows, dtype=int)]
    entry = dictionary[name]
    number = (entry.kind == "number" and entry.distinct > 20) if number is None else number
    if number:
        if column.dtype.kind != "f":
            raise Refusal(Note("refused.label_not_number", {"column": name}))
        if column.nunique() < 2:
            raise Refusal(Note("refused.label_one_value", {"column": name}))
        return column.to_numpy(dtype=float), ()
    texts = texts_of(column)
    classes = tuple(sorted(texts.dropna().unique(), key=_natural))
    if len(classes) < 2:
        raise Refusal(Note("refused.label_one_value", {"column": name}))
    place = {text: i for i, text in enumerate(classes)}
    return np.array([place.get(t, -1) if isinstance(t, str) else -1 for t in texts], dtype=np.int64), classes


def check_classes(table: Table, dictionary: Dictionary, support: np.ndarray) -> list[Note]:
    """What is thin about the labelled rows: classes with one row, by name and row of the file."""
    name = dictionary.one("label")
    if name is None:
        raise Refusal(Note("refused.no_label", {"table": table.name}))
    texts = texts_of(table.frame[name].iloc[np.asarray(support, dtype=int)])
    counts = texts.value_counts()
    notes = []
    for level in sorted(counts.index[counts == 1]):
        line = int(
            table.lines[
                np.asarray(support, dtype=int)[np.flatnonzero((texts == level).to_numpy(dtype=bool, na_value=False))[0]]
            ]
        )
        notes.append(Note("table.class_of_one", {"column": name, "label": level, "row": line}))
    return notes


def _natural(text: str) -> tuple[int, float, str]:
    match = re.match(r"[+-]?\d+(\.\d+)?", text)
    return (0, float(match[0]), text) if match else (1, 0.0, text)
