"""A table that is kept: without identifiers, with coded patients and sites, dates shifted, and its column dictionary.

<into>/<id>/rows.parquet      the columns that were kept, and the codes
<into>/<id>/table.json        dictionary, facts, notes
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.intake.codes import code
from engine.nouns import Case, Geometry, Note
from engine.tables import names
from engine.tables.nouns import STORED_ROLES, Dictionary, Entry, Table
from engine.tables.patients import patient_codes, site_codes
from engine.tables.storing import LINE

ROWS, ABOUT = "rows.parquet", "table.json"
PATIENT, SITE = "__patient", "__site"
OLDEST = 90.0  # years; the few who are older could be found by their age (HIPAA safe harbor, 45 CFR 164.514)
MOST_DAYS = 365  # that dates of a patient are moved by, all of them alike: intervals stay true


def keep_table(table: Table, dictionary: Dictionary, into: Path, key: bytes) -> str:
    """Keep a table and return its id (the same for the same content and roles). Identifiers, free text and left-out
    columns are not written; the patient and site columns become keyed codes; dates move by a secret number of days a
    patient; an age past 90 is written as 90."""
    patients, sites = patient_codes(table, dictionary, key), site_codes(table, dictionary, key)
    kept = [e for e in dictionary if e.role in STORED_ROLES]
    frame = pd.DataFrame({e.name: table.frame[e.name] for e in kept}, index=table.frame.index)
    for entry in kept:
        if entry.kind == "date":
            frame[entry.name] = frame[entry.name] + _shifts(patients, key)
        elif is_age(entry):
            frame[entry.name] = frame[entry.name].clip(upper=OLDEST)
    frame[PATIENT], frame[SITE], frame[LINE] = list(patients), list(sites), table.lines
    dropped = [e for e in dictionary if e.role not in STORED_ROLES]
    entries = tuple(
        replace(e, levels=(), counts=(), low=None, high=None) if e in dropped or e.kind == "date" else e
        for e in dictionary
    )
    about = {
        "dictionary": replace(dictionary, entries=entries).to_json(),
        "units": {k: v for k, v in table.units.items() if k in frame.columns},
        "facts": {k: v for k, v in table.facts.items() if k != "sheet"},
        "notes": [note.to_json() for note in table.notes],
        "rows": len(table),
    }
    digest = pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()
    id_ = code(key, "table", digest, json.dumps(about["dictionary"], sort_keys=True))
    _write(into, id_, frame, about)
    return id_


def is_age(entry: Entry) -> bool:
    """Whether a column holds ages in years."""
    years = entry.unit.lower() in ("", "years", "year", "yrs", "yr", "y", "岁")
    return entry.kind == "number" and years and bool(names.words(entry.name) & {"age", "alter", "年龄", "年齡"})


def _shifts(patients: tuple[str, ...], key: bytes) -> pd.Series:
    days = {p: int(code(key, "shift", p), 16) % (2 * MOST_DAYS + 1) - MOST_DAYS for p in set(patients)}
    return pd.Series(pd.to_timedelta([days[p] for p in patients], unit="D").astype("timedelta64[s]"))


def _write(into: Path, id_: str, frame: pd.DataFrame, about: dict) -> None:
    """Whole or not at all: a folder under another name, flushed, then renamed."""
    into.mkdir(parents=True, exist_ok=True)
    draft = into / f".incoming-{os.getpid()}-{id_}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), draft / ROWS)
    (draft / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), "utf-8")
    for path in (draft / ROWS, draft / ABOUT, draft):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    if (into / id_).exists():
        shutil.rmtree(into / id_)
    draft.replace(into / id_)


def load_table(folder: Path) -> tuple[Table, Dictionary, tuple[str, ...], tuple[str, ...]]:
    """(table, dictionary, patient codes, site codes) of a kept table. The table's columns are those that were kept."""
    about = json.loads((folder / ABOUT).read_text("utf-8"))
    frame = pq.read_table(folder / ROWS).to_pandas()
    patients, sites, lines = (frame.pop(name) for name in (PATIENT, SITE, LINE))
    for name in frame.columns:
        if frame[name].dtype.kind == "M":
            frame[name] = frame[name].astype("datetime64[s]")
    notes = tuple(Note.from_json(note) for note in about["notes"])
    table = Table(folder.name, frame, lines.to_numpy(dtype=np.int64), about["units"], about["facts"], notes)
    return table, Dictionary.from_json(about["dictionary"]), tuple(patients), tuple(sites)


def kept_dictionary(dictionary: Dictionary) -> Dictionary:
    """The entries whose columns are in the kept table."""
    return replace(dictionary, entries=tuple(e for e in dictionary if e.role in STORED_ROLES))


def row_case(table_id: str, row: int, patient: str, site: str, *, kind: str = "record", columns: int = 0) -> Case:
    """One row of a kept table as a case of a project; `kept` says where it stands. `kind`: "record" or "molecule"."""
    return Case(
        id=f"{table_id}-{row}", kind=kind, name=str(row + 1), shape=(columns,), geometry=Geometry(measured=False),
        patient=patient, site=site, kept={"table": table_id, "row": row},
    )  # fmt: skip
