"""The queue: one table of jobs in a file of its own, `jobs.db` beside the store.

A file of its own, because progress is written several times a second and must never make a label wait for the lock;
and because what it holds can be made again (hence synchronous=NORMAL), which a label cannot.

    queued -> running -> done | failed | cancelled
A job whose worker died is claimed again and goes on from its checkpoint, at most MAX_ATTEMPTS times. A claim is one
statement, so two workers never get the same job, and every later write says which worker it comes from, so that a
worker thought dead cannot write over its successor.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.nouns import Note
from engine.projects.database import Database

# Reading and encoding take minutes, adapting seconds: each lane has a worker of its own, so neither waits.
INTAKE, LEARN = "intake", "learn"
LANES = (INTAKE, LEARN)
MAX_ATTEMPTS = 3
BEAT_SECONDS = 0.5
# A worker that says nothing for so long is taken for dead (only matters where workers share a lane over machines: on
# one machine a lane's worker holds a lock file, and its successor adopts its job at once).
SILENT_SECONDS = 60.0
LIVE = ("queued", "running")
GLANCE_SECONDS = 0.003

_SCHEMA = """
create table if not exists meta(version integer not null) strict;
create table if not exists job(
    id text primary key, kind text not null, lane text not null, project text not null, args text not null,
    key text not null, priority integer not null, state text not null, done real not null default 0,
    total real not null default 0, note text, result text, error text, attempts integer not null default 0,
    worker text, pid integer, beat real, cancel_at real, created real not null, started real, ended real
) strict;
create unique index if not exists job_one_alive on job(key) where state in ('queued', 'running');
create index if not exists job_waiting on job(state, lane, priority desc, created);
create index if not exists job_of_project on job(project, kind, created);
create index if not exists job_by_key on job(key, created);
"""


class Cancelled(Exception):
    """A job may raise this once it sees that it is to stop."""


@dataclass(frozen=True)
class Job:
    """A job as its row stands. `note` is what it is doing; `result` what it returned; times are seconds since 1970."""

    id: str
    kind: str
    lane: str
    project: str
    args: Mapping[str, Any]
    key: str
    state: str
    done: float
    total: float
    note: Mapping[str, Any] | None
    result: Any
    error: Note | None
    attempts: int
    pid: int | None
    cancel_asked: bool
    created: float
    started: float | None
    ended: float | None

    @property
    def alive(self) -> bool:
        return self.state in LIVE

    @property
    def fraction(self) -> float:
        """0..1, 0 where the job has not said how much there is."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    def seconds_left(self, now: float | None = None) -> float | None:
        """Time left if the rest goes as fast as what is done; None where nothing can be said yet."""
        if self.state != "running" or not self.started or not self.fraction:
            return None
        gone = (time.time() if now is None else now) - self.started
        return gone * (1 - self.fraction) / self.fraction


class Queue(Database):
    """The queue as pages and workers see it."""

    def __init__(self, data_dir: Path | str) -> None:
        super().__init__(Path(data_dir) / "jobs.db", (_SCHEMA,), synchronous="normal")

    def file(
        self,
        kind: str,
        args: Mapping[str, Any],
        *,
        lane: str,
        key: str | None = None,
        project: str | None = None,
        priority: int = 0,
    ) -> Job:
        """Files a job and returns it; where one under the same key is queued or running, that one is returned.

        `key`: what makes two jobs the same, by default kind and arguments, so that a double press is one job.
        `project`: by default `args["project"]`. Raises ValueError for an unknown lane.
        """
        if lane not in LANES:
            raise ValueError(f"no lane is called {lane!r}; there are {', '.join(LANES)}")
        key = key or job_key(kind, args)
        project = str(args.get("project", "")) if project is None else project
        with self.write() as db:
            row = db.execute("select * from job where key = ? and state in ('queued', 'running')", (key,)).fetchone()
            if row is None:
                new = (secrets.token_hex(8), kind, lane, project, json.dumps(dict(args)), key, priority, time.time())
                row = db.execute(
                    "insert into job(id, kind, lane, project, args, key, priority, created, state) "
                    "values (?, ?, ?, ?, ?, ?, ?, ?, 'queued') returning *",
                    new,
                ).fetchone()
            return _job(row)

    def find(self, kind: str, args: Mapping[str, Any], *, key: str | None = None) -> Job | None:
        """The newest job under the key of these arguments, however it ended, or None: what was computed already."""
        with self.read() as db:
            row = db.execute(
                "select * from job where key = ? order by created desc, rowid desc limit 1",
                (key or job_key(kind, args),),
            ).fetchone()
        return _job(row) if row else None

    def state(self, job: str) -> Job | None:
        """One job as it stands now, or None."""
        with self.read() as db:
            row = db.execute("select * from job where id = ?", (job,)).fetchone()
        return _job(row) if row else None

    def latest(self, kind: str, project: str = "") -> Job | None:
        """The newest job of a kind in a project: how any tab finds a running Adapt again."""
        found = self.jobs(project=project, kinds=(kind,), limit=1)
        return found[0] if found else None

    def jobs(
        self, *, project: str | None = None, kinds: tuple[str, ...] = (), alive: bool = False, limit: int = 500
    ) -> list[Job]:
        """Jobs, newest first; of a project, of some kinds, or only those queued and running."""
        where, values = ["1"], []
        if project is not None:
            where.append("project = ?")
            values.append(project)
        if kinds:
            where.append(f"kind in ({','.join('?' * len(kinds))})")
            values += kinds
        if alive:
            where.append("state in ('queued', 'running')")
        with self.read() as db:
            rows = db.execute(
                f"select * from job where {' and '.join(where)} order by created desc, rowid desc limit ?",
                (*values, limit),
            ).fetchall()
        return [_job(row) for row in rows]

    def cancel(self, job: str) -> None:
        """Asks a running job to stop; one that still waits is cancelled at once."""
        now = time.time()
        with self.write() as db:
            db.execute("update job set state = 'cancelled', ended = ? where id = ? and state = 'queued'", (now, job))
            db.execute(
                "update job set cancel_at = coalesce(cancel_at, ?) where id = ? and state = 'running'", (now, job)
            )

    def claim(self, lane: str, worker: str, pid: int) -> Job | None:
        """The next job of a lane for this worker, or None. Jobs that killed their worker too often fail here."""
        now = time.time()
        dead = "state = 'running' and lane = :lane and beat < :silent"
        values = {"lane": lane, "worker": worker, "pid": pid, "now": now, "silent": now - SILENT_SECONDS}
        values["error"] = json.dumps(Note("jobs.kept_dying", {"attempts": MAX_ATTEMPTS}).to_json())
        with self.read() as db:
            db.execute(f"update job set state = 'cancelled', ended = :now where {dead} and cancel_at > 0", values)
            db.execute(
                f"update job set state = 'failed', ended = :now, error = :error "
                f"where {dead} and attempts >= {MAX_ATTEMPTS}",
                values,
            )
            row = db.execute(
                f"""update job set state = 'running', worker = :worker, pid = :pid, attempts = attempts + 1,
                    beat = :now, started = :now where id = (select id from job where lane = :lane
                    and (state = 'queued' or ({dead}))
                    order by priority desc, created, rowid limit 1) returning *""",
                values,
            ).fetchone()
        return _job(row) if row else None

    def wait(self, seconds: float) -> None:
        """Returns once somebody else has written to the queue, at the latest after so many seconds. Looks without a
        lock (sqlite.org/pragma.html#pragma_data_version), often enough that a slider's question isn't kept waiting."""
        with self.read() as db:
            before, end = _data_version(db), time.monotonic() + seconds
            while _data_version(db) == before and time.monotonic() < end:
                time.sleep(GLANCE_SECONDS)

    def adopt(self, lane: str) -> None:
        """Declares the lane's worker dead; only a successor that holds the lane's lock may say so."""
        with self.read() as db:
            db.execute("update job set beat = 0 where lane = ? and state = 'running'", (lane,))

    def beat(self, job: str, worker: str) -> bool:
        """Says that the worker is alive; False where the job is no longer this worker's."""
        with self.read() as db:
            return db.execute(
                "update job set beat = ? where id = ? and worker = ? and state = 'running'", (time.time(), job, worker)
            ).rowcount > 0  # fmt: skip

    def progress(self, job: str, worker: str, done: float, total: float, note: Mapping[str, Any] | None) -> None:
        """Says how far a job is; `note` (JSON) is kept until the next one."""
        with self.read() as db:
            db.execute(
                "update job set done = ?, total = ?, note = coalesce(?, note), beat = ? "
                "where id = ? and worker = ? and state = 'running'",
                (done, total, json.dumps(note) if note is not None else None, time.time(), job, worker),
            )

    def end(self, job: str, worker: str, state: str, *, result: Any = None, error: Note | None = None) -> None:
        """Files how a job ended: "done", "failed" or "cancelled"."""
        with self.read() as db:
            db.execute(
                "update job set state = ?, result = ?, error = ?, ended = ?, done = case when ? = 'done' then total "
                "else done end where id = ? and worker = ? and state = 'running'",
                (state, json.dumps(result), json.dumps(error.to_json()) if error else None, time.time(), state, job,
                 worker),
            )  # fmt: skip

    def deaf(self, stop_seconds: float, hang_seconds: float) -> list[Job]:
        """Running jobs that were asked to stop so long ago and did not, or whose worker was silent for so long."""
        now = time.time()
        with self.read() as db:
            rows = db.execute(
                "select * from job where state = 'running' and (cancel_at < ? or (beat > 0 and beat < ?))",
                (now - stop_seconds, now - hang_seconds),
            ).fetchall()
        return [_job(row) for row in rows]

    def release(self, job: str, worker: str) -> None:
        """Gives a job back that a worker cannot go on with because it is being stopped; the attempt does not count."""
        with self.read() as db:
            db.execute(
                "update job set state = 'queued', attempts = attempts - 1 where id = ? and worker = ? "
                "and state = 'running'",
                (job, worker),
            )

    def forget(self, older_than_seconds: float) -> int:
        """Deletes rows of jobs that ended long ago; returns how many."""
        with self.read() as db:
            return db.execute("delete from job where ended < ?", (time.time() - older_than_seconds,)).rowcount


def job_key(kind: str, args: Mapping[str, Any]) -> str:
    """A hash of kind and arguments (hex)."""
    return hashlib.sha256(json.dumps([kind, dict(args)], sort_keys=True).encode()).hexdigest()


def _data_version(db: sqlite3.Connection) -> int:
    return db.execute("pragma data_version").fetchone()[0]


def _job(row: sqlite3.Row) -> Job:
    return Job(
        row["id"], row["kind"], row["lane"], row["project"], json.loads(row["args"]), row["key"], row["state"],
        row["done"], row["total"], json.loads(row["note"]) if row["note"] else None,
        json.loads(row["result"]) if row["result"] else None,
        Note.from_json(json.loads(row["error"])) if row["error"] else None,
        row["attempts"], row["pid"], row["cancel_at"] is not None, row["created"], row["started"], row["ended"],
    )  # fmt: skip
