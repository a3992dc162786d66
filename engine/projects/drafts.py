"""Drafts: tables that were read and wait for a person's word about their columns.

    drafts/<id>/    the table with everything in it (names too), as `engine.tables.drafting` writes it

The row in the store says only whose it is and how large; what a file or column is called may name a patient, so it
stands in the folder alone, which goes as soon as the table is kept or thrown away (or after a day: housekeeping).
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.nouns import Note
from engine.projects import audit
from engine.projects.database import Database, StoreError
from engine.projects.projects import project_row

if TYPE_CHECKING:
    from engine.tables.nouns import Dictionary, Table

FOLDER = "drafts"


@dataclass(frozen=True)
class Draft:
    """A table that waits. `dictionary` is the JSON of `engine.tables.Dictionary`; `preview` its first rows as texts."""

    id: str
    name: str
    rows: int
    columns: int
    dictionary: Mapping[str, Any]
    preview: tuple[tuple[str, ...], ...]
    notes: tuple[Note, ...]
    upload: str
    at: float


class Drafts(Database):
    """The part of the store that knows drafts; their tables lie beside the store's own file."""

    def add_draft(
        self, project: str, table: Table, dictionary: Dictionary, *, upload: str = "", reader: str = ""
    ) -> str:
        """Puts a table aside until a person has said what its columns are; returns the draft's id."""
        from engine.tables.drafting import write_draft  # readers of tables are slow to import, and seldom needed

        draft = secrets.token_hex(8)
        write_draft(table, dictionary, self.draft_folder(draft))
        size = {"rows": len(table), "columns": len(table.columns)}
        with self.write() as db:
            project_row(db, project)
            row = (draft, project, upload, json.dumps(size), time.time())
            db.execute("insert into draft(id, project_id, upload, json, at) values (?, ?, ?, ?, ?)", row)
            audit.append(db, reader, "table.read", project, detail={"draft": draft, "upload": upload, **size})
        return draft

    def drafts(self, project: str) -> list[Draft]:
        """The tables of a project that wait, oldest first; one whose folder is gone is left out."""
        with self.read() as db:
            rows = db.execute("select * from draft where project_id = ? order by at, rowid", (project,)).fetchall()
        return [_draft(row, self.draft_folder(row["id"])) for row in rows if self.draft_folder(row["id"]).is_dir()]

    def draft_table(self, project: str, draft: str) -> tuple[Table, Dictionary]:
        """The table of a draft and what was proposed for its columns; raises StoreError where it is gone."""
        from engine.tables.drafting import load_draft

        with self.read() as db:
            row = db.execute("select 1 from draft where id = ? and project_id = ?", (draft, project)).fetchone()
        if row is None or not self.draft_folder(draft).is_dir():
            raise StoreError("store.no_draft")
        return load_draft(self.draft_folder(draft))

    def move_draft(self, draft: str, project: str) -> None:
        """Gives a waiting table to another project."""
        with self.write() as db:
            project_row(db, project)
            db.execute("update draft set project_id = ? where id = ?", (project, draft))

    def discard_draft(self, draft: str, *, kept: bool = False, reader: str = "") -> None:
        """Deletes a draft: the table was kept, or is not wanted. One that is gone already is no mistake."""
        with self.write() as db:
            row = db.execute("delete from draft where id = ? returning project_id", (draft,)).fetchone()
            if row is not None and not kept:
                audit.append(db, reader, "table.discard", row["project_id"], detail={"draft": draft})
        shutil.rmtree(self.draft_folder(draft), ignore_errors=True)

    def draft_ids(self) -> dict[str, float]:
        """Every draft and when it was made, for housekeeping."""
        with self.read() as db:
            return {row["id"]: row["at"] for row in db.execute("select id, at from draft")}

    def draft_folder(self, draft: str) -> Path:
        """Where a draft's table lies. Raises StoreError for what is no id of a draft."""
        if not draft.isalnum():
            raise StoreError("store.no_draft")
        return self.path.parent / FOLDER / draft


def _draft(row: Any, folder: Path) -> Draft:
    from engine.tables.drafting import about_draft

    about, size = about_draft(folder), json.loads(row["json"])
    preview = tuple(tuple(texts) for texts in about["preview"])
    notes = tuple(Note.from_json(note) for note in about["notes"])
    return Draft(
        row["id"], about["name"], size["rows"], size["columns"], about["dictionary"], preview, notes,
        row["upload"] or "", row["at"],
    )  # fmt: skip
