"""Labels, places and regions: the newest counts, everything can be taken back, nothing is lost."""

from __future__ import annotations

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.nouns import Place
from engine.projects import UNSURE, StoreError, blind


def test_the_newest_label_counts(store, project):
    for value in ("smooth", "spiculated", UNSURE, None, "smooth"):
        store.set_label(project.id, "case0", value)
    assert store.labels(project.id) == {"case0": "smooth"}
    assert [m.value for m in store.label_history(project.id)] == ["smooth", "spiculated", UNSURE, None, "smooth"]


def test_undo_goes_back_step_by_step_to_the_beginning(store, project):
    random_ = random.Random(0)
    states = [{}]
    for _ in range(40):
        case, value = f"case{random_.randrange(6)}", random_.choice(["smooth", "spiculated", UNSURE, None])
        store.set_label(project.id, case, value)
        states.append(store.labels(project.id))
    for expected in states[-2::-1]:
        store.undo(project.id)
        shown = {k: v for k, v in store.labels(project.id).items() if v is not None}
        assert shown == {k: v for k, v in expected.items() if v is not None}
    assert store.undo(project.id) is None


def test_undo_says_which_case_and_what_now_counts(store, project):
    store.set_label(project.id, "case2", "smooth")
    store.set_label(project.id, "case2", "spiculated")
    undone = store.undo_label(project.id)
    assert (undone.case_id, undone.kind, undone.value) == ("case2", "label", "smooth")


def test_a_label_after_an_undo_is_what_the_next_undo_takes_back(store, project):
    store.set_label(project.id, "case0", "smooth")
    store.set_label(project.id, "case0", "spiculated")
    store.undo(project.id)
    store.set_label(project.id, "case1", UNSURE)
    assert store.undo(project.id).case_id == "case1"
    assert store.undo(project.id).case_id == "case0"
    assert store.labels(project.id) == {"case0": None, "case1": None}


def test_a_reader_takes_back_their_own_labels_only(store, project):
    store.set_label(project.id, "case0", "smooth", reader="A")
    store.set_label(project.id, "case1", "smooth", reader="A")
    store.set_label(project.id, "case1", "spiculated", reader="B")
    assert store.undo(project.id, reader="A").case_id == "case0"
    assert store.undo(project.id, reader="A") is None
    assert store.labels(project.id)["case1"] == "spiculated"


def test_labelling_with_an_unknown_class_or_case_changes_nothing(store, project):
    with pytest.raises(StoreError):
        store.set_label(project.id, "case0", "lumpy")
    with pytest.raises(StoreError):
        store.set_label(project.id, "case77", "smooth")
    with pytest.raises(StoreError):
        store.set_label("nowhere", "case0", "smooth")
    assert store.labels(project.id) == {}


def test_places_are_kept_in_mm_and_undone_like_labels(store, project):
    first, second = Place((1.5, -2.0, 30.25)), Place((4.0, 5.0, 6.0), (10, 20, 20), "box")
    store.set_place(project.id, "case0", first)
    store.set_place(project.id, "case0", second, add=True)
    assert store.places(project.id) == {"case0": (first, second)}
    store.undo(project.id)
    assert store.places(project.id) == {"case0": (first,)}
    store.clear_place(project.id, "case0")
    assert store.places(project.id) == {}
    store.undo(project.id)
    assert store.places(project.id) == {"case0": (first,)}


def test_a_region_narrows_and_none_widens(store, project):
    region = Place((0, 0, 0), (30, 30, 30), "sphere")
    store.set_region(project.id, "case4", region)
    assert store.regions(project.id) == {"case4": region}
    store.set_region(project.id, "case4", None)
    assert store.regions(project.id) == {}


def test_marks_cannot_be_changed_in_place(store, project):
    store.set_label(project.id, "case0", "smooth")
    with store.read() as db, pytest.raises(sqlite3.IntegrityError, match="only ever added"):
        db.execute("update mark set value = 'x'")


def test_twenty_threads_lose_no_label(store, project):
    def label(number: int) -> None:
        store.set_label(project.id, f"case{number % 6}", ("smooth", "spiculated")[number % 2], reader=str(number))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(label, range(200)))
    assert sorted(int(m.reader) for m in store.label_history(project.id)) == list(range(200))
    assert store.verify_audit().whole


def test_readers_are_told_apart_and_counted_in_the_order_they_began(store, project):
    store.set_label(project.id, "case0", "smooth", reader="B")
    store.set_label(project.id, "case0", "spiculated", reader="A")
    store.set_label(project.id, "case1", UNSURE, reader="A")
    store.set_label(project.id, "case2", "smooth", reader="C")
    store.set_label(project.id, "case2", None, reader="C")
    assert store.labels(project.id, reader="B") == {"case0": "smooth"}
    assert store.labels(project.id, reader="A") == {"case0": "spiculated", "case1": UNSURE}
    assert store.labels(project.id)["case0"] == "spiculated"
    assert list(store.readers(project.id).items()) == [("B", 1), ("A", 2)]  # C has taken back the only one


def test_a_blind_reader_takes_back_and_adds_to_their_own_word_whatever_others_said_since(store, project):
    blind.begin(store, project.id)
    store.set_label(project.id, "case0", "smooth", reader="A")
    store.set_label(project.id, "case0", "spiculated", reader="A")
    store.set_label(project.id, "case0", UNSURE, reader="B")
    assert store.undo(project.id, reader="A").value == "smooth"
    assert store.labels(project.id, reader="B") == {"case0": UNSURE}
    store.set_place(project.id, "case0", Place((1.0, 2.0, 3.0)), reader="B")
    store.set_place(project.id, "case0", Place((4.0, 5.0, 6.0)), reader="A", add=True)
    assert store.places(project.id, reader="A")["case0"] == (Place((4.0, 5.0, 6.0)),)


def test_once_the_blind_is_lifted_the_readers_are_judged_by_what_they_had_said_before(store, project):
    blind.begin(store, project.id)
    store.set_label(project.id, "case0", "smooth", reader="A")
    store.set_label(project.id, "case0", "spiculated", reader="B")
    until = blind.lifted(blind.lift(store, project.id).settings)
    store.set_label(project.id, "case0", "spiculated", reader="A")  # after they had talked
    assert store.labels(project.id, reader="A", until=until) == {"case0": "smooth"}
    assert store.labels(project.id, reader="A") == {"case0": "spiculated"}
    assert not blind.is_blind(store.project(project.id).settings)
    assert [row.what for row in store.audit_rows(project.id)].count("readers.lifted") == 1


def test_the_newest_run_of_a_reader_is_found_among_those_of_others(store, project):
    mine = store.file_run(project.id, {"taught_by": "A"}, {})
    store.file_run(project.id, {"taught_by": "B"}, {})
    store.file_run(project.id, {"taught_by": None}, {})
    assert store.latest_run(project.id, taught_by="A").id == mine.id
    assert store.latest_run(project.id, taught_by="C") is None
    assert len(store.runs(project.id)) == 3 and [r.id for r in store.runs(project.id, taught_by="A")] == [mine.id]
