"""Jobs that ask a run once more: all methods compared and kept with it, its inner loop step by step, its sets."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from engine.evidence import judge
from engine.jobs.queue import Cancelled
from engine.jobs.work import KINDS, looks, rooms
from engine.jobs.work.adapt import Outdated, keep_cases
from engine.jobs.work.looks import Look
from engine.learners import Support, learner, learners
from engine.nouns import Case, Geometry
from engine.projects.database import StoreError
from engine.projects.digest import marks_digest

COUNT, ASKED = 10, 4
NAMES = [each.name for each in learners("classes")]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder that the jobs open instead of the one opened before."""
    monkeypatch.setenv("HANDFUL_DATA_DIR", str(tmp_path / "data"))
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()
    yield tmp_path
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()


def numbers() -> torch.Tensor:
    """(COUNT + ASKED, 12) embeddings; every second labelled one is of class "b"."""
    embeddings = np.random.default_rng(0).normal(size=(COUNT + ASKED, 12)).astype(np.float32)
    embeddings[1:COUNT:2] += 1.2
    return torch.from_numpy(embeddings)


def run_of(name: str, keep: bool = True):
    """A run as `adapt` files it, over numbers instead of pictures."""
    ids, asked = [f"s{i}" for i in range(COUNT)], [f"q{i}" for i in range(ASKED)]
    embeddings = numbers()
    support = Support(embeddings[:COUNT], torch.arange(2).repeat(COUNT // 2), ("a", "b"), tuple(ids))
    judged, _ = judge(learner(name), support, ids, embeddings[COUNT:], asked, asked)
    raw = judged.to_json()
    predictions = {p["case"]: p for p in raw.pop("predictions")}
    store = rooms.store()
    project = store.create_project("X", ["a", "b"]).id
    for case in (*ids, *asked):
        store.add_case(project, Case(case, "image", case, (1, 8, 8), Geometry(measured=False), case))
    for i, case in enumerate(ids):
        store.set_label(project, case, "ab"[i % 2])
    marks = marks_digest(store.labels(project), {}, {})
    record = {**raw, "seed": 0, "look": "whole", "asked_look": "whole", "marks": marks}
    run = store.file_run(project, record, predictions)
    if keep:
        keep_cases(run.id, support, embeddings[COUNT:], asked)
    return run


def ask(kind: str, run, home, said=lambda *_: None, stop=lambda: False):
    folder = home / "checkpoint"
    folder.mkdir(exist_ok=True)
    return KINDS[kind]({"run": run.id, "project": run.project_id}, said, stop, folder)


def test_compare_keeps_every_method_with_the_run_and_says_how_far_it_is(home):
    run, heard = run_of("protonet"), []
    ask("compare", run, home, said=lambda done, total, note: heard.append((done / total, note)))
    comparison = rooms.store().run(run.id).record["comparison"]
    assert [row["name"] for row in comparison["methods"]] == NAMES
    assert all(row["tested"]["count"] == COUNT and len(row["answers"]) == ASKED for row in comparison["methods"])
    assert comparison["recommended"] in NAMES and comparison["notes"]
    table = np.array(comparison["agreement"]["labelled"])
    assert table.shape == (len(NAMES), len(NAMES)) and np.allclose(np.diag(table), 1) and np.allclose(table, table.T)
    shares = [share for share, _ in heard]
    assert shares == sorted(shares) and heard[-1][1]["values"]["total"] == len(NAMES)
    # The same split for all: the method of the run did on it what the run's own test says.
    own = next(row for row in comparison["methods"] if row["name"] == "protonet")
    assert own["tested"]["right"] == run.record["tested"]["right"]


def test_compare_goes_on_where_a_killed_worker_left_it(home):
    run = run_of("protonet")
    calls = {"count": 0}

    def stop() -> bool:
        calls["count"] += 1
        return calls["count"] > COUNT + 3  # the first method is done, the second has begun

    with pytest.raises(Cancelled):
        ask("compare", run, home, stop=stop)
    assert "comparison" not in rooms.store().run(run.id).record
    kept = sorted(p.stem for p in (home / "checkpoint").iterdir())
    assert kept == [learners()[0].name]
    ask("compare", run, home)
    assert len(rooms.store().run(run.id).record["comparison"]["methods"]) == len(NAMES)


def test_the_last_step_predicts_what_the_run_predicted_and_the_first_what_was_known_before(home):
    run = run_of("maml")
    result = ask("stepping", run, home)
    trace = run.record["trace"]
    assert result["steps"] == trace[-1][0] and len(result["loss"]) == result["steps"] + 1
    assert result["loss"] == pytest.approx([t[1] for t in trace], abs=1e-3)
    for case, rows in result["cases"].items():
        assert rows[-1] == pytest.approx(rooms.store().predictions(run.id)[case]["probabilities"], abs=1e-3)
        assert len(rows) == result["steps"] + 1


@pytest.mark.parametrize("name", ["protonet", "nearest", "logistic"])
def test_a_method_that_solves_at_once_has_no_steps(home, name):
    result = ask("stepping", run_of(name), home)
    assert result["steps"] == 0 and result["loss"] == []


def test_a_run_from_elsewhere_is_answered_with_a_sentence(home):
    run = run_of("protonet", keep=False)
    for kind in ("compare", "stepping"):
        with pytest.raises(Outdated) as caught:
            ask(kind, run, home)
        assert caught.value.note.key == "work.not_kept"


def test_the_test_of_a_run_says_what_cannot_be_excluded_and_how_the_controls_did(home, monkeypatch):
    run = run_of("protonet")
    embeddings = numbers().numpy()
    look = Look("whole", {f"s{i}": embeddings[i] for i in range(COUNT)})
    monkeypatch.setattr(looks, "whole_look", lambda cases, regions: look)
    monkeypatch.setattr(looks, "can_point", lambda cases, places: False)
    ask("test", run, home)
    record = rooms.store().run(run.id).record
    assert record["tests"]["whole"]["right"] == record["tested"]["right"]
    assert set(record["tests"]) == {"whole", "nearest", "logistic"}
    assert record["sets"]["patients"] == {"a": COUNT // 2, "b": COUNT // 2}
    # Five patients a class allow a promise at 80 %, not at 90 %, where nothing is excluded.
    assert record["sets"]["levels"]["0.8"]["promises"] == ["a", "b"] and not record["sets"]["levels"]["0.9"]["promises"]
    assert all(sorted(names) == ["a", "b"] for names in record["sets"]["levels"]["0.9"]["cases"].values())
    assert set(record["sets"]["levels"]["0.8"]["cases"]) == {f"q{i}" for i in range(ASKED)}
    rooms.store().set_label(run.project_id, "q0", "a")
    assert ask("test", run, home) == {}  # labels went on: the next run has its own test


def test_the_comparison_is_taken_along_as_csv(home):
    run = run_of("protonet")
    asked = {"project": run.project_id, "what": "comparison", "reader": "AB"}
    with pytest.raises(StoreError) as caught:
        KINDS["export"](asked, lambda *_: None, lambda: False, home)
    assert caught.value.note.key == "store.no_comparison"
    ask("compare", run, home)
    made = KINDS["export"](asked, lambda *_: None, lambda: False, home)
    path = home / "data" / "downloads" / made["download"] / made["name"]
    rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    methods = rooms.store().run(run.id).record["comparison"]["methods"]
    assert [row["method"] for row in rows] == [each["name"] for each in methods]
    for row, each in zip(rows, methods, strict=True):
        assert (int(row["right"]), int(row["tested"])) == (each["tested"]["right"], COUNT)
        assert float(row["low_95"]) == pytest.approx(each["tested"]["low"], abs=1e-5)
        assert float(row[f"agrees_labelled_{each['name']}"]) == 1.0
    assert sum(int(row["recommended"]) for row in rows) == 1
