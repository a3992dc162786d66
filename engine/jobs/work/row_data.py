"""The kept table of a project, as jobs need it: opened once in a worker's life, with the numbers of its molecules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from engine.jobs.work import rooms
from engine.nouns import Note
from engine.sentences import Refusal
from engine.tables.keeping import kept_dictionary, load_table
from engine.tables.molecule_reading import invalid_rows, read_molecules
from engine.tables.molecules import COUNTS, Molecules
from engine.tables.nouns import Dictionary, Table
from engine.tables.rows import texts_of

ROW_KINDS = ("record", "molecule")


@dataclass(frozen=True)
class RowData:
    """A kept table: what each column is for, whose row each is and where from (codes), its molecules by column."""

    table: Table
    dictionary: Dictionary
    patients: tuple[str, ...]
    sites: tuple[str, ...]
    molecules: Mapping[str, Molecules]


def tables_dir() -> Path:
    return rooms.settings().data_dir / "tables"


@lru_cache(maxsize=4)
def row_data(table_id: str) -> RowData:
    """The table of that id. Raises Refusal where its files are gone."""
    folder = tables_dir() / table_id
    if not folder.is_dir():
        raise Refusal(Note("work.no_table"))
    table, dictionary, patients, sites = load_table(folder)
    dictionary = kept_dictionary(dictionary)
    molecules = {name: molecules_of(folder, table, name) for name in dictionary.named("molecule")}
    return RowData(table, dictionary, patients, sites, molecules)


def molecules_of(folder: Path, table: Table, column: str) -> Molecules:
    """Fingerprints and descriptors of one column, from the file beside the table if they were made before."""
    path = folder / f"molecules-{hashlib.sha256(column.encode()).hexdigest()[:12]}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as raw:
            problems = {int(k): v for k, v in json.loads(str(raw["problems"])).items()}
            if raw["counts"].shape == (len(table), COUNTS):
                return Molecules(raw["counts"], raw["descriptors"], tuple(str(k) for k in raw["keys"]), problems)
    texts = texts_of(table.frame[column])
    found = read_molecules([None if text != text else str(text) for text in texts])
    part = path.with_suffix(".part")
    with part.open("wb") as out:
        np.savez_compressed(
            out, counts=found.counts, descriptors=found.descriptors, keys=np.array(found.keys, dtype=np.str_),
            problems=np.array(json.dumps(found.problems)),
        )  # fmt: skip
    part.replace(path)
    return found


def molecule_notes(data: RowData) -> list[Note]:
    """Sentences that name rows whose structure cannot be read."""
    return [note for name, found in data.molecules.items() for note in invalid_rows(data.table, name, found)]


def held_back(table_id: str, project: str) -> dict[str, str | float]:
    """Case id -> the label that came with the table and was kept aside in this project."""
    path = held_file(table_id, project)
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def held_file(table_id: str, project: str) -> Path:
    return tables_dir() / table_id / f"held-{project}.json"
