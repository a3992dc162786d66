"""Long tables of visits (patient, time, measure, value) -> one row a patient: latest, mean, slope and count of each.

Everything of one patient comes from that patient's own rows, so that nobody's numbers depend on who else is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from engine.nouns import Note
from engine.tables.nouns import Dictionary, Table

SECONDS_A_DAY = 86_400.0
DAYS_A_YEAR = 365.25
SUMMARIES = ("latest", "mean", "slope", "count")
MOST_MEASURES = 1_000  # four columns each
MOST_CELLS = 25_000_000  # of the new table, as of one that is read


@dataclass(frozen=True)
class Summary:
    """(patients, measures) arrays. NaN where there is no value; slope NaN below two different times; count 0."""

    latest: np.ndarray
    mean: np.ndarray
    slope: np.ndarray
    count: np.ndarray


def summarise(
    patient: np.ndarray, time: np.ndarray, measure: np.ndarray, value: np.ndarray, shape: tuple[int, int]
) -> Summary:
    """Summaries of long rows. `patient`, `measure` (n,) int codes within `shape`; `time` (n,) in any unit, NaN if
    unknown; `value` (n,) float. Slope is the least-squares line through value over time, per unit of time. Of several
    values at the last time the one that stands last counts."""
    there = np.isfinite(value)
    patient, time, measure, value = patient[there], time[there], measure[there], value[there]
    cell = patient.astype(np.int64) * shape[1] + measure
    size = shape[0] * shape[1]
    count = np.bincount(cell, minlength=size).astype(float)
    latest = np.full(size, np.nan)
    order = np.lexsort((np.arange(len(cell)), np.nan_to_num(time, nan=-np.inf)))
    latest[cell[order]] = value[order]  # the last assignment to a cell stays
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(cell, value, size) / count
        slope = _slope(cell, time, value, size)
    return Summary(*(each.reshape(shape) for each in (latest, mean, slope, count)))


def _slope(cell: np.ndarray, time: np.ndarray, value: np.ndarray, size: int) -> np.ndarray:
    timed = np.isfinite(time)
    cell, time, value = cell[timed], time[timed], value[timed]
    count = np.bincount(cell, minlength=size)
    time = (
        time - (np.bincount(cell, time, size) / count)[cell]
    )  # about each cell's own mean: sums of squares stay exact
    value = value - (np.bincount(cell, value, size) / count)[cell]
    squares = np.bincount(cell, time * time, size)
    apart = squares > 1e-12
    return np.where(apart, np.bincount(cell, time * value, size) / np.where(apart, squares, 1.0), np.nan)


def summarise_visits(table: Table, dictionary: Dictionary, *, by: str | None = None) -> Table:
    """One row a patient from a long table whose dictionary names patient, measure, value and (if any) date.

    `by`: the column that makes a row instead (an admission). Without it an admission makes a row where the label
    changes within a patient but not within an admission. Columns that never change within a row (sex, the outcome) come
    along; those that do are left out and named. A value that is text is kept as its latest word. Raises KeyError where
    a column is not named.
    """
    names = {role: dictionary.one(role) for role in ("patient", "measure", "value", "date")}
    frame = table.frame
    if names["measure"] is None or names["value"] is None:
        raise KeyError("measure" if names["measure"] is None else "value")
    by = by or _stay(frame, dictionary) or names["patient"]
    key = frame[by] if by else pd.Series(np.zeros(len(frame)))
    keep = key.notna().to_numpy() & frame[names["measure"]].notna().to_numpy()
    frame, key = frame[keep].reset_index(drop=True), key[keep].reset_index(drop=True)
    patient, patients = pd.factorize(key)
    time, per = _time(frame[names["date"]] if names["date"] else None, names["date"], len(frame))
    unit = next((c for c in frame.columns if c.strip().lower() in ("unit", "units", "单位")), None)
    measures = frame[names["measure"]].astype("str")
    columns, units, too_many = _measures(
        frame[names["value"]], measures, patient, time, len(patients), per, frame[unit] if unit else None
    )
    skip = {c for c in (*(c for role, c in names.items() if role != "patient"), by, unit) if c}
    same, changing = _constant_columns(frame, patient, len(patients), skip)
    first = pd.Series(np.arange(len(frame))).groupby(patient).first().to_numpy()
    wide = pd.DataFrame({by: patients} if by else {})
    wide = pd.concat([wide, same.reset_index(drop=True), pd.DataFrame(columns)], axis=1)
    notes = [Note("table.visits_summarised", {"rows": len(frame), "count": len(patients)})]
    if too_many:
        notes.append(Note("table.visits_too_many", {"count": too_many}))
    if changing:
        notes.append(Note("table.visits_left_out", {"count": len(changing), "columns": ", ".join(changing[:5])}))
    lines = table.lines[keep][first] if len(first) else np.zeros(0, np.int64)
    return replace(table, frame=wide, lines=lines, units={**table.units, **units}, notes=(*table.notes, *notes),
                   facts={**table.facts, "summarised": True})  # fmt: skip


def _stay(frame: pd.DataFrame, dictionary: Dictionary) -> str | None:
    """The identifier of an admission, where the label belongs to admissions and not to patients."""
    label, patient = dictionary.one("label"), dictionary.one("patient")
    if label is None or patient is None or (frame.groupby(patient, observed=True)[label].nunique() <= 1).all():
        return None
    for name in dictionary.named("identifier"):
        same = frame.groupby(name, observed=True)[[label, patient]].nunique() <= 1
        if len(same) < 0.5 * len(frame) and same.to_numpy().all():
            return name
    return None


def _time(column: pd.Series | None, name: str | None, rows: int) -> tuple[np.ndarray, str]:
    """Times (n,) as numbers and what one step of them is called: dates count in years, "10:30" in hours."""
    if column is None:
        return np.full(rows, np.nan), ""
    if column.dtype.kind == "M":
        days = column.to_numpy().astype("datetime64[s]").astype(float) / SECONDS_A_DAY
        days[column.isna().to_numpy()] = np.nan
        return days / DAYS_A_YEAR, "year"
    if column.dtype.kind == "f":
        return column.to_numpy(dtype=float), (name or "").rstrip("s") or "step"
    clock = column.astype("str").str.extract(r"^(\d{1,3}):(\d{2})")
    return (clock[0].astype(float) + clock[1].astype(float) / 60).to_numpy(), "hour"


def _measures(
    value: pd.Series,
    name: pd.Series,
    patient: np.ndarray,
    time: np.ndarray,
    patients: int,
    per: str,
    unit: pd.Series | None,
) -> tuple[dict[str, np.ndarray], dict[str, str], int]:
    """Columns of summaries, their units, and how many measures were left out as too many. A measure with several units
    becomes one measure for each unit."""
    name, units_of = _by_unit(name, unit)
    code, found = pd.factorize(name)
    most = max(1, min(MOST_MEASURES, MOST_CELLS // (len(SUMMARIES) * max(patients, 1))))
    often = np.sort(np.argsort(-np.bincount(code, minlength=len(found)), kind="stable")[:most])
    place = np.full(len(found), -1)
    place[often] = np.arange(len(often))
    kept = place[code] >= 0
    code, patient, time, value = place[code[kept]], patient[kept], time[kept], value[kept]
    numbers = pd.to_numeric(value if value.dtype.kind == "f" else value.astype("str"), errors="coerce").to_numpy(float)
    words = value.astype("str").where(value.notna(), None).to_numpy(dtype=object)
    summary = summarise(patient, time, code, numbers, (patients, len(often)))
    columns: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    for position, each in enumerate(found[often]):
        mine = code == position
        if np.isfinite(numbers[mine]).mean() >= 0.5:
            named, named_units = summary_columns(str(each), summary, position, units_of.get(str(each), ""), per)
            columns |= named
            units |= named_units
        else:
            columns[f"{each} latest"] = _latest_words(patient[mine], time[mine], words[mine], patients)
    return columns, units, len(found) - len(often)


def _by_unit(name: pd.Series, unit: pd.Series | None) -> tuple[pd.Series, dict[str, str]]:
    """Names of measures, with the unit behind those that are not in their usual one; and the unit of each name."""
    if unit is None:
        return name, {}
    text = unit.astype("str").where(unit.notna(), "")
    usual = _usual(name, text)
    other = text != name.map(usual)
    units = usual | {f"{n} [{u}]": u for n, u in zip(name[other], text[other], strict=True)}
    return name.where(~other, name + " [" + text + "]"), units


def _usual(measures: pd.Series, text: pd.Series) -> dict[str, str]:
    """The most frequent unit of each measure."""
    counts = pd.DataFrame({"measure": measures, "unit": text}).value_counts()
    return dict(reversed(list(counts.index)))  # the first, most frequent, is set last


def summary_columns(
    name: str, summary: Summary, position: int, unit: str, per: str
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The four columns of one measure, without those that say nothing (a slope where nobody has two times)."""
    columns = {f"{name} {what}": getattr(summary, what)[:, position] for what in SUMMARIES}
    units = {f"{name} latest": unit, f"{name} mean": unit, f"{name} slope": f"{unit} per {per}".strip() if per else ""}
    if not np.isfinite(columns[f"{name} slope"]).any():
        del columns[f"{name} slope"]
    if (summary.count[:, position] <= 1).all():
        del columns[f"{name} mean"], columns[f"{name} count"]
    return columns, {k: u for k, u in units.items() if u and k in columns}


def _latest_words(patient: np.ndarray, time: np.ndarray, words: np.ndarray, patients: int) -> np.ndarray:
    latest = np.full(patients, None, dtype=object)
    order = np.lexsort((np.arange(len(time)), np.nan_to_num(time, nan=-np.inf)))
    latest[patient[order]] = words[order]
    return latest


def _constant_columns(
    frame: pd.DataFrame, patient: np.ndarray, patients: int, skip: set[str]
) -> tuple[pd.DataFrame, list[str]]:
    """The other columns: those with one value a patient as (patients, columns), and the names of the rest."""
    same, changing = {}, []
    for name in frame.columns:
        if name in skip:
            continue
        grouped = frame[name].groupby(patient)
        if (grouped.nunique() <= 1).all():
            same[name] = (
                grouped.first().to_numpy()
                if frame[name].dtype.kind in "fM"
                else grouped.first().astype("str").to_numpy(dtype=object)
            )
            if frame[name].dtype.kind not in "fM":
                same[name][grouped.first().isna().to_numpy()] = None
        else:
            changing.append(name)
    return pd.DataFrame(same, index=range(patients)), changing
