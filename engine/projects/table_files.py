"""The files of a project's kept table, as they travel in a project file.

    tables/<id>/rows.parquet, table.json, held.json

`held.json` are the labels that came with the table and were kept aside in this project.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.nouns import Case
from engine.projects.database import StoreError

ROW_KINDS = ("record", "molecule")
TABLE_ID = re.compile(r"[0-9a-f]{6,64}")
ROWS, ABOUT, HELD = "rows.parquet", "table.json", "held.json"
TRAVEL = (ROWS, ABOUT, HELD)


def files_of(tables_dir: Path, table: str, project: str) -> dict[str, Path]:
    """Name in the project file -> where it lies here, for the files that are there."""
    folder = tables_dir / table
    found = {ROWS: folder / ROWS, ABOUT: folder / ABOUT, HELD: folder / f"held-{project}.json"}
    return {f"tables/{table}/{name}": path for name, path in found.items() if path.is_file()}


def check_table(folder: Path, cases: Mapping[str, Case], file: str) -> None:
    """The table is whole, is read in the bounded process, and every case of it is one of its rows."""
    from engine.tables import read_tables
    from engine.tables.nouns import STORED_ROLES, Dictionary

    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        dictionary = Dictionary.from_json(about["dictionary"])
        held = json.loads((folder / HELD).read_text("utf-8")) if (folder / HELD).exists() else {}
        read = read_tables(folder / ROWS)
        (table,) = read.tables
        missing = {e.name for e in dictionary if e.role in STORED_ROLES} - set(table.columns)
        places = [int(case.kept["row"]) for case in cases.values() if case.kind in ROW_KINDS]
        sound = isinstance(held, dict) and not missing and all(0 <= row < len(table) for row in places)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StoreError("project_file.damaged", file=file, part="tables") from error
    if not sound:
        raise StoreError("project_file.damaged", file=file, part="tables")


def place_table(staged: Path, tables_dir: Path, project: str) -> None:
    """Put a table that came along where tables lie; one that is here already stays, and gets this held.json."""
    target = tables_dir / staged.name
    target.parent.mkdir(parents=True, exist_ok=True)
    held = staged / HELD
    if held.exists():
        held.replace(staged / f"held-{project}.json")
    if not target.exists():
        staged.replace(target)
    elif (staged / f"held-{project}.json").exists():
        shutil.move(staged / f"held-{project}.json", target / f"held-{project}.json")


def table_of(settings: Mapping[str, Any]) -> str:
    """The id of a project's table, "" where it has none. Raises StoreError for what is no id of a table."""
    table = str(settings.get("table", ""))
    if table and not TABLE_ID.fullmatch(table):
        raise StoreError("project_file.damaged", file="project.json", part="table")
    return table
