"""The tour: every scene has its words, begins on the demo project, and a presenter's order is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from dashboard.predicted import Predicted
from dashboard.tour import ORDER, case_of
from dashboard.tour.scenes import SCENES, Scene, in_order
from dashboard.words import table
from tests.dashboard.test_steps import adapted, open_step


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_scene_has_a_title_and_a_text(language):
    words = table(language)
    assert all(words[f"tour.{scene.id}_{part}"] for scene in SCENES for part in ("title", "text"))


def test_a_presenters_order_is_followed_and_what_nobody_knows_is_passed_over():
    assert [s.id for s in in_order(["looked", "nonsense", "studies", "looked"])] == ["looked", "studies"]
    assert in_order([]) == in_order(["nonsense"]) == SCENES


@pytest.mark.parametrize("show", ["", "1"])
def test_every_scene_draws_before_and_after_a_run(project, show):
    from streamlit.testing.v1 import AppTest

    from tests.dashboard.test_steps import APP

    store, project_id = project
    with store.write() as db:
        db.execute("update project set demo = 1")
    for ran in (False, True):
        if ran:
            adapted(store, project_id)
        for number in (0, 5, len(SCENES) - 1, 99):
            scene = SCENES[min(number, len(SCENES) - 1)]
            test = AppTest.from_file(str(APP), default_timeout=60)
            test.query_params.update({"p": project_id, "s": scene.step, "t": str(number), "show": show})
            test.session_state["language"] = "en"
            test.run()
            assert not test.exception, [e.value for e in test.exception]


def test_the_tour_begins_on_the_demo_project_at_its_first_scene(project):
    store, project_id = project
    assert not [b for b in open_step(project_id, "projects").button if b.key == "tour-begin"]
    demo = store.create_project("Demo", ["a", "b"], demo=True)
    page = open_step(project_id, "projects")
    page.button(key="tour-begin").click().run()
    asked = {key: value if isinstance(value, str) else value[0] for key, value in page.query_params.items()}
    assert asked == {"p": demo.id, "s": "label", "t": "0"}


def test_the_tour_walks_the_demo_of_scans_that_has_most_of_them(project):
    """And ends where somebody goes on with a project of their own."""
    store, own = project
    few, many = (store.create_project(name, ["a", "b"], demo=True).id for name in ("Few", "Many"))
    store.add_case(few, store.cases(own)[0].case)
    for each in store.cases(own)[:2]:
        store.add_case(many, each.case)
    table = store.create_project("Rows", ["a", "b"], demo=True, settings={"table": "t"}).id
    for each in store.cases(own):
        store.add_case(table, each.case)
    page = open_step(own, "projects")
    page.button(key="tour-begin").click().run()
    assert page.query_params["p"] in (many, [many])
    page.query_params["p"] = own
    page.run()
    assert "t" not in page.query_params


def test_a_scene_is_about_a_case_of_its_kind(project):
    """The surest that is like the labelled ones; the first of those that are unlike all of them."""
    store, project_id = project
    adapted(store, project_id)
    raw = next(iter(store.predictions(store.latest_run(project_id).id).values()))
    one = Predicted.from_json(raw)
    scores = {"a": (0.9, False), "b": (0.6, False), "c": (0.99, True), "d": (0.7, True)}
    said = {
        case: replace(one, case=case, unlike=unlike, scores={"smooth": score, "spiculated": 1 - score})
        for case, (score, unlike) in scores.items()
    }
    page = SimpleNamespace(predictions=said, by_id=said)
    assert case_of(page, Scene("x", "evidence", (), case="surest")) == "a"
    assert case_of(page, Scene("x", "evidence", (), case="unlike")) == "d"
    assert case_of(page, Scene("x", "evidence", ())) is None
    page = SimpleNamespace(predictions={"a": said["a"]}, by_id=said)
    assert case_of(page, Scene("x", "evidence", (), case="unlike")) is None


def test_a_presenter_moves_a_scene_and_leaves_one_out(project):
    store, project_id = project
    store.create_project("Demo", ["a", "b"], demo=True)
    ids = [scene.id for scene in SCENES]
    open_step(project_id, "projects").button(key=f"move-{ids[1]}--1").click().run()
    assert json.loads(store.get_setting(ORDER)) == [ids[1], ids[0], *ids[2:]]
    open_step(project_id, "projects").button(key=f"drop-{ids[0]}").click().run()
    assert json.loads(store.get_setting(ORDER)) == [ids[1], *ids[2:]]
    open_step(project_id, "projects").button(key="all-scenes").click().run()
    assert in_order(json.loads(store.get_setting(ORDER))) == SCENES
