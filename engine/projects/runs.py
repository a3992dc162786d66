"""What was computed: runs, each with everything to repeat it, and what they predicted."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from engine.projects import audit
from engine.projects.database import Database, StoreError
from engine.projects.projects import project_row
from engine.projects.records import Run


class Runs(Database):
    """The part of the store that knows runs and predictions."""

    def file_run(
        self, project: str, record: Mapping[str, Any], predictions: Mapping[str, Mapping[str, Any]], *, reader: str = ""
    ) -> Run:
        """Files a run with its predictions (case id -> what was predicted), all of it or nothing."""
        run = Run(secrets.token_hex(8), project, time.time(), dict(record))
        with self.write() as db:
            project_row(db, project)
            db.execute("insert into run(id, project_id, json, at) values (?, ?, ?, ?)",
                       (run.id, project, _json(run.record), run.at))  # fmt: skip
            db.executemany(
                "insert into prediction(run_id, case_id, json) values (?, ?, ?)",
                [(run.id, case, _json(dict(each))) for case, each in predictions.items()],
            )
            detail = {"run": run.id, "learner": str(record.get("learner", "")), "predicted": len(predictions)}
            audit.append(db, reader, "adapt", project, detail=detail)
        return run

    def complete_run(self, run: str, more: Mapping[str, Any]) -> None:
        """Adds what was found out about a run after it was filed (its tests) to its record."""
        with self.write() as db:
            row = db.execute("select * from run where id = ?", (run,)).fetchone()
            if row is None:
                raise StoreError("store.no_run")
            record = {**json.loads(row["json"]), **more}
            db.execute("update run set json = ? where id = ?", (_json(record), run))

    def runs(self, project: str, limit: int = -1, *, taught_by: str | None = None) -> list[Run]:
        """Runs of a project, newest first: all, or the newest `limit`; those that learned from one reader alone."""
        with self.read() as db:
            rows = db.execute(
                "select * from run where project_id = ?1 and (?2 is null or json_extract(json, '$.taught_by') = ?2) "
                "order by at desc, rowid desc limit ?3",
                (project, taught_by, limit),
            )
            return [_run(row) for row in rows]

    def latest_run(self, project: str, *, taught_by: str | None = None) -> Run | None:
        """The newest run, or None before the first. `taught_by`: the newest that learned from that reader alone."""
        with self.read() as db:
            row = db.execute(
                "select * from run where project_id = ?1 and (?2 is null or json_extract(json, '$.taught_by') = ?2) "
                "order by at desc, rowid desc limit 1",
                (project, taught_by),
            ).fetchone()
        return _run(row) if row else None

    def run(self, run: str) -> Run:
        """One run; raises StoreError where it is not there."""
        with self.read() as db:
            row = db.execute("select * from run where id = ?", (run,)).fetchone()
        if row is None:
            raise StoreError("store.no_run")
        return _run(row)

    def predictions(self, run: str) -> dict[str, dict[str, Any]]:
        """Case id -> what this run predicted."""
        with self.read() as db:
            rows = db.execute("select case_id, json from prediction where run_id = ?", (run,)).fetchall()
        return {row["case_id"]: json.loads(row["json"]) for row in rows}


def _run(row: sqlite3.Row) -> Run:
    return Run(row["id"], row["project_id"], row["at"], json.loads(row["json"]))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
