"""Pictures that came in a folder a class: one press makes the classes and labels a few of each."""

from __future__ import annotations

import pytest

from dashboard.words import Words
from engine.projects.folder_names import folders_of, keep_folders
from tests.dashboard.test_steps import open_step

WORDS = Words("en")
NAMED = {f"case{i}": ("left  kidney", "right")[i % 2] for i in range(8)}


@pytest.fixture
def empty(project):
    """(store, project, folder of the data): eight pictures of two folders, a project without classes."""
    store, project_id = project
    made = store.create_project("Kidneys")
    for each in store.cases(project_id):
        store.add_case(made.id, each.case)
    data_dir = store.path.parent
    keep_folders(data_dir, made.id, NAMED)
    return store, made.id, data_dir


def shown(page) -> str:
    return " ".join(h.proto.body for h in page.get("html"))


def test_folders_become_classes_and_the_first_of_each_are_labelled(empty):
    store, project_id, data_dir = empty
    page = open_step(project_id, "gather")
    assert "“left  kidney” 4 · “right” 4" in shown(page)
    page.number_input(key="folders-count").set_value(2)
    page.button(key="folders-yes").click().run()
    assert not page.exception
    assert store.project(project_id).classes == ("left kidney", "right")
    given = {case: label for case, label in store.labels(project_id).items() if label}
    assert given == {"case0": "left kidney", "case2": "left kidney", "case1": "right", "case3": "right"}
    assert page.query_params["s"] in ("label", ["label"])
    assert folders_of(data_dir, project_id) == {}  # the names are gone


def test_no_forgets_the_names_and_asks_no_more(empty):
    store, project_id, data_dir = empty
    page = open_step(project_id, "gather")
    page.button(key="folders-no").click().run()
    assert folders_of(data_dir, project_id) == {}
    assert WORDS("gather.folders") not in shown(page)
    assert not store.project(project_id).classes


def test_a_class_that_is_there_already_is_used_and_labelled_cases_are_left_alone(empty):
    store, project_id, _ = empty
    store.add_class(project_id, "Right")
    store.set_label(project_id, "case1", "Right")
    page = open_step(project_id, "gather")
    assert "“right” 3" in shown(page)
    page.button(key="folders-yes").click().run()
    assert store.project(project_id).classes == ("Right", "left kidney")
    assert store.labels(project_id)["case7"] == "Right"


def test_one_folder_is_no_question(empty):
    store, project_id, data_dir = empty
    keep_folders(data_dir, project_id, dict.fromkeys(NAMED, "all"))
    assert WORDS("gather.folders") not in shown(open_step(project_id, "gather"))
