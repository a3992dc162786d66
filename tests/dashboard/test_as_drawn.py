"""Two tabs, or two people: a button means the case and the classes that were drawn when it was pressed."""

from __future__ import annotations

import pytest

from dashboard.words import Words
from tests.dashboard.test_steps import adapted, open_step


def told(page) -> bool:
    return any("Nothing was labelled" in h.proto.body for h in page.get("html"))


def test_a_case_removed_elsewhere_does_not_give_its_label_to_another(project):
    store, project_id = project
    page = open_step(project_id, "label", case="case5")
    store.remove_case(project_id, "case5")
    page.button(key="give-1").click().run()
    assert not any(store.labels(project_id).values()) and told(page) and not page.exception
    page.button(key="give-1").click().run()  # what is shown now has been seen
    assert store.labels(project_id)["case0"] == "spiculated"


@pytest.mark.parametrize("change", ["remove", "rename"])
def test_the_first_button_does_not_mean_another_class_after_the_classes_were_changed_elsewhere(project, change):
    store, project_id = project
    store.add_class(project_id, "cyst")
    page = open_step(project_id, "label", case="case0")
    if change == "remove":
        store.remove_class(project_id, "smooth")
    else:
        store.rename_class(project_id, "smooth", "round")
    page.button(key="give-0").click().run()
    assert not any(store.labels(project_id).values()) and told(page) and not page.exception


def test_a_project_deleted_elsewhere_does_not_give_its_label_to_another_project(project):
    store, project_id = project
    other = eight_more(store, project_id)
    page = open_step(project_id, "label", case="case5")
    store.remove_project(project_id)
    page.button(key="give-1").click().run()
    assert not any(store.labels(other).values()) and not page.exception
    assert any(Words("en")("projects.gone") in h.proto.body for h in page.get("html"))
    assert page.button(key=f"open-{other}")  # one press leads on


def eight_more(store, project_id: str) -> str:
    """Another project with the same scans and classes."""
    other = store.create_project("Other", ["smooth", "spiculated"]).id
    for each in store.cases(project_id):
        store.add_case(other, each.case)
    return other


def test_evidence_of_another_case_after_adapting_elsewhere_takes_no_label_meant_for_the_first(project):
    store, project_id = project
    adapted(store, project_id)
    page = open_step(project_id, "evidence")  # the least sure case, whichever that is
    shown = [c for c in ("case6", "case7") if c in page.session_state["drawn"]]
    store.remove_case(project_id, shown[0])
    page.button(key="correct-1").click().run()
    assert not {"case6", "case7"} & set(store.labels(project_id)) and told(page) and not page.exception


def test_one_who_labels_alone_is_never_asked_twice(project):
    store, project_id = project
    page = open_step(project_id, "label", case="case0")
    for _ in range(8):
        page.button(key="give-0").click().run()
    assert len(store.labels(project_id)) == 8 and not told(page)


def test_a_case_removed_elsewhere_takes_no_other_with_it(project):
    store, project_id = project
    page = open_step(project_id, "gather", case="case5")
    store.remove_case(project_id, "case5")
    page.button(key="remove-case5").click().run()
    assert len(store.cases(project_id)) == 7 and not page.exception
