"""Gathered FHIR records -> the columns of a table: one row a patient. Runs in the child."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.nouns import Note
from engine.tables.fhir import Code, Person, Records
from engine.tables.storing import LINE
from engine.tables.visits import DAYS_A_YEAR, summarise, summary_columns

MOST_OF_A_KIND = 300  # conditions, medications and measures: the ones that most patients have
LEAST_PATIENTS = 2  # a condition of one patient tells that patient and nothing else
OLDEST = 90.0  # years; older ages identify and are cut off (HIPAA safe harbor, 45 CFR 164.514)


def flatten(records: Records) -> tuple[dict[str, np.ndarray], dict[str, str], dict[str, str], list[Note]]:
    """Columns by name, units by column, codes by column, and what was left out. Patients come in order of their id."""
    people = [records.people[k] for k in sorted(records.people)]
    columns: dict[str, np.ndarray] = {"patient": _objects(p.id for p in people)}
    units: dict[str, str] = {"age": "years"}
    codes: dict[str, str] = {}
    columns |= _demographics(people, records)
    columns |= _encounters(people)
    least = LEAST_PATIENTS if len(people) > LEAST_PATIENTS else 1
    left_out = 0
    for what, each in (("condition", [p.conditions for p in people]), ("medication", [p.medications for p in people])):
        flags, said, rare = _flags(what, each, least)
        columns |= flags
        codes |= said
        left_out += rare
    columns["procedures count"] = np.array([p.procedures for p in people], dtype=float)
    measured, measured_units, said = _measures(people)
    columns |= measured
    units |= measured_units
    codes |= said
    answers, said = _answers(people, least)
    columns |= answers
    codes |= said
    notes = [Note("table.fhir", {"count": len(people), "resources": records.resources})]
    if left_out:
        notes.append(Note("table.fhir_rare", {"count": left_out, "least": least}))
    if lost := records.left_out["MedicationReference"]:
        notes.append(Note("table.fhir_medications", {"count": lost}))
    return columns, units, codes, notes


def _demographics(people: list[Person], records: Records) -> dict[str, np.ndarray]:
    ages = [(p.last - p.born) / DAYS_A_YEAR if p.born is not None and p.last is not None else np.nan for p in people]
    ages = np.minimum(np.floor(np.array(ages, dtype=float)), OLDEST)
    ages[ages < 0] = np.nan
    named = {
        "sex": _objects(p.sex for p in people),
        "age": ages,
        "race": _objects(p.race for p in people),
        "marital status": _objects(p.marital for p in people),
        "deceased": np.array([np.nan if p.dead is None else float(p.dead) for p in people]),
        "site": _objects(_site(p, records) for p in people),
    }
    return {name: values for name, values in named.items() if not _nothing(values)}


def _site(person: Person, records: Records) -> str | None:
    """Where the patient was seen most often: the organisation's name, else its id."""
    found = person.sites.most_common(1)
    return (records.organisations.get(found[0][0]) or found[0][0]) if found else None


def _encounters(people: list[Person]) -> dict[str, np.ndarray]:
    kinds = Counter(kind for p in people for kind in p.encounters)
    return {
        f"encounters {kind} count": np.array([p.encounters[kind] for p in people], dtype=float)
        for kind, _ in kinds.most_common(20)
    }


def _flags(what: str, sets: list[set[Code]], least: int) -> tuple[dict[str, np.ndarray], dict[str, str], int]:
    """A yes/no column for each code that at least `least` patients have."""
    seen = Counter(code for each in sets for code in each)
    often = [code for code, count in seen.most_common() if count >= least][:MOST_OF_A_KIND]
    columns, codes = {}, {}
    for code in often:
        name = _free(f"{what}: {code.name}", code, columns)
        columns[name] = np.array([float(code in each) for each in sets])
        codes[name] = code.code
    return columns, codes, len(seen) - len(often)


def _free(name: str, code: Code, taken: dict[str, Any]) -> str:
    return name if name not in taken else f"{name} [{code.code}]"


def _measures(people: list[Person]) -> tuple[dict[str, np.ndarray], dict[str, str], dict[str, str]]:
    """Latest, mean, slope a year and count of each observation; one with two units becomes two."""
    seen = Counter(key for person in people for key in {(code, unit) for code, unit, _, _ in person.values})
    if not seen:
        return {}, {}, {}
    found = [key for key, _ in seen.most_common(MOST_OF_A_KIND)]
    place = {key: position for position, key in enumerate(found)}
    rows = [
        (position, when, place[code, unit], number)
        for position, person in enumerate(people)
        for code, unit, when, number in person.values
        if (code, unit) in place
    ]
    patient, day, measure, value = (np.array(each) for each in zip(*rows, strict=True))
    summary = summarise(patient, day / DAYS_A_YEAR, measure, value, (len(people), len(found)))
    per_code = Counter(code for code, _ in found)
    columns: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    codes: dict[str, str] = {}
    for position, (code, unit) in enumerate(found):
        name = code.name if per_code[code] == 1 else f"{code.name} [{unit}]"
        if f"{name} latest" in columns:
            name = f"{name} [{code.code}]"
        named, named_units = summary_columns(name, summary, position, unit, "year")
        columns |= named
        units |= named_units
        codes |= dict.fromkeys(named, code.code)
    return columns, units, codes


def _answers(people: list[Person], least: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Observations answered in words (smoking status): the latest word."""
    seen = Counter(code for p in people for code in p.answers)
    columns, codes = {}, {}
    for code, count in seen.most_common(MOST_OF_A_KIND):
        if count >= least:
            name = _free(f"{code.name} latest", code, columns)
            columns[name] = _objects(p.answers[code][1] if code in p.answers else None for p in people)
            codes[name] = code.code
    return columns, codes


def _objects(values: Any) -> np.ndarray:
    return np.array([*values, None], dtype=object)[:-1]


def _nothing(values: np.ndarray) -> bool:
    return all(v is None for v in values) if values.dtype == object else bool(np.isnan(values).all())


def write(records: Records, out: Path, stem: str) -> dict[str, Any]:
    """Write the flattened table; the same answer as for any table."""
    columns, units, codes, notes = flatten(records)
    rows = len(columns["patient"])
    arrays = {
        n: pa.array(v, from_pandas=True) if v.dtype != object else pa.array(v, pa.string()) for n, v in columns.items()
    }
    arrays[LINE] = pa.array(np.arange(1, rows + 1))
    path = out / f"{stem}.parquet"
    pq.write_table(pa.table(arrays), path)
    return {
        "file": path.name,
        "facts": {"format": "fhir", "heading": 0, "resources": records.resources, "codes": codes},
        "notes": [note.to_json() for note in notes],
        "rows": rows,
        "units": units,
    }
