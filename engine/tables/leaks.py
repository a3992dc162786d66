"""Columns that give the answer away: known only afterwards, or telling the label by themselves.

A column of a few rows can part two classes by luck, so a perfect column is flagged only where luck is unlikely: with n
rows, k of them of the rarer class, one column orders them perfectly by chance in 2 of C(n, k) cases; that times the
number of columns must stay under 1 %.
"""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pandas as pd

from engine.nouns import Note
from engine.tables import names
from engine.tables.nouns import Dictionary, Entry, Table

BY_LUCK = 0.01
PERFECT = 0.995  # AUROC, or share of rows whose class a category tells
SAME_NUMBERS = 0.999  # rank correlation with a numeric target
ONE_CLASS_ONLY = 0.02  # of the rows of other classes may have a value where a column is "filled for one class only"
MOST_CLASSES = 20
MOST_ROWS = 20_000  # looked at; a leak shows in these as well


def flag_leaks(table: Table, dictionary: Dictionary) -> Dictionary:
    """Set features that give the label away to the role "leak", with the reason. A person may set them back."""
    label = dictionary.one("label")
    if label is None:
        return dictionary
    target = table.frame[label]
    rows = np.flatnonzero(target.notna().to_numpy())
    if len(rows) > MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(int)]
    y = target.iloc[rows]
    numeric = dictionary[label].kind == "number" and y.nunique() > MOST_CLASSES
    classes = None if numeric else pd.factorize(y.astype("str"), sort=True)[0]
    columns = sum(e.role in ("feature", "date") for e in dictionary)
    entries = []
    for entry in dictionary:
        if entry.role in ("feature", "date") and entry.kind != "empty":
            column = table.frame[entry.name].iloc[rows]
            reason = leak_of(entry, column, y if numeric else classes, numeric, columns, names.words(label))
            if reason is not None:
                entry = replace(entry, role="leak", reasons=(*entry.reasons, reason))
        entries.append(entry)
    return replace(dictionary, entries=tuple(entries))


def leak_of(
    entry: Entry, column: pd.Series, target: np.ndarray | pd.Series, numeric: bool, columns: int, label_words: set[str]
) -> Note | None:
    """Why this column gives the answer away, or None. `target`: class numbers (n,), or a numeric target (n,)."""
    if numeric:
        found = _same_numbers(column, np.asarray(target, dtype=float))
    else:
        found = _filled_for_one(column, target, columns) or _perfect(entry, column, target, columns)
    if found is not None:
        return found
    said = names.words(entry.name) if names.short(entry.name) else set()
    stay = bool(said & {"length", "time"} and said & {"stay", "hospital"} or said & names.LENGTH_OF_STAY)
    after = said & (names.AFTERWARDS - {"length"})
    if label_words & names.AFTER_THE_STAY:  # what is known at discharge is known before it
        after, stay = after - names.AT_DISCHARGE, False
    followed = label_words & names.OUTCOME_WITH_TIME and len(said) <= 2 and said & names.FOLLOW_UP
    if (after or stay or followed) and not said & {"admission", "encounters", "previous", "prior", "history", "source"}:
        return Note("table.leak_afterwards")
    return None


def by_luck(positives: int, rows: int, columns: int) -> float:
    """Chance that at least one of `columns` unrelated columns orders the rows perfectly (Bonferroni bound)."""
    return min(1.0, 2 * columns / comb(rows, positives)) if 0 < positives < rows else 1.0


def _filled_for_one(column: pd.Series, classes: np.ndarray, columns: int) -> Note | None:
    """A column that has a value almost only in one class (a date of death, a code of a complication)."""
    there = column.notna().to_numpy()
    if there.all() or not there.any():
        return None
    for each in range(classes.max() + 1):
        mine = classes == each
        inside, outside = there[mine].mean() if mine.any() else 0, there[~mine].mean() if (~mine).any() else 0
        luck = by_luck(int(mine.sum()), len(classes), columns)
        if inside > 0.9 and outside <= ONE_CLASS_ONLY and luck < BY_LUCK:
            return Note("table.leak_filled", {"count": int(there.sum())})
    return None


def _perfect(entry: Entry, column: pd.Series, classes: np.ndarray, columns: int) -> Note | None:
    """A column that tells every class by itself."""
    there = column.notna().to_numpy()
    if there.mean() < 0.5 or len(np.unique(classes[there])) < 2:
        return None
    y = classes[there]
    sizes = np.bincount(y)
    rarest = int(sizes[sizes > 0].min())
    if by_luck(rarest, len(y), columns) >= BY_LUCK:
        return None
    if column.dtype.kind in "fM":
        if len(sizes[sizes > 0]) > MOST_CLASSES:
            return None
        values = column[there].to_numpy()
        ranks = ranked(values.astype("int64") if values.dtype.kind == "M" else values)
        best = [_auroc(ranks, y == each) for each in np.flatnonzero(sizes)]
        tells = min(best)
    else:
        values = pd.factorize(column[there].astype("str"))[0]
        if values.max() + 1 > max(2 * (y.max() + 1), 0.2 * len(y)):
            return None
        table = np.zeros((values.max() + 1, y.max() + 1), dtype=int)
        np.add.at(table, (values, y), 1)
        tells = table.max(axis=1).sum() / len(y) if np.unique(table.argmax(axis=1)).size == np.unique(y).size else 0
    return Note("table.leak_perfect", {"percent": f"{100 * float(tells):.3g}"}) if tells >= PERFECT else None


def _auroc(ranks: np.ndarray, positive: np.ndarray) -> float:
    """Area under the curve of one column for one class, in whichever direction it points (Mann-Whitney U)."""
    n, k = len(ranks), int(positive.sum())
    area = (ranks[positive].sum() - k * (k + 1) / 2) / (k * (n - k))
    return max(area, 1 - area)


def _same_numbers(column: pd.Series, target: np.ndarray) -> Note | None:
    if column.dtype.kind != "f":
        return None
    there = column.notna().to_numpy()
    if there.sum() < 8 or column[there].nunique() < 5:
        return None
    a, b = ranked(column[there].to_numpy()), ranked(target[there])
    spread = a.std() * b.std()
    tells = abs(float(np.mean((a - a.mean()) * (b - b.mean())) / spread)) if spread > 0 else 0
    return Note("table.leak_same_numbers") if tells >= SAME_NUMBERS else None


def ranked(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties share their mean. By pandas, since scipy.stats alone takes a second to import."""
    return pd.Series(values).rank().to_numpy()
