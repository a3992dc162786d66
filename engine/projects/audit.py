"""The append-only log of who did what when: each row carries a hash over itself and the row before.

What it shows: a row changed, taken out or put in between breaks the chain. What it cannot show alone: someone who
writes the whole chain anew. For that a person notes the newest hash elsewhere and gives it to `verify` later.
No names, no patient data: cases and projects stand here by their ids.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

START = "0" * 64


@dataclass(frozen=True)
class AuditRow:
    """One line of the log; `at` is UTC in ISO 8601."""

    id: int
    at: str
    who: str
    what: str
    project: str
    case: str
    detail: Mapping[str, Any]
    hash: str


@dataclass(frozen=True)
class Verdict:
    """What a check of the chain found: `broken_at` is the first row that does not fit, None for a whole chain."""

    rows: int
    newest_hash: str
    broken_at: int | None
    expected_found: bool

    @property
    def whole(self) -> bool:
        return self.broken_at is None and self.expected_found


def append(
    db: sqlite3.Connection, who: str, what: str, project: str = "", case: str = "", detail: Mapping | None = None
) -> None:
    """Adds a row inside the caller's transaction, so that a change and its line are on the disk together."""
    last = db.execute("select hash from audit order by id desc limit 1").fetchone()
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    text = json.dumps(dict(detail or {}), ensure_ascii=False, sort_keys=True)
    row = (at, who, what, project, case, text)
    db.execute(
        "insert into audit(at, who, what, project, case_id, detail, hash) values (?, ?, ?, ?, ?, ?, ?)",
        (*row, row_hash(last[0] if last else START, row)),
    )


def row_hash(previous: str, row: tuple[str, ...]) -> str:
    """SHA-256 (hex) over the previous hash and the row's fields, as a JSON list so that no two rows read alike."""
    return hashlib.sha256(json.dumps([previous, *row], ensure_ascii=False).encode()).hexdigest()


def verify(db: sqlite3.Connection, expected: str | None = None) -> Verdict:
    """Walks the whole chain. `expected`: a newest hash noted earlier, which must still be in it."""
    previous, rows, broken, seen = START, 0, None, expected is None
    for row in db.execute("select id, at, who, what, project, case_id, detail, hash from audit order by id"):
        rows += 1
        if broken is None and (row["id"] != rows or row["hash"] != row_hash(previous, tuple(row)[1:7])):
            broken = row["id"]
        previous = row["hash"]
        seen = seen or previous == expected
    # AUTOINCREMENT remembers the highest id ever given, so rows cut off the end are missed as well.
    given = db.execute("select seq from sqlite_sequence where name = 'audit'").fetchone()
    if broken is None and given and given[0] != rows:
        broken = rows + 1
    return Verdict(rows, previous, broken, seen)


def rows(db: sqlite3.Connection, project: str | None = None, limit: int = 200) -> Iterator[AuditRow]:
    """The newest rows first, of one project or of all."""
    where, values = ("where project = ?", (project,)) if project is not None else ("", ())
    for row in db.execute(f"select * from audit {where} order by id desc limit ?", (*values, limit)):
        yield AuditRow(
            row["id"], row["at"], row["who"], row["what"], row["project"], row["case_id"],
            json.loads(row["detail"]), row["hash"],
        )  # fmt: skip
