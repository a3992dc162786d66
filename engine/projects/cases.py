"""Which cases a project holds, and which files were not taken in."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence

from engine.nouns import Case, Note, Refused
from engine.projects import audit
from engine.projects.database import Database, StoreError
from engine.projects.projects import project_row
from engine.projects.records import ProjectCase, RefusedFile

_CASES = """select c.json, c.added, c.upload, p.number, p.position from project_case p
    join case_ c on c.id = p.case_id where p.project_id = ? and not p.removed"""


class Cases(Database):
    """The part of the store that knows cases. Their voxels are files; see `engine.intake`."""

    def add_case(self, project: str, case: Case, *, upload: str = "", reader: str = "") -> ProjectCase:
        """Puts a case in a project. One that is there already stays as it is; one that was removed comes back."""
        with self.write() as db:
            project_row(db, project)
            if _add(db, project, case, upload):
                audit.append(db, reader, "case.import", project, case.id, {"kind": case.kind, "upload": upload})
        return self.case(project, case.id)

    def add_rows(self, project: str, cases: Sequence[Case], *, table: str, upload: str = "", reader: str = "") -> None:
        """Puts rows of one kept table in a project, all or none, with one line in the audit log for the table."""
        with self.write() as db:
            project_row(db, project)
            added = sum(_add(db, project, case, upload) for case in cases)
            if added:
                audit.append(db, reader, "table.import", project, detail={"table": table, "rows": added})

    def cases(self, project: str) -> list[ProjectCase]:
        """The cases of a project in their order."""
        with self.read() as db:
            return [_project_case(row) for row in db.execute(_CASES + " order by p.position", (project,))]

    def case(self, project: str, case: str) -> ProjectCase:
        """One case of a project; raises StoreError where it is not in it."""
        with self.read() as db:
            return _project_case(case_row(db, project, case))

    def has_case(self, case: str) -> bool:
        """Whether any project shows this case (routes ask before they serve its voxels)."""
        with self.read() as db:
            found = db.execute("select 1 from project_case where case_id = ? and not removed limit 1", (case,))
            return found.fetchone() is not None

    def any_case(self, case: str) -> Case | None:
        """A case that some project shows, by its id alone."""
        with self.read() as db:
            row = db.execute(
                "select c.json from case_ c join project_case p on c.id = p.case_id "
                "where c.id = ? and not p.removed limit 1",
                (case,),
            ).fetchone()
        return Case.from_json(json.loads(row["json"])) if row else None

    def case_ids(self) -> set[str]:
        """Every case of every project, removed ones included: whose folders must stay."""
        with self.read() as db:
            return {row[0] for row in db.execute("select id from case_")}

    def patients_of(self, cases: Sequence[str]) -> dict[str, str]:
        """Case id -> patient code, for those of the cases that are here in any project."""
        with self.read() as db:
            found = (db.execute("select id, patient from case_ where id = ?", (case,)).fetchone() for case in cases)
            return {row["id"]: row["patient"] for row in found if row}

    def remove_case(self, project: str, case: str, *, reader: str = "") -> None:
        """Takes a case out of a project; `add_case` or `restore_case` brings it back with its labels."""
        self._set_removed(project, case, 1, "case.remove", reader)

    def restore_case(self, project: str, case: str, *, reader: str = "") -> None:
        """Brings back a case that was removed."""
        self._set_removed(project, case, 0, "case.restore", reader)

    def _set_removed(self, project: str, case: str, removed: int, what: str, reader: str) -> None:
        with self.write() as db:
            changed = db.execute(
                "update project_case set removed = ? where project_id = ? and case_id = ? and removed != ?",
                (removed, project, case, removed),
            ).rowcount
            if changed:
                audit.append(db, reader, what, project, case)

    def refuse(self, project: str, refused: Iterable[Refused], *, upload: str = "") -> None:
        """Files the refusals of an upload. Names stand here as uploaded, and never in the audit log."""
        now = time.time()
        rows = [(project, upload, each.file, _json(each.note.to_json()), now) for each in refused]
        with self.write() as db:
            db.executemany("insert into refused(project_id, upload, file, note, at) values (?, ?, ?, ?, ?)", rows)
            if rows:
                audit.append(db, "", "files.refuse", project, detail={"files": len(rows), "upload": upload})

    def refusals(self, project: str) -> list[RefusedFile]:
        """All files that were not taken in, newest upload first, in the order they were read."""
        with self.read() as db:
            rows = db.execute("select * from refused where project_id = ? order by at desc, id", (project,)).fetchall()
        return [
            RefusedFile(r["id"], r["upload"], r["file"], Note.from_json(json.loads(r["note"])), r["at"]) for r in rows
        ]

    def clear_refusals(self, project: str) -> None:
        """Empties the table of refused files (their names may name patients)."""
        with self.write() as db:
            db.execute("delete from refused where project_id = ?", (project,))


def _add(db: sqlite3.Connection, project: str, case: Case, upload: str) -> bool:
    """Inside the caller's transaction; False where the case is in the project already."""
    db.execute(
        "insert into case_(id, kind, patient, site, json, added, upload) values (?, ?, ?, ?, ?, ?, ?) "
        "on conflict(id) do nothing",
        (case.id, case.kind, case.patient, case.site, _json(case.to_json()), time.time(), upload),
    )
    added = db.execute(
        "insert into project_case(project_id, case_id, position, number) "
        "select ?1, ?2, coalesce(max(position), 0) + 1, coalesce(max(number), 0) + 1 from project_case "
        "where project_id = ?1 on conflict(project_id, case_id) do update set removed = 0 where removed",
        (project, case.id),
    ).rowcount
    return bool(added)


def case_row(db: sqlite3.Connection, project: str, case: str) -> sqlite3.Row:
    """The joined row of a case in a project, or StoreError."""
    row = db.execute(_CASES + " and p.case_id = ?", (project, case)).fetchone()
    if row is None:
        raise StoreError("store.no_case")
    return row


def _project_case(row: sqlite3.Row) -> ProjectCase:
    case = Case.from_json(json.loads(row["json"]))
    return ProjectCase(case, row["number"], row["position"], row["added"], row["upload"] or "")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
