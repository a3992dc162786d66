"""A project's first state, so that a demo is as new again in one click and without any job.

`keep_first_state` writes down what stands now: classes, settings, cases, what was said of each. `reset_project` goes
back to it in one transaction. Marks stay append-only: a reset takes each one back and says the first ones anew.
"""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

from engine.projects import audit
from engine.projects.database import Database
from engine.projects.projects import first_state_key, project_row

_MARK = "insert into mark(project_id, case_id, kind, value, reader, undoes, at) values (?, ?, ?, ?, ?, ?, ?)"


class FirstStates(Database):
    """The part of the store that takes a project back to where it began."""

    def keep_first_state(self, project: str) -> None:
        """Writes down the project as it stands as the one that `reset_project` returns to."""
        with self.write() as db:
            row = project_row(db, project)
            cases = "select case_id from project_case where project_id = ? and not removed order by position"
            marks = db.execute(
                "select case_id, kind, value, reader from mark where value is not null and id in "
                "(select max(id) from mark where project_id = ? group by case_id, kind) order by id",
                (project,),
            )
            first = {
                "classes": json.loads(row["classes"]),
                "settings": json.loads(row["settings"]),
                "cases": [each[0] for each in db.execute(cases, (project,))],
                "marks": [list(mark) for mark in marks],
            }
            db.execute(
                "insert into setting values (?, ?) on conflict(key) do update set value = excluded.value",
                (first_state_key(project), json.dumps(first, ensure_ascii=False)),
            )

    def reset_project(self, project: str, *, reader: str = "") -> bool:
        """Back to the first state; True where one was kept. Without one: no labels, places, regions and runs, and every
        case there again. Nobody's earlier marks count or can be undone any more. The audit log stays.
        """
        with self.write() as db:
            project_row(db, project)
            kept = db.execute("select value from setting where key = ?", (first_state_key(project),)).fetchone()
            _take_back(db, project)
            db.execute("delete from prediction where run_id in (select id from run where project_id = ?)", (project,))
            for table in ("run", "refused"):
                db.execute(f"delete from {table} where project_id = ?", (project,))
            db.execute("update project_case set removed = 0 where project_id = ?", (project,))
            if kept:
                _restore(db, project, json.loads(kept["value"]))
            audit.append(db, reader, "project.reset", project)
        return kept is not None


def _take_back(db: sqlite3.Connection, project: str) -> None:
    """Every reader's marks are undone, oldest first, so that the last word of each on each case is none."""
    standing = db.execute(
        "select m.id, m.case_id, m.kind, m.reader from mark m where m.project_id = ? and m.undoes is null "
        "and not exists (select 1 from mark u where u.undoes = m.id) order by m.id",
        (project,),
    ).fetchall()
    now = time.time()
    db.executemany(_MARK, [(project, m["case_id"], m["kind"], None, m["reader"], m["id"], now) for m in standing])


def _restore(db: sqlite3.Connection, project: str, first: dict[str, Any]) -> None:
    classes, settings = (json.dumps(first[part], ensure_ascii=False) for part in ("classes", "settings"))
    db.execute("update project set classes = ?, settings = ? where id = ?", (classes, settings, project))
    db.execute("update project_case set removed = 1 where project_id = ?", (project,))
    shown = [(project, case) for case in first["cases"]]
    db.executemany("update project_case set removed = 0 where project_id = ? and case_id = ?", shown)
    now = time.time()
    rows = [(project, case, kind, value, reader, None, now) for case, kind, value, reader in first["marks"]]
    db.executemany(_MARK, rows)
