"""The gallery: its pages are whole in both languages, and each task opens as a project that can be adapted at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.jobs.gallery import FOLDER, task, tasks
from engine.jobs.work import gallery, rooms
from engine.jobs.work.row_data import held_back, row_data
from engine.learners import learners
from engine.phantoms.tables import TABLES, make_table
from engine.projects.projects import first_state_key
from engine.sentences import LANGUAGES, Refusal


@pytest.fixture
def house(tmp_path, monkeypatch):
    """An empty data folder and its store."""
    monkeypatch.setenv("HANDFUL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HANDFUL_KEY_FILE", str(tmp_path / "key"))
    (tmp_path / "data").mkdir()
    rooms_cached = (rooms.settings, rooms.store, rooms.queue, row_data)
    for each in rooms_cached:
        each.cache_clear()
    yield rooms.store()
    for each in rooms_cached:
        each.cache_clear()


def ask(**args) -> dict:
    return gallery.run({"reader": "me", **args}, lambda *_: None, lambda: False, Path())


def test_every_ready_task_has_a_page_in_both_languages_and_a_method_that_fits():
    assert {t.id for t in tasks()} == set(TABLES) == {p.stem for p in FOLDER.glob("*.toml")}
    for each in tasks():
        assert each.learner in {found.name for found in learners("classes" if each.target == "class" else "number")}
        assert each.target == make_table(each.id, 1, 60).truth.target
        for language in LANGUAGES:
            text = each.texts[language]
            assert all([text.title, text.question, text.row, text.why, *text.columns, *text.limits])
            assert len(text.limits) >= 3
            assert bool(text.warning) == each.treatment
        english, chinese = (each.texts[language] for language in LANGUAGES)
        assert len(english.columns) == len(chinese.columns)
        assert len(english.limits) == len(chinese.limits)


def test_pages_about_treatments_warn_of_confounding_and_never_promise_what_is_best():
    treating = [each for each in tasks() if each.treatment]
    assert "diabetes-medication" in {each.id for each in treating}
    for each in treating:
        assert "confounding" in each.texts["en"].warning
        assert "混杂" in each.texts["zh"].warning
    medication = task("diabetes-medication").texts["en"]
    assert "what clinicians chose" in medication.limits[0]
    assert "never what is best" in medication.limits[0]


@pytest.mark.parametrize("id_", ["diabetes-medication", "follow-up", "molecule-activity", "bed-planning"])
def test_a_task_opens_as_a_project_with_a_handful_of_labels_from_two_hospitals(house, id_):
    chosen, made = task(id_), make_table(id_, gallery.SEED)
    project = house.project(ask(task=id_)["project"])
    assert project.demo
    assert project.settings["learner"] == chosen.learner
    assert project.settings["target"] == chosen.target
    cases, labels = house.cases(project.id), house.labels(project.id)
    assert len(cases) == (made.frame["patient_id"].nunique() if made.long else len(made.frame))
    assert all(each.case.synthetic for each in cases)
    sites = {each.id: each.case.site for each in cases}
    assert len(set(sites.values())) == 3
    assert len({sites[case] for case in labels}) == gallery.TAUGHT_SITES
    if chosen.target == "class":
        assert set(project.classes) == set(made.truth.classes)
        assert Counter(labels.values()) == dict.fromkeys(made.truth.classes, chosen.taught)
    else:
        assert len(labels) == chosen.taught
        assert project.settings["unit"] == "days"
    aside = held_back(project.settings["table"], project.id)
    assert set(aside) == set(sites) - set(labels)  # all others are asked about, and their truth is known
    split = house.split(project.id)
    assert set(split.query) <= set(aside)


def test_held_back_truth_is_the_tables_own_and_no_column_tells_hospital_or_name(house):
    project = house.project(ask(task="surgical-risk")["project"])
    data, made = row_data(project.settings["table"]), make_table("surgical-risk", gallery.SEED)
    aside = held_back(project.settings["table"], project.id)
    rows = {each.id: each.case.kept["row"] for each in house.cases(project.id)}
    assert all(made.frame["outcome_30d"][rows[case]] == truth for case, truth in aside.items())
    assert "patient_id" not in data.table.columns
    assert "hospital" not in data.table.columns


def test_after_a_reset_the_same_rows_are_labelled_again(house):
    """At once; and by a job, where an earlier version made the project and kept no first state."""
    project = ask(task="emergency")["project"]
    before = house.labels(project)
    taught = next(iter(before))
    house.set_label(project, taught, None)
    house.set_project_settings(project, learner="nearest")
    assert house.reset_project(project)
    assert house.labels(project) == before
    assert house.project(project).settings["learner"] != "nearest"
    with house.write() as db:
        db.execute("delete from setting where key = ?", (first_state_key(project),))
    assert not house.reset_project(project)
    assert not any(house.labels(project).values())
    ask(task="emergency", project=project)
    assert house.labels(project) == before


def test_a_project_for_ones_own_table_is_empty_but_knows_question_and_method(house):
    project = house.project(ask(task="follow-up", own=True, language="zh")["project"])
    assert project.name == "远程随访"
    assert not project.demo
    assert not house.cases(project.id)
    assert project.settings["learner"] == "platipus"


def test_an_unknown_task_is_refused_by_name(house):
    with pytest.raises(Refusal, match="palmistry"):
        ask(task="palmistry")
    assert not house.projects()
