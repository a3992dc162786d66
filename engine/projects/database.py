"""The one SQLite file: how it is opened, checked, brought to this version, and written to.

WAL with synchronous=FULL: a commit has reached the disk before it returns (NORMAL may lose the last commits when the
power goes; sqlite.org/pragma.html#pragma_synchronous). Reads never wait for a write; writes wait for each other.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Empty, LifoQueue

from engine.nouns import Note
from engine.sentences import say

SCHEMA = (Path(__file__).parent / "schema.sql").read_text("utf-8")
# One script a version, oldest first: version n is what the first n scripts make.
_DRAFTS = """
create table draft(
    id text primary key,
    project_id text not null references project(id),
    upload text,
    json text not null,         -- rows and columns; names of files and columns stand in the draft's folder alone
    at real not null
) strict;
"""
MIGRATIONS: tuple[str, ...] = (SCHEMA, _DRAFTS)
# A writer waits this long for another writer before it gives up. The longest transaction here files one run.
BUSY_SECONDS = 15.0


class StoreError(ValueError):
    """Something about what is kept, with a sentence for a person (`note`)."""

    def __init__(self, key: str, **values: object) -> None:
        self.note = Note(key, values)
        super().__init__(say(self.note))


class Database:
    """A pool of connections to one file: each is used by one thread at a time, none is shared while in use."""

    def __init__(self, path: Path | str, migrations: Sequence[str] = MIGRATIONS, *, synchronous: str = "full") -> None:
        """Opens or creates the file; raises StoreError where it is damaged, newer than this version or unwritable."""
        self.path = Path(path)
        self._synchronous = synchronous
        self._idle: LifoQueue[sqlite3.Connection] = LifoQueue()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.read() as db:
                check(db, self.path)
                migrate(db, self.path, migrations)
        except OSError as error:
            raise StoreError("store.not_writable", folder=str(self.path.parent)) from error
        except sqlite3.DatabaseError as error:
            raise _as_sentence(error, self.path) from error

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading; outside a transaction each statement sees the newest committed state."""
        try:
            db = self._idle.get_nowait()
        except Empty:
            db = connect(self.path, self._synchronous)
        try:
            yield db
        finally:
            if db.in_transaction:
                db.rollback()
            self._idle.put(db)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is on the disk when the block ends, or nothing of it where the block raised."""
        with self.read() as db:
            try:
                db.execute("begin immediate")
                yield db
                db.execute("commit")
            except sqlite3.OperationalError as error:
                raise _as_sentence(error, self.path) from error

    def close(self) -> None:
        """Closes the idle connections; the last one folds the write-ahead log into the file."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return


def connect(path: Path, synchronous: str = "full") -> sqlite3.Connection:
    """A connection in autocommit mode with the settings that every connection needs."""
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    for pragma in (
        "journal_mode=wal",
        f"synchronous={synchronous}",
        "foreign_keys=on",
        f"busy_timeout={int(BUSY_SECONDS * 1e3)}",
    ):
        db.execute(f"pragma {pragma}")
    return db


def check(db: sqlite3.Connection, path: Path) -> None:
    """SQLite's own check of the whole file; raises StoreError where it finds damage."""
    found = db.execute("pragma quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreError("store.damaged", file=str(path))


def migrate(db: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Brings the file to the newest version in one transaction, after copying it; raises StoreError if it is newer."""
    have = version(db)
    if have > len(migrations):
        raise StoreError("store.newer", file=str(path), have=have, known=len(migrations))
    if have == len(migrations):
        return
    if have:
        copy_database(db, path.with_name(f"{path.name}.before-version-{len(migrations)}-{int(time.time())}"))
    db.execute("begin immediate")
    # Another process may have been first while this one waited for the lock.
    for script in migrations[version(db) :]:
        for statement in statements(script):
            db.execute(statement)
    if db.execute("select count(*) from meta").fetchone()[0]:
        db.execute("update meta set version = ?", (len(migrations),))
    else:
        db.execute("insert into meta(version) values (?)", (len(migrations),))
    db.execute("commit")


def version(db: sqlite3.Connection) -> int:
    """The version of the file, 0 for an empty one."""
    if not db.execute("select 1 from sqlite_master where type = 'table' and name = 'meta'").fetchone():
        return 0
    row = db.execute("select version from meta").fetchone()
    return int(row[0]) if row else 0


def copy_database(db: sqlite3.Connection, target: Path) -> None:
    """A consistent copy of the open database, also while others write (SQLite's backup interface)."""
    with closing(sqlite3.connect(target)) as copy:
        db.backup(copy)


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one (executescript would commit the open transaction)."""
    statement = ""
    for piece in re.split("(?<=;)", script):
        statement += piece
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _as_sentence(error: sqlite3.DatabaseError, path: Path) -> Exception:
    """SQLite's error as a StoreError where a person can do something about it, else the error itself."""
    text = str(error).lower()
    if "full" in text or "disk i/o" in text:
        return StoreError("store.disk_full", folder=str(path.parent))
    if "readonly" in text or "unable to open" in text:
        return StoreError("store.not_writable", folder=str(path.parent))
    if "locked" in text:
        return StoreError("store.busy", seconds=int(BUSY_SECONDS))
    if "not a database" in text or "malformed" in text:
        return StoreError("store.damaged", file=str(path))
    return error
