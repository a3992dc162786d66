"""Jobs on what several readers said: the comparison, a run from one reader's labels, the learning curve of a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.jobs.work import adapt, looks, rooms
from engine.jobs.work.adapt import keep_cases, read_said
from engine.jobs.work.looks import Look
from engine.learners import Support
from engine.nouns import Case, Geometry
from engine.projects import UNSURE, blind
from engine.sentences import Refusal

COUNT, ASKED = 12, 4


@pytest.fixture
def project(home, monkeypatch):
    """Sixteen cases, told apart by their numbers; AB labels twelve as they are, CD errs on three and skips one."""
    store = home.store
    made = store.create_project("X", ["a", "b"]).id
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(COUNT + ASKED, 6)).astype(np.float32)
    embeddings[1::2] += 3
    ids = [f"c{i}" for i in range(COUNT + ASKED)]
    for case in ids:
        store.add_case(made, Case(case, "image", case, (1, 8, 8), Geometry(measured=False), case))
    look = Look("whole", dict(zip(ids, embeddings, strict=True)))
    monkeypatch.setattr(looks, "whole_look", lambda cases, regions: look)
    monkeypatch.setattr(looks, "can_point", lambda cases, places: False)
    for i, case in enumerate(ids[:COUNT]):
        store.set_label(made, case, "ab"[i % 2], reader="AB")
    for i, case in enumerate(ids[: COUNT - 1]):
        store.set_label(made, case, "ab"[i % 2 if i >= 3 else 1 - i % 2], reader="CD")
    return made


def compare(home, project: str, **more) -> dict:
    return home.run("readers", project=project, learner="protonet", seed=0, look="auto", **more)


def test_readers_are_compared_and_the_model_is_taught_by_each(home, project):
    home.store.set_label(project, "c12", UNSURE, reader="CD")
    found = compare(home, project)
    (pair,) = found["pairs"]
    assert (pair["readers"], pair["count"], pair["same"]) == (("AB", "CD"), 11, 8)
    assert [each["case"] for each in found["differ"]] == ["c0", "c1", "c2"]
    assert found["readers"][1] == {"name": "CD", "labelled": 11, "unsure": 1, "left": 4}
    ab, cd = found["taught"]
    assert (ab["right"], ab["count"]) == (12, 12)  # the numbers part the classes widely
    # What AB's model says of left-out cases is the truth, so it is right on CD's labels where CD was.
    assert (ab["against"]["CD"]["right"], ab["against"]["CD"]["count"]) == (8, 11)
    assert cd["against"]["AB"]["right"] > cd["right"]
    assert found["all"] is None
    assert found["answers"][0]["count"] == 3  # c12 is AB's to predict, but CD set it aside


def test_a_third_reader_brings_fleiss_kappa_and_one_with_a_single_class_teaches_nothing(home, project):
    for case in ("c0", "c2", "c4"):
        home.store.set_label(project, case, "a", reader="EF")
    found = compare(home, project)
    assert found["all"]["count"] == 3 and found["all"]["table"] is None
    assert len(found["pairs"]) == 3
    assert found["taught"][2]["refused"]["key"] == "learners.one_class"


def test_one_reader_is_answered_with_a_sentence(home):
    alone = home.store.create_project("Y", ["a", "b"]).id
    with pytest.raises(Refusal) as caught:
        compare(home, alone)
    assert caught.value.note.key == "work.one_reader"


def test_read_blind_a_run_learns_from_who_pressed_adapt_and_says_so(home, project, monkeypatch):
    monkeypatch.setattr(rooms, "encoder", lambda: type("E", (), {"device": "cpu", "identity": "x"})())
    blind.begin(home.store, project)
    run = home.run("adapt", project=project, learner="protonet", seed=0, reader="CD")["run"]
    record = home.store.run(run).record
    assert record["taught_by"] == "CD"
    assert {each["case"]: each["label"] for each in record["support"]} == read_said(project, "CD").labels
    blind.lift(home.store, project)
    run = home.run("adapt", project=project, learner="protonet", seed=0, reader="CD")["run"]
    assert home.store.run(run).record["taught_by"] is None
    assert len(home.store.run(run).record["support"]) == COUNT


def test_the_learning_curve_is_kept_with_its_run(home, project):
    said = read_said(project, "AB")
    look = adapt.choose_look(said, "whole", 0, lambda *_: None, lambda: False)
    support = adapt.support_of(said, look)
    run = home.store.file_run(project, {"learner": "protonet", "seed": 0}, {})
    keep_cases(run.id, support, torch.zeros(0, 6), [])
    heard = []
    home.run("learning_curve", said=lambda done, total, note: heard.append((done, total)), run=run.id, project=project)
    curve = home.store.run(run.id).record["curve"]
    assert curve["patients"] == COUNT and curve["sizes"][-1] == COUNT - 1 and curve["then_patients"] == 2 * COUNT
    assert isinstance(support, Support) and curve["error"][-1] == 0  # leaving one out is right for all
    assert heard and all(total == heard[0][1] for _, total in heard)
