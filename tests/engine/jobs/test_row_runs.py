"""Runs over rows of a table: adapted, tested, compared, stepped, and judged by the labels that were kept aside."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from engine.evidence.held_back import judge_held_back, short_intervals
from engine.jobs.work.adapt import kept_cases
from engine.jobs.work.row_data import held_back
from engine.jobs.work.tables import open_table
from engine.learners import SupportError
from engine.sentences import say
from engine.tables import propose
from tests.engine.jobs.made_home import Home
from tests.engine.jobs.made_tables_of_jobs import table_of_frame

N = 80


def records(seed: int = 0, **more) -> pd.DataFrame:
    """One row a patient; the outcome follows marker strongly, the stay follows marker linearly."""
    rng = np.random.default_rng(seed)
    marker = rng.normal(size=N)
    frame = {
        "patient_id": [f"p{i}" for i in range(N)],
        "hospital": rng.choice(["North", "South"], N),
        "marker (mg/dL)": (100 + 20 * marker).round(1),
        "age": rng.normal(60, 10, N).round(),
        "smoker": rng.choice(["yes", "no"], N),
        "outcome": np.where(marker + rng.normal(0, 0.3, N) > 0, "ill", "well"),
    }
    return pd.DataFrame({**frame, **more})


def opened(frame: pd.DataFrame, label: str = "outcome", teach: int = 10, **settings) -> str:
    table = table_of_frame(frame)
    return open_table("Rows", table, propose(table, label=label, patient="patient_id"), settings=settings, teach=teach)


def stays(seed: int = 0) -> pd.DataFrame:
    frame = records(seed).drop(columns="outcome")
    noise = np.random.default_rng(seed + 1).normal(0, 0.4, N)
    return frame.assign(**{"target (days)": (5 + 0.1 * (frame["marker (mg/dL)"] - 100) + noise).round(2)})


def adapt(home: Home, project: str, learner: str = "protonet"):
    run = home.store.run(home.run("adapt", project=project, learner=learner, seed=0)["run"])
    home.run("test", project=project, run=run.id)
    return home.store.run(run.id)


def test_a_run_over_rows_predicts_every_unlabelled_row_and_counts_the_labels_held_back(home):
    project = opened(records())
    run = adapt(home, project)
    predictions, truth = home.store.predictions(run.id), held_back(run.record["hashes"]["table"], project)
    assert set(predictions) == set(truth) == set(home.store.split(project).query) and len(truth) == N - 20
    right = sum(predictions[c]["predicted"] == truth[c] for c in truth)
    told = run.record["held_back"]
    assert (told["right"], told["count"]) == (right, N - 20) and told["low"] <= right / (N - 20) <= told["high"]
    assert told["low"] > 0.5
    assert sum(each["right"] for each in told["classes"].values()) == right
    assert set(told["wrong"]) == {c for c in truth if predictions[c]["predicted"] != truth[c]}
    assert run.record["look"] == "row" and run.record["target"] == "class"
    assert all(sum(p["probabilities"]) == pytest.approx(1, abs=1e-5) for p in predictions.values())


def test_the_test_of_a_run_over_rows_leaves_patients_out_and_has_controls_and_sets(home):
    project = opened(records())
    record = adapt(home, project).record
    assert set(record["tests"]) == {"row", "nearest", "logistic"} and record["tests"]["row"]["count"] == 20
    assert set(record["sets"]["levels"]) == {"0.8", "0.9"}


def test_the_numbers_of_a_run_rest_on_the_labelled_rows_alone(home):
    """Other values in the rows asked about change no labelled row's embedding."""
    frame = records()
    first = opened(frame)
    taught = {c.case.kept["line"] for c in home.store.cases(first) if c.id in home.store.labels(first)}
    embeddings = []
    for scale in (1.0, 50.0):
        moved = frame.copy()
        asked = [i for i in range(N) if i + 2 not in taught]
        moved.loc[asked, "age"] *= scale
        project = home.store.create_project("again").id
        table = table_of_frame(moved)
        from engine.jobs.work.tables import file_rows

        dictionary = propose(table, label="outcome", patient="patient_id")
        file_rows(project, table, dictionary, label_from=None, teach=0, most=500, reader="")
        lines = {c.case.kept["line"]: c.id for c in home.store.cases(project)}
        for name in ("ill", "well"):
            home.store.add_class(project, name)
        home.store.label_rows(project, {lines[line]: frame["outcome"][line - 2] for line in sorted(taught)})
        embeddings.append(kept_cases(adapt(home, project).id).support.embeddings)
    assert torch.equal(*embeddings)


def test_columns_that_give_the_answer_away_and_silent_ones_are_left_out_and_named(home):
    frame = records()
    frame["discharge diagnosis"] = frame["outcome"].map({"ill": "J18", "well": "Z00"})
    frame.loc[:, "always"] = [1.0] * (N - 1) + [2.0]
    run = adapt(home, opened(frame))
    notes = {n["key"]: n["values"] for n in run.record["notes"]}
    assert notes["work.leaks_left_out"]["columns"] == "discharge diagnosis"
    assert "always" in notes["table.silent_columns"]["columns"]


def test_a_site_that_tells_the_class_is_said(home):
    frame = records()
    frame["hospital"] = np.where(frame["outcome"] == "ill", "North", "South")
    table = table_of_frame(frame)
    dictionary = propose(table, label="outcome", patient="patient_id").change("hospital", role="site")
    run = adapt(home, open_table("Sites", table, dictionary))
    assert "evidence.shortcut_site" in {n["key"] for n in run.record["notes"]}


def test_a_wrong_label_is_questioned_by_its_neighbours_and_a_strange_row_is_flagged(home):
    frame = records()
    frame.loc[N - 1, ["marker (mg/dL)", "age"]] = [1e4, 400]
    frame.loc[N - 1, "outcome"] = None
    project = opened(frame)
    clear = max(
        (c for c in home.store.cases(project) if home.store.labels(project).get(c.id) == "ill"),
        key=lambda c: frame["marker (mg/dL)"][c.case.kept["line"] - 2],
    )
    home.store.set_label(project, clear.id, "well")
    run = adapt(home, project, "logistic")
    told = [n["values"]["case"] for n in run.record["notes"] if n["key"] == "evidence.contradicted"]
    assert clear.id in told
    flags = {c: p["unlike_flag"] for c, p in home.store.predictions(run.id).items()}
    strange = next(c.id for c in home.store.cases(project) if c.case.kept["line"] == N + 1)
    assert flags[strange] and sum(flags.values()) < N / 4


def test_every_method_is_compared_on_rows_and_its_steps_can_be_followed(home):
    run = adapt(home, opened(records(), teach=6), "maml")
    home.run("compare", project=run.project_id, run=run.id)
    methods = home.store.run(run.id).record["comparison"]["methods"]
    assert {"protonet", "logistic", "maml", "incontext"} <= {m["name"] for m in methods}
    steps = home.run("stepping", run=run.id)
    last = {case: rows[-1] for case, rows in steps["cases"].items()}
    predictions = home.store.predictions(run.id)
    assert steps["steps"] > 0 and all(np.allclose(last[c], predictions[c]["probabilities"], atol=2e-3) for c in last)


def test_a_number_comes_with_an_interval_a_test_and_what_was_held_back(home):
    project = opened(stays(), "target (days)", teach=20)
    run = adapt(home, project, "ridge")
    predictions, truth = home.store.predictions(run.id), held_back(run.record["hashes"]["table"], project)
    assert all(p["low"] <= p["value"] <= p["high"] and p["unit"] == "days" for p in predictions.values())
    told = run.record["held_back"]
    inside = sum(predictions[c]["low"] <= truth[c] <= predictions[c]["high"] for c in truth)
    assert (told["inside"], told["count"]) == (inside, len(truth)) and inside / len(truth) > 0.6
    assert told["r2"] > 0.6 and run.record["tests"]["row"]["r2"] > 0.5
    assert run.record["tests"]["row"]["mae"] < run.record["tests"]["row"]["mean_mae"]
    again = adapt(home, project, "matching")
    assert isinstance(again.record["changed"], list)


def test_methods_for_numbers_are_compared_and_their_steps_end_at_the_run(home):
    run = adapt(home, opened(stays(), "target (days)", teach=12), "maml")
    home.run("compare", project=run.project_id, run=run.id)
    comparison = home.store.run(run.id).record["comparison"]
    assert comparison["recommended"] in {m["name"] for m in comparison["methods"] if m["refused"] is None}
    steps = home.run("stepping", run=run.id)
    predictions = home.store.predictions(run.id)
    assert all(rows[-1] == pytest.approx(predictions[c]["value"], abs=1e-3) for c, rows in steps["cases"].items())


def test_a_method_for_classes_says_that_it_learns_no_numbers(home):
    project = opened(stays(), "target (days)")
    with pytest.raises(SupportError) as refused:
        adapt(home, project, "protonet")
    assert refused.value.note.key == "learners.classes_only"


def test_a_number_labelled_wrong_by_far_is_questioned(home):
    project = opened(stays(), "target (days)", teach=20)
    wrong = next(iter(home.store.labels(project)))
    home.store.set_number(project, wrong, 60.0)
    run = adapt(home, project, "nearest")
    assert wrong in [n["values"]["case"] for n in run.record["notes"] if n["key"] == "evidence.doubted_number"]


def test_held_back_numbers_are_scored_against_a_hand_count():
    truth = {"a": 1.0, "b": 2.0, "c": 4.0}
    predictions = {
        "a": {"value": 1.5, "low": 0.0, "high": 2.0}, "b": {"value": 2.0, "low": 1.9, "high": 2.1},
        "c": {"value": 3.0, "low": 2.0, "high": 3.5}, "d": {"value": 9.0, "low": 8.0, "high": 10.0},
    }  # fmt: skip
    told = judge_held_back(truth, predictions)
    assert (told["count"], told["inside"]) == (3, 2) and told["mae"] == pytest.approx(0.5)
    assert told["r2"] == pytest.approx(1 - 1.25 / (14 / 3), abs=1e-5)
    assert judge_held_back(truth, {"d": predictions["d"]}) is None


def test_intervals_that_hold_too_seldom_are_warned_of_and_others_are_not():
    def judged(inside: int, count: int) -> dict | None:
        truth = {str(i): 0.0 if i < inside else 9.0 for i in range(count)}
        return judge_held_back(truth, {case: {"value": 0.0, "low": -1.0, "high": 1.0} for case in truth})

    (note,) = short_intervals(judged(60, 100), 0.8)
    assert dict(note.values) == {"inside": 60, "count": 100, "percent": 80}
    assert "60 of the 100" in say(note, "en") and "100 行" in say(note, "zh")
    assert short_intervals(judged(74, 100), 0.8) == []  # chance
    assert short_intervals(judged(4, 8), 0.8) == []
    assert short_intervals(None, 0.8) == []
