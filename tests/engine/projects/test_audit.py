"""The audit log shows whatever is done to it behind the store's back."""

from __future__ import annotations

import sqlite3

import pytest

from engine.nouns import Place
from engine.projects import Store


def _behind_its_back(store: Store, statement: str) -> None:
    """As somebody would who has the file: triggers are no obstacle to them."""
    db = sqlite3.connect(store.path)
    db.executescript(f"drop trigger audit_no_update; drop trigger audit_no_delete; {statement}")
    db.commit()
    db.close()


@pytest.fixture
def busy(store, project):
    for number in range(6):
        store.set_label(project.id, f"case{number}", "smooth", reader="AB")
    store.set_place(project.id, "case0", Place((1, 2, 3)))
    store.undo(project.id)
    store.log("export", project=project.id)
    return store


def test_every_change_has_a_line(busy, project):
    what = [row.what for row in busy.audit_rows(project.id)][::-1]
    assert what == ["project.create", *["case.import"] * 6, *["label.set"] * 6, "place.set", "place.undo", "export"]
    assert busy.audit_rows(project.id)[3].who == "AB"


def test_the_log_speaks_of_no_patient_and_no_name(busy, project):
    with busy.read() as db:
        text = "\n".join("|".join(map(str, row)) for row in db.execute("select * from audit"))
    assert not any(word in text for word in ("scan 0", "p0", "Nodules", "smooth"))


def test_a_whole_chain_is_whole_and_ends_with_the_newest_hash(busy):
    verdict = busy.verify_audit()
    assert verdict.whole
    assert verdict.newest_hash == busy.audit_rows()[0].hash
    assert busy.verify_audit(expected=busy.audit_rows()[5].hash).whole


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("update audit set who = 'XY' where id = 5", 5),
        ("update audit set detail = '{}' where id = 9", 9),
        ("delete from audit where id = 7", 8),
        ("delete from audit where id > 12", 13),
        ("update audit set id = 100 where id = 3", 4),
        ("insert into audit select 500, at, who, what, project, case_id, detail, hash from audit where id = 2", 500),
    ],
)
def test_tampering_is_found_at_its_row(busy, statement, row):
    _behind_its_back(busy, statement)
    verdict = busy.verify_audit()
    assert not verdict.whole
    assert verdict.broken_at == row


def test_a_chain_written_anew_is_found_by_a_hash_noted_elsewhere(busy):
    noted = busy.verify_audit().newest_hash
    from engine.projects.audit import START, row_hash

    with busy.read() as db:
        rows = [tuple(r) for r in db.execute("select id, at, who, what, project, case_id, detail from audit")]
    previous, forged = START, ""
    for number, *fields in rows:
        fields[1] = "XY"
        previous = row_hash(previous, tuple(fields))
        forged += f"update audit set who = 'XY', hash = '{previous}' where id = {number};"
    _behind_its_back(busy, forged)
    assert busy.verify_audit().whole
    assert not busy.verify_audit(expected=noted).whole


def test_the_store_itself_refuses_to_change_the_log(busy):
    for statement in ("update audit set who = ''", "delete from audit"):
        with busy.read() as db, pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
