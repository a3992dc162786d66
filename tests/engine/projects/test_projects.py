"""Projects, classes and cases."""

from __future__ import annotations

import pytest

from engine.nouns import Note, Place, Refused
from engine.projects import StoreError
from tests.engine.projects.conftest import make_case


def test_a_project_keeps_its_classes_in_order(store, project):
    store.add_class(project.id, "毛刺")
    assert store.project(project.id).classes == ("smooth", "spiculated", "毛刺")


def test_renaming_a_class_keeps_its_labels(store, project):
    store.set_label(project.id, "case0", "smooth")
    store.rename_class(project.id, "smooth", "round")
    assert store.labels(project.id) == {"case0": "round"}


def test_a_case_of_a_removed_class_counts_as_unlabelled_and_a_new_class_of_that_name_is_another(store, project):
    store.set_label(project.id, "case0", "smooth")
    store.remove_class(project.id, "smooth")
    assert store.labels(project.id) == {"case0": None}
    store.add_class(project.id, "smooth")
    assert store.labels(project.id) == {"case0": None}


@pytest.mark.parametrize(
    ("name", "key"),
    [("", "class_empty"), ("  \n ", "class_empty"), ("Smooth", "class_twice"), ("UNSURE", "class_reserved"),
     ("x" * 81, "name_too_long")],
)  # fmt: skip
def test_an_unusable_class_name_is_refused_with_a_sentence(store, project, name, key):
    with pytest.raises(StoreError) as caught:
        store.add_class(project.id, name)
    assert caught.value.note.key == f"store.{key}"
    assert store.project(project.id).classes == ("smooth", "spiculated")


def test_a_tenth_class_has_no_key_and_is_refused(store):
    project = store.create_project("many", [str(n) for n in range(9)])
    with pytest.raises(StoreError):
        store.add_class(project.id, "ten")


def test_case_numbers_are_never_given_twice(store, project):
    store.remove_case(project.id, "case5")
    added = store.add_case(project.id, make_case(9))
    assert added.number == 7
    store.restore_case(project.id, "case5")
    assert [each.number for each in store.cases(project.id)] == [1, 2, 3, 4, 5, 6, 7]


def test_the_same_case_again_stays_as_it_is(store, project):
    again = store.add_case(project.id, make_case(0))
    assert again.number == 1
    assert len(store.cases(project.id)) == 6


def test_a_case_comes_back_as_it_went_in(store, project):
    assert store.case(project.id, "case3").case == make_case(3)


def test_removing_a_project_tells_which_cases_nobody_uses_any_more(store, project):
    other = store.create_project("Other")
    store.add_case(other.id, make_case(0))
    store.set_label(project.id, "case0", "smooth")
    store.undo(project.id)
    store.file_run(project.id, {"learner": "x"}, {"case1": {"p": 1}})
    orphans = store.remove_project(project.id)
    assert sorted(orphans) == [f"case{n}" for n in range(1, 6)]
    assert [each.id for each in store.projects()] == [other.id]
    assert store.has_case("case0")
    assert not store.has_case("case1")
    assert store.verify_audit().whole


def test_a_reset_project_is_empty_of_marks_and_runs_and_keeps_its_cases(store, project):
    store.set_label(project.id, "case0", "smooth")
    store.remove_case(project.id, "case1")
    store.file_run(project.id, {}, {})
    store.reset_project(project.id)
    assert set(store.labels(project.id).values()) == {None}
    assert len(store.cases(project.id)) == 6
    assert store.latest_run(project.id) is None


def test_a_reset_goes_back_to_the_first_state_that_was_kept(store, project):
    """Also where readers, classes, settings and cases have changed since; an undo finds nothing from before."""
    store.set_label(project.id, "case0", "smooth", reader="demo")
    store.set_place(project.id, "case0", Place((1, 2, 3)), reader="demo")
    store.keep_first_state(project.id)
    store.set_label(project.id, "case0", "spiculated", reader="AB")
    store.set_label(project.id, "case1", "smooth", reader="CD")
    store.undo(project.id)
    store.set_place(project.id, "case0", Place((9, 9, 9)), reader="AB", add=True)
    store.rename_class(project.id, "smooth", "round")
    store.add_class(project.id, "third")
    store.set_project_settings(project.id, learner="maml", blind=True)
    store.remove_case(project.id, "case2")
    store.add_case(project.id, make_case(7))
    assert store.reset_project(project.id, reader="AB")
    now = store.project(project.id)
    assert (now.classes, now.settings) == (project.classes, project.settings)
    assert [each.id for each in store.cases(project.id)] == [f"case{n}" for n in range(6)]
    assert {case: label for case, label in store.labels(project.id).items() if label} == {"case0": "smooth"}
    assert store.places(project.id) == {"case0": (Place((1, 2, 3)),)}
    assert store.readers(project.id) == {"demo": 1}
    while store.undo(project.id):
        pass
    assert not any(store.labels(project.id).values())
    assert store.verify_audit().whole


def test_a_reset_without_a_kept_state_says_so(store, project):
    assert not store.reset_project(project.id)


def test_refused_files_stand_in_a_table_with_their_note(store, project):
    note = Note("store.no_case")
    store.refuse(project.id, [Refused("a/b.dcm", note), Refused("c", note)], upload="u1")
    assert [(each.file, each.note) for each in store.refusals(project.id)] == [("a/b.dcm", note), ("c", note)]
    store.clear_refusals(project.id)
    assert store.refusals(project.id) == []


def test_runs_come_newest_first_with_their_predictions(store, project):
    store.file_run(project.id, {"learner": "one"}, {"case0": {"smooth": 0.9}})
    second = store.file_run(project.id, {"learner": "two"}, {"case1": {"smooth": 0.1}})
    assert [run.record["learner"] for run in store.runs(project.id)] == ["two", "one"]
    assert store.latest_run(project.id) == second
    assert store.predictions(second.id) == {"case1": {"smooth": 0.1}}


def test_a_run_with_a_prediction_for_no_case_files_nothing(store, project):
    with pytest.raises(Exception, match="FOREIGN KEY"):
        store.file_run(project.id, {}, {"case0": {}, "nowhere": {}})
    assert store.runs(project.id) == []
