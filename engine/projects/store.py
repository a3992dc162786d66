"""All that is kept, behind one class: `Store(path)`.

    store = Store(settings.database)
    project = store.create_project("Nodules", ["smooth", "spiculated"])
    store.set_label(project.id, case_id, "smooth", reader="AB")   # on the disk when this returns

Each method is one short transaction; any number of threads and processes may call at the same time. The parts:
`projects` (and classes), `cases` (and refused files), `marks` (labels, places, regions, undo), `runs`, `sessions`,
`upload_rows`, `drafts` (tables that wait), `first_state` (of a demo); `audit` is written inside the same transactions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.projects import audit
from engine.projects.cases import Cases
from engine.projects.drafts import Drafts
from engine.projects.first_state import FirstStates
from engine.projects.marks import Marks
from engine.projects.projects import Projects
from engine.projects.runs import Runs
from engine.projects.sessions import Sessions
from engine.projects.split import Split, split_cases
from engine.projects.upload_rows import UploadRows


class Store(Projects, FirstStates, Cases, Marks, Runs, Sessions, UploadRows, Drafts):
    """Projects, cases, labels, runs, sessions and the audit log in one SQLite file."""

    def split(self, project: str) -> Split:
        """Which cases teach and which will be predicted, as the labels stand now."""
        return split_cases(self.cases(project), self.labels(project), self.project(project).classes)

    def get_setting(self, key: str, default: Any = None) -> Any:
        """A setting of this installation (JSON), or `default`."""
        with self.read() as db:
            row = db.execute("select value from setting where key = ?", (key,)).fetchone()
        return json.loads(row["value"]) if row else default

    def set_setting(self, key: str, value: Any) -> None:
        """Keeps a setting (JSON)."""
        with self.write() as db:
            db.execute(
                "insert into setting values (?, ?) on conflict(key) do update set value = excluded.value",
                (key, json.dumps(value, ensure_ascii=False)),
            )

    def log(
        self, what: str, *, reader: str = "", project: str = "", case: str = "", detail: dict | None = None
    ) -> None:
        """Writes a line of the audit log for what leaves no other trace here, such as an export."""
        with self.write() as db:
            audit.append(db, reader, what, project, case, detail)

    def stands_at(self, project: str) -> tuple:
        """What differs once anybody has said, added, removed, learned or set something in a project: a page that was
        drawn at another value is out of date."""
        with self.read() as db:
            row = db.execute(
                "select (select max(id) from mark where project_id = ?1), "
                "(select id from run where project_id = ?1 order by at desc, rowid desc limit 1), "
                "(select count(*) - sum(removed) from project_case where project_id = ?1), "
                "name, classes, settings, removed from project where id = ?1",
                (project,),
            ).fetchone()
        return tuple(row) if row else ()

    def audit_rows(self, project: str | None = None, limit: int = 200) -> list[audit.AuditRow]:
        """The newest lines of the audit log, newest first."""
        with self.read() as db:
            return list(audit.rows(db, project, limit))

    def verify_audit(self, expected: str | None = None) -> audit.Verdict:
        """Checks the whole chain of the audit log."""
        with self.read() as db:
            return audit.verify(db, expected)

    def export_project(self, project: str, target: Path, cases_dir: Path, *, reader: str = "") -> Path:
        """Writes the project as one file that opens elsewhere; see `engine.projects.export`."""
        from engine.projects.export import export_project

        return export_project(self, project, target, cases_dir, reader=reader)

    def import_project(self, source: Path, cases_dir: Path, *, reader: str = "") -> str:
        """Opens a file written by `export_project` and returns the new project's id."""
        from engine.projects.export import import_project

        return import_project(self, source, cases_dir, reader=reader)
