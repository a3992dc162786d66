"""The file itself: versions, damage, a full disk, and power that goes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from engine.projects import Store, StoreError
from engine.projects.database import MIGRATIONS, Database, version

ROOT = Path(__file__).resolve().parents[3]
SECOND = "alter table project add column colour text not null default 'teal'; create table extra(id text) strict;"


def _copies(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.before-*"))


def test_a_file_of_an_older_version_is_copied_and_brought_forward(tmp_path):
    path = tmp_path / "handful.db"
    Store(path).create_project("old")
    newer = Database(path, (*MIGRATIONS, SECOND))
    with newer.read() as db:
        assert version(db) == len(MIGRATIONS) + 1
        assert db.execute("select name, colour from project").fetchone()[:] == ("old", "teal")
    (copy,) = _copies(path)
    with sqlite3.connect(copy) as db:
        assert db.execute("select version from meta").fetchone()[0] == len(MIGRATIONS)
        assert db.execute("select name from project").fetchone()[0] == "old"


def test_a_migration_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "handful.db"
    Store(path).create_project("old")
    with pytest.raises(sqlite3.OperationalError):
        Database(path, (*MIGRATIONS, SECOND + "insert into nowhere values (1);"))
    assert [each.name for each in Store(path).projects()] == ["old"]
    assert len(_copies(path)) == 1


def test_a_file_of_a_newer_version_is_refused_untouched(tmp_path):
    path = tmp_path / "handful.db"
    Database(path, (*MIGRATIONS, SECOND)).close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert caught.value.note.key == "store.newer"
    assert path.read_bytes() == before


def test_a_damaged_file_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "handful.db"
    store = Store(path)
    for number in range(200):
        store.create_project(f"project {number}")
    store.close()
    raw = bytearray(path.read_bytes())
    raw[8192:16384] = os.urandom(8192)
    path.write_bytes(raw)
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert caught.value.note.key == "store.damaged"


def test_something_that_is_no_database_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "handful.db"
    path.write_bytes(b"hello " * 1000)
    with pytest.raises(StoreError, match="damaged"):
        Store(path)


def test_a_commit_waits_for_the_disk(tmp_path):
    with Store(tmp_path / "handful.db").read() as db:
        assert db.execute("pragma synchronous").fetchone()[0] == 2  # FULL
        assert db.execute("pragma journal_mode").fetchone()[0] == "wal"
        assert db.execute("pragma foreign_keys").fetchone()[0] == 1


def test_a_full_disk_is_said_and_what_was_saved_stays(store, project):
    store.set_label(project.id, "case0", "smooth")
    with store.read() as db:
        pages = db.execute("pragma page_count").fetchone()[0]
    connections = [store._idle.get_nowait() for _ in range(store._idle.qsize())]
    for connection in connections:
        connection.execute(f"pragma max_page_count={pages}")  # SQLite then answers as it does on a full disk
        store._idle.put(connection)
    with pytest.raises(StoreError) as caught:
        for _ in range(2000):
            store.set_label(project.id, "case1", "spiculated")
    assert caught.value.note.key == "store.disk_full"
    assert store.labels(project.id)["case0"] == "smooth"
    assert store.verify_audit().whole


_WRITER = """
import random, sys
sys.path.insert(0, {root!r})
from engine.projects import Store
store = Store({path!r})
project = store.projects()[0].id
number = 0
while True:
    case, value = f"case{{number % 6}}", ("smooth", "spiculated", "unsure")[number % 3]
    store.set_label(project, case, value, reader=f"{round}-{{number}}")
    print(number, flush=True)
    number += 1
"""


def test_no_acknowledged_label_is_lost_when_the_process_is_killed(store, project):
    """30 times: labels as fast as it goes, kill -9 in the middle, then every label that was acknowledged is there."""
    acknowledged: set[str] = set()
    for number in range(30):
        code = _WRITER.format(root=str(ROOT), path=str(store.path), round=number)
        writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3 + number % 7):
            acknowledged.add(f"{number}-{writer.stdout.readline().strip()}")
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        acknowledged.update(f"{number}-{line}" for line in rest.split())
        fresh = Store(store.path)
        kept = [mark.reader for mark in fresh.label_history(project.id)]
        assert acknowledged <= set(kept)
        assert len(kept) == len(set(kept))
        assert fresh.verify_audit().whole
        fresh.close()
    assert len(acknowledged) > 90
