"""Several readers on one project: blind to each other until it is lifted, then compared; runs side by side."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from dashboard.words import Words
from engine.evidence.learning_curve import curve, try_handfuls
from engine.jobs.queue import LEARN, Queue
from engine.jobs.work import readers as readers_job
from engine.jobs.work import rooms
from engine.jobs.work.looks import Look
from engine.learners import Support, learner
from engine.projects import blind
from tests.dashboard.test_steps import adapted, open_step

SAID = {"AB": "aabbab..", "CD": "abbbaa.."}
CLASS = {"a": "smooth", "b": "spiculated"}


def shown(page: AppTest) -> str:
    return html.unescape(" ".join(h.proto.body for h in page.get("html")))


def listed(page: AppTest) -> str:
    """What the components of the page were given: the worklist at the left among them."""
    given = " ".join(str(each.proto) for each in page.get("bidi_component"))
    return re.sub(r"\\+u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), given)


@pytest.fixture
def reading(monkeypatch):
    """reading("AB"): from now on that reader sits at the browser."""

    def sit(name: str) -> None:
        monkeypatch.setattr("dashboard.gate.reader", lambda store, port, cookies: name)

    return sit


def label_all(store, project_id: str) -> None:
    for name, letters in SAID.items():
        for i, letter in enumerate(letters):
            if letter != ".":
                store.set_label(project_id, f"case{i}", CLASS[letter], reader=name)


def at(project_id: str, view: str, language: str = "en") -> AppTest:
    page = open_step(project_id, "adapt", language)
    page.query_params["v"] = view
    page.run()
    assert not page.exception
    assert not any("could not be drawn" in h.proto.body or "未能显示" in h.proto.body for h in page.get("html"))
    return page


def compared(store, project_id: str, tmp_path: Path, monkeypatch) -> None:
    """The job that the button files, run here over numbers instead of pictures."""
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()
    numbers = np.random.default_rng(0).normal(size=(8, 12)).astype(np.float32)
    look = Look("whole", {f"case{i}": numbers[i] for i in range(8)})
    monkeypatch.setattr(readers_job, "choose_look", lambda *_: look)
    queue = Queue(tmp_path / "data")
    (job,) = queue.jobs(project=project_id, kinds=("readers",))
    assert queue.claim(job.lane, "test", 0).id == job.id
    result = readers_job.run(dict(job.args), lambda *_: None, lambda: False, tmp_path)
    queue.end(job.id, "test", "done", result=json.loads(json.dumps(result)))
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()


def test_a_blind_reader_sees_and_teaches_with_their_own_labels_alone(project, reading, tmp_path):
    store, project_id = project
    label_all(store, project_id)
    store.set_label(project_id, "case6", "smooth", reader="CD")
    blind.begin(store, project_id)
    reading("AB")
    page = open_step(project_id, "label", case="case7")
    assert "6 labelled cases teach." in shown(page)
    reading("CD")
    assert "7 labelled cases teach." in shown(open_step(project_id, "label", case="case7"))
    reading("EF")
    page = open_step(project_id, "label", case="case0")
    assert page.button(key="adapt").disabled
    page.button(key="give-1").click().run()
    assert store.labels(project_id, reader="EF") == {"case0": "spiculated"}
    assert store.labels(project_id, reader="AB")["case0"] == "smooth"
    for name in ("AB", "CD"):
        reading(name)
        open_step(project_id, "label").button(key="adapt").click().run()
    filed = Queue(tmp_path / "data").jobs(project=project_id, kinds=("adapt",))
    assert {job.args["reader"] for job in filed} == {"AB", "CD"}  # one does not swallow the other's


def test_a_run_of_another_reader_is_not_shown_while_it_is_blind(project, reading):
    store, project_id = project
    adapted(store, project_id)
    run = store.latest_run(project_id)
    store.complete_run(run.id, {"taught_by": "CD"})
    blind.begin(store, project_id)
    reading("AB")
    assert "predicted in" not in shown(at(project_id, "result"))
    reading("CD")
    assert "predicted in" in shown(at(project_id, "result"))


def test_without_a_name_nothing_is_labelled_in_a_blind_project(project, reading):
    store, project_id = project
    blind.begin(store, project_id)
    reading("")
    page = open_step(project_id, "label", case="case0")
    assert "say who you are" in shown(page)
    assert not any(button.key == "give-0" for button in page.button)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_two_readers_are_compared_and_where_they_differ_is_shown_once_it_is_lifted(
    project, reading, tmp_path, monkeypatch, language
):
    store, project_id = project
    blind.begin(store, project_id)
    label_all(store, project_id)
    reading("AB")
    at(project_id, "readers", language).button(key="compare-readers").click().run()
    compared(store, project_id, tmp_path, monkeypatch)
    words, page = Words(language), at(project_id, "readers", language)
    said = shown(page)
    # They agree on cases 0, 2, 3 and 4 of six; the exact interval of 4 of 6.
    who = words("readers.and").join(SAID)
    assert words("readers.agree", who=who, k=4, n=6, low=22, high=96) in said
    assert words("readers.kappa_method") in said and words("readers.taught") in said
    assert words("readers.answers", a="AB", b="CD", k=2, n=2, low=16, high=100).split("2")[0] in said
    assert words("readers.differ_blind") in listed(page) and "Case 02" not in listed(page)
    page.button(key="lift-blind").click().run()
    page = at(project_id, "readers", language)
    assert not store.project(project_id).settings["blind"]
    assert "AB: smooth · CD: spiculated" in listed(page)
    assert words("readers.not_blind") not in shown(page)


def test_labels_given_after_lifting_do_not_change_the_comparison(project, reading, tmp_path, monkeypatch):
    store, project_id = project
    blind.begin(store, project_id)
    label_all(store, project_id)
    blind.lift(store, project_id)
    reading("AB")
    at(project_id, "readers").button(key="compare-readers").click().run()
    compared(store, project_id, tmp_path, monkeypatch)
    store.set_label(project_id, "case1", "spiculated", reader="AB")
    assert "changed since this comparison" not in shown(at(project_id, "readers"))


def test_labels_that_were_not_given_blind_are_compared_with_a_warning_and_new_ones_ask_again(
    project, reading, tmp_path, monkeypatch
):
    store, project_id = project
    label_all(store, project_id)
    reading("AB")
    at(project_id, "readers").button(key="compare-readers").click().run()
    compared(store, project_id, tmp_path, monkeypatch)
    assert "not given blind" in shown(at(project_id, "readers"))
    store.set_label(project_id, "case1", "spiculated", reader="AB")
    assert "changed since this comparison" in shown(at(project_id, "readers"))


def test_one_reader_is_told_what_a_comparison_needs(project, reading):
    store, project_id = project
    adapted(store, project_id)
    assert "One reader so far" in shown(at(project_id, "readers"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_two_runs_stand_side_by_side_with_what_changed_and_which_cases_flipped(project, language):
    store, project_id = project
    adapted(store, project_id)
    words = Words(language)
    assert words("runs.only_one") in shown(at(project_id, "runs", language))
    run = store.latest_run(project_id)
    other = {
        case: {**raw, "predicted": "smooth" if raw["predicted"] == "spiculated" else "spiculated"}
        for case, raw in store.predictions(run.id).items()
        if case == "case6"
    }
    support = [*run.record["support"][:5], {"case": "case7", "label": "smooth", "at_mm": None}]
    store.file_run(project_id, {**run.record, "learner": "nearest", "seed": 3, "support": support}, other)
    page = at(project_id, "runs", language)
    said = shown(page)
    names = (words("adapt.learner_protonet"), words("adapt.learner_nearest"))
    assert words("runs.learner", before=names[0], after=names[1]) in said
    assert words("runs.seed_changed", before="0", after="3") in said
    assert words("runs.added", count=1) in said and words("runs.removed", count=1) in said
    assert words("runs.flipped", k=1, n=1) in said
    assert words("app.case", number=7) in listed(page)


def test_the_curve_says_what_twice_as_many_would_bring_or_that_too_few_allow_nothing(project, tmp_path):
    store, project_id = project
    adapted(store, project_id)
    run = store.latest_run(project_id)
    rng = np.random.default_rng(0)

    def found(count: int) -> dict:
        targets = torch.arange(2).repeat(count // 2)
        numbers = torch.from_numpy(rng.normal(size=(count, 4)).astype(np.float32)) + targets[:, None]
        support = Support(numbers, targets, ("smooth", "spiculated"), tuple(map(str, range(count))))
        return curve(try_handfuls(learner("nearest"), support, handfuls=4), count, most=1.0).to_json()

    store.complete_run(run.id, {"curve": found(6)})
    assert "6 labelled patients are too few" in shown(at(project_id, "runs"))
    store.complete_run(run.id, {"curve": found(12)})
    assert "With 24 labelled patients instead of 12 it would probably be right for" in shown(at(project_id, "runs"))


def test_the_curve_is_asked_for_the_newest_run(project, tmp_path):
    store, project_id = project
    adapted(store, project_id)
    run = store.latest_run(project_id)
    from engine.projects.digest import marks_digest

    marks = marks_digest({c: v for c, v in store.labels(project_id).items() if v}, {}, {})
    store.complete_run(run.id, {"marks": marks})
    at(project_id, "runs").button(key="draw-curve").click().run()
    (job,) = Queue(tmp_path / "data").jobs(project=project_id, kinds=("learning_curve",))
    assert job.args["run"] == run.id and job.lane != LEARN  # Adapt does not wait for it
