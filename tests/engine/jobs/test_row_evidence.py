"""What an answer about a row rests on, and what it would be if a value were another."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from engine.evidence.row_attribution import METHODS, attribute
from engine.jobs.work import rooms
from engine.jobs.work.atoms import spread_over_atoms
from engine.jobs.work.row_model import changed_row, row_model
from engine.jobs.work.tables import open_table
from engine.jobs.work.weights import other_weights, weights_now
from engine.nouns import Note
from engine.projects.records import Run
from engine.sentences import Refusal, say
from engine.tables import propose
from engine.tables.molecule_reading import fragments_of
from engine.tables.rows import apply
from tests.engine.jobs.made_home import Home
from tests.engine.jobs.made_tables_of_jobs import table_of_frame
from tests.engine.jobs.test_row_runs import N, opened, records, stays


def run_of(home: Home, project: str, learner: str = "protonet"):
    return home.store.run(home.run("adapt", project=project, learner=learner, seed=0)["run"])


@pytest.mark.parametrize("method", METHODS)
def test_a_straight_line_is_attributed_exactly_by_every_method(method):
    weights = torch.tensor([2.0, -1.0, 0.5, 0.0])
    row, plain = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.0, 0.5, 1.0, 9.0])
    found = attribute(lambda x: x @ weights + 1, row, plain, [0, 0, 1, 2], method)
    assert found.amounts == pytest.approx((0.5, 1.0, 0.0), abs=1e-5)
    assert (found.base, found.output) == pytest.approx((1.0, 2.5)) and found.left_over == pytest.approx(0, abs=1e-5)


def test_shapley_shares_what_two_columns_do_only_together_and_ablation_does_not_add_up():
    def both(x):
        return x[:, 0] * x[:, 1]

    row, plain = torch.ones(2), torch.zeros(2)
    assert attribute(both, row, plain, [0, 1], "shapley").amounts == pytest.approx((0.5, 0.5), abs=0.15)
    assert attribute(both, row, plain, [0, 1], "ig").amounts == pytest.approx((0.5, 0.5), abs=1e-4)
    assert attribute(both, row, plain, [0, 1], "ablation").left_over == pytest.approx(-1.0)


def test_the_same_seed_gives_the_same_shapley_values():
    row, plain = torch.ones(4), torch.zeros(4)
    first, again, other = (
        attribute(lambda x: x.prod(1), row, plain, [0, 1, 2, 3], "shapley", seed=seed).amounts for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("learner", "method"), [("protonet", "ig"), ("logistic", "ig"), ("nearest", "shapley"), ("maml", "ig")]
)
def test_the_bars_add_up_from_a_plain_row_to_the_answer_and_the_marker_leads(home, learner, method):
    run = run_of(home, opened(records()), learner)
    predictions, sizes, off = home.store.predictions(run.id), Counter(), []
    for case in list(predictions)[:6]:
        told = home.run("explain_row", run=run.id, case=case, method=method, target=None)
        p = predictions[case]["probabilities"][predictions[case]["classes"].index(told["target"])]
        assert told["probability"] == pytest.approx(p, abs=2e-3) and told["target"] == predictions[case]["predicted"]
        amounts = sum(bar["amount"] for bar in told["columns"])
        off.append(abs(told["base"] + amounts + told["left_over"] - told["output"]))
        assert abs(told["left_over"]) < 0.1 * max(1.0, abs(told["output"] - told["base"]))
        sizes.update({bar["column"]: abs(bar["amount"]) for bar in told["columns"]})
    assert max(off) < 1e-3
    if learner in ("logistic", "maml"):  # a mean or a neighbour of ten rows takes chance differences for the class's
        assert max(sizes, key=sizes.get) == "marker (mg/dL)"


def test_a_bar_shows_the_value_in_the_persons_own_units(home):
    frame = records()
    project = opened(frame)
    run = run_of(home, project)
    case = home.store.split(project).query[0]
    line = next(c.case.kept["line"] for c in home.store.cases(project) if c.id == case)
    bars = {b["column"]: b for b in home.run("explain_row", run=run.id, case=case, method="ablation")["columns"]}
    assert bars["marker (mg/dL)"]["text"] == f"{frame['marker (mg/dL)'][line - 2]:g}"
    assert bars["marker (mg/dL)"]["unit"] == "mg/dL" and bars["smoker"]["text"] == frame["smoker"][line - 2]


def test_neighbours_and_typical_rows_say_in_which_columns_they_differ(home):
    project = opened(records())
    run = run_of(home, project)
    case = home.store.split(project).query[0]
    told = home.run("explain_row", run=run.id, case=case, method="ig")
    taught = set(home.store.split(project).support)
    assert {n["case"] for n in told["neighbours"]} <= taught and len(told["neighbours"]) == 5
    assert [t["class"] for t in told["typical"]] == ["ill", "well"]
    labels = home.store.labels(project)
    assert all(labels[t["case"]] == t["class"] for t in told["typical"])
    model = row_model(run.id)
    rows = {c.id: c.case.kept["row"] for c in home.store.cases(project)}
    for near in told["neighbours"]:
        a, b = model.prepared.rows(np.array([rows[case], rows[near["case"]]])).values
        apart = {c: abs(x - y) for c, x, y in zip(model.prepared.columns, a, b, strict=True)}
        assert near["different"] == [c for c in sorted(apart, key=lambda c: -apart[c]) if apart[c] >= 0.5]


def test_what_if_changes_nothing_where_nothing_changes_and_follows_the_marker(home):
    project = opened(records())
    run = run_of(home, project)
    for case, before in list(home.store.predictions(run.id).items())[:3]:
        same = home.run("what_if", run=run.id, case=case, values={})
        assert list(same["probabilities"].values()) == pytest.approx(before["probabilities"], abs=2e-3)
        ill = [
            home.run("what_if", run=run.id, case=case, values={"marker (mg/dL)": m})["probabilities"]["ill"]
            for m in (60, 100, "140,0")
        ]
        assert ill[0] < ill[1] < ill[2]


def test_what_if_takes_words_dates_and_gaps_and_names_what_it_cannot_take(home):
    run = run_of(home, opened(records()))
    case = next(iter(home.store.predictions(run.id)))
    ask = {"run": run.id, "case": case}
    assert home.run("what_if", **ask, values={"smoker": "yes"}) != home.run("what_if", **ask, values={"smoker": "no"})
    assert home.run("what_if", **ask, values={"marker (mg/dL)": None, "age": ""})["probabilities"]
    for values, key in (({"name": "x"}, "work.not_learned_from"), ({"age": "old"}, "work.not_that_kind")):
        with pytest.raises(Refusal) as refused:
            home.run("what_if", **ask, values=values)
        assert refused.value.note.key == key


def test_a_row_with_values_changed_is_what_the_whole_plan_makes_of_it(home):
    """What-ifs make only the numbers of the columns that were moved; the oracle is the whole row made anew."""
    frame = records(ward=[f"W{i % 5}" for i in range(N)])
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(N), unit="D")
    frame["admission date"] = days.astype("datetime64[s]")
    frame["last visit"] = (days - pd.to_timedelta(np.arange(N) % 13, unit="D")).astype("datetime64[s]")
    model = row_model(run_of(home, opened(frame)).id)
    case = next(iter(model.cases.values()))
    row = case.kept["row"]
    for values in (
        {"marker (mg/dL)": 150.0},
        {"ward": "never seen", "age": None},
        {"last visit": "2023-11-02"},
        {"smoker": "yes", "ward": "W1", "age": 44},
    ):
        edited = model.data.table.frame.copy()
        for column, value in values.items():
            if edited[column].dtype.kind == "M":
                edited.loc[row, column] = pd.Timestamp(value)
            elif edited[column].dtype.kind == "f":
                edited.loc[row, column] = np.nan if value is None else value
            else:
                edited[column] = edited[column].astype("object")
                edited.loc[row, column] = value
        whole = apply(model.prepared.plan, replace(model.data.table, frame=edited), np.array([row]))
        found = changed_row(model, case, values)
        assert np.array_equal(found.values, whole.values) and np.array_equal(found.missing, whole.missing)
        assert found.unseen.tolist() == whole.unseen.tolist()


def test_a_number_is_explained_in_its_unit_and_asked_again_with_an_interval(home):
    project = opened(stays(), "target (days)", teach=20)
    run = run_of(home, project, "ridge")
    marker = {c.id: stays()["marker (mg/dL)"][c.case.kept["line"] - 2] for c in home.store.cases(project)}
    case, before = max(home.store.predictions(run.id).items(), key=lambda each: abs(marker[each[0]] - 100))
    told = home.run("explain_row", run=run.id, case=case, method="shapley")
    assert told["output"] == pytest.approx(before["value"], abs=1e-3) and told["unit"] == "days"
    assert told["base"] + sum(b["amount"] for b in told["columns"]) == pytest.approx(told["output"], abs=1e-2)
    assert told["columns"][0]["column"] == "marker (mg/dL)" and told["probability"] is None and not told["typical"]
    same = home.run("what_if", run=run.id, case=case, values={})
    assert (same["value"], same["low"], same["high"]) == pytest.approx(
        (before["value"], before["low"], before["high"]), abs=1e-3
    )
    higher = home.run("what_if", run=run.id, case=case, values={"marker (mg/dL)": marker[case] + 30})
    assert higher["value"] > before["value"]


def test_visits_dates_and_gaps_are_explained(home):
    frame = records()
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(N), unit="D")
    frame["admission date"] = days.astype("datetime64[s]")
    frame["last visit"] = (days - pd.to_timedelta(np.arange(N) % 13, unit="D")).astype("datetime64[s]")
    frame.loc[::4, "age"] = np.nan
    run = run_of(home, opened(frame))
    bars = [
        {b["column"]: b for b in home.run("explain_row", run=run.id, case=case, method="ablation")["columns"]}
        for case in list(home.store.predictions(run.id))[:12]
    ]
    assert {b["last visit"]["unit"] for b in bars} == {"days"} and all(
        float(b["last visit"]["text"]) <= 0 for b in bars
    )
    assert "" in {b["age"]["text"] for b in bars}


def test_the_atoms_of_a_fragment_share_its_amount():
    fragments = [[[0, 1]], [[2]], [], [[1], [2]]]
    assert spread_over_atoms(np.array([2.0, -3.0, 9.0, 1.0]), fragments) == pytest.approx([0.4, 0.6, -1.0])
    assert spread_over_atoms(np.zeros(4), fragments) == [0, 0, 0]


def test_the_fragments_of_a_molecule_are_the_atoms_around_each_place():
    found = fragments_of("CCO")
    places = sorted(tuple(sorted(p)) for bit in found for p in bit)
    assert places.count((0,)) == places.count((1,)) == places.count((2,)) == 1
    assert (0, 1) in places and (1, 2) in places and (0, 1, 2) in places


def test_atoms_that_tell_the_class_of_a_molecule_stand_out(home):
    acids = [f"{'C' * n}C(=O)O" for n in range(1, 13)]
    others = [f"{'C' * n}C(F)F" for n in range(1, 13)]
    table = table_of_frame(pd.DataFrame({"smiles": acids + others, "acid": ["yes"] * 12 + ["no"] * 12}))
    project = open_table("Acids", table, propose(table, label="acid", smiles="smiles"), teach=6)
    run = run_of(home, project, "logistic")
    smiles = {c.id: (acids + others)[c.case.kept["line"] - 2] for c in home.store.cases(project)}
    case = next(c for c, p in home.store.predictions(run.id).items() if smiles[c] in acids and p["predicted"] == "yes")
    told = home.run("explain_row", run=run.id, case=case, method="ablation", target="yes")
    (weights,) = told["atoms"].values()
    text = smiles[case]
    assert len(weights) == text.count("C") + text.count("O")
    assert max(range(len(weights)), key=weights.__getitem__) >= len(weights) - 3  # in the acid group, at the end
    assert {b["part"] for b in told["columns"]} >= {"structure", "MolWt"}
    assert 0 < told["atoms_share"]["smiles"] < 1  # structural keys speak too and have no atoms


def test_a_run_made_with_other_weights_says_so_when_it_is_explained(home, monkeypatch):
    run = run_of(home, opened(records()), "maml")
    assert run.record["hashes"]["learner"] and run.record["hashes"]["encoder"]
    case = next(iter(home.store.predictions(run.id)))
    assert home.run("explain_row", run=run.id, case=case, method="ablation")["notes"] == []
    monkeypatch.setattr("engine.jobs.work.weights.start_identity", lambda *_, **__: "of another day")
    (note,) = home.run("explain_row", run=run.id, case=case, method="ablation")["notes"]
    assert note["key"] == "work.other_weights"
    for language in ("en", "zh"):
        assert say(Note.from_json(note), language)


def test_a_run_that_did_not_note_its_weights_says_that_and_one_without_weights_nothing():
    encoder = weights_now("maml", of_rows=True)["encoder"]

    def noted(method: str, **hashes) -> list[str]:
        record = {"learner": method, "look": "row", "hashes": {"encoder": encoder, **hashes}}
        return [note.key for note in other_weights(Run("r", "p", 0.0, record))]

    assert noted("maml") == ["work.weights_not_noted"] and noted("protonet") == []
    assert noted("maml", learner="old") == ["work.other_weights"] and noted("protonet", encoder="old")


def test_after_a_change_of_the_encoder_all_embeddings_of_a_run_are_made_anew(home, monkeypatch):
    """The kept embeddings are spoiled: who mixed them with new ones would answer something else."""
    run = run_of(home, opened(records()))
    case, said = next(iter(home.store.predictions(run.id).items()))
    kept = rooms.settings().data_dir / "runs" / f"{run.id}.npz"
    with np.load(kept) as raw:
        spoiled = {name: raw[name] for name in raw.files}
    spoiled["embeddings"] = spoiled["embeddings"][::-1].copy()
    np.savez(kept, **spoiled)
    asked = said["probabilities"][said["classes"].index(said["predicted"])]
    row_model.cache_clear()
    assert home.run("explain_row", run=run.id, case=case, method="ig")["probability"] != pytest.approx(asked, abs=0.02)
    monkeypatch.setattr("engine.jobs.work.weights.tabular.identity", lambda: "another encoder")
    row_model.cache_clear()
    told = home.run("explain_row", run=run.id, case=case, method="ig")
    assert told["probability"] == pytest.approx(asked, abs=2e-3) and told["notes"]
    row_model.cache_clear()
