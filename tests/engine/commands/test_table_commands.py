"""adapt and evaluate on tables: what they write, what they leave out, and the sentences for what they cannot take."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.__main__ import main
from engine.episodes.numbers import NumberScore, summarise_numbers

N = 60


def frame(seed: int = 0, **more) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    marker = rng.normal(size=N)
    columns = {
        "pid": [f"p{seed}-{i}" for i in range(N)],
        "marker": marker.round(3),
        "age": rng.normal(60, 10, N).round(),
        "sex": rng.choice(["m", "f"], N),
        "outcome": np.where(marker + rng.normal(0, 0.3, N) > 0, "ill", "well"),
    }
    return pd.DataFrame({**columns, **more})


def saved(folder: Path, name: str, table: pd.DataFrame) -> Path:
    table.to_csv(folder / name, index=False)
    return folder / name


def evaluate(tmp_path: Path, table: pd.DataFrame, *options: str) -> dict:
    file, out = saved(tmp_path, "table.csv", table), tmp_path / "out.json"
    assert main(["evaluate", str(file), "--episodes", "12", "--json", str(out), *options]) == 0
    return json.loads(out.read_text("utf-8"))


def adapt(tmp_path: Path, support: pd.DataFrame, query: pd.DataFrame, *options: str) -> Path:
    files = saved(tmp_path, "support.csv", support), saved(tmp_path, "query.csv", query)
    out = tmp_path / "out"
    assert main(["adapt", *map(str, files), "--out", str(out), *options]) == 0
    return out


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))


def refused(capsys, *argv: str) -> str:
    assert main(list(argv)) == 2
    return capsys.readouterr().err


def test_evaluate_gives_a_table_the_fields_of_images_and_the_same_seed_the_same_numbers(tmp_path):
    first = evaluate(tmp_path, frame(), "--label", "outcome", "--shots", "5", "--learner", "logistic")
    for name in ("accuracy", "auroc", "ece"):
        assert first[name]["low"] <= first[name]["mean"] <= first[name]["high"]
    assert first["accuracy"]["mean"] > 0.65 and (first["episodes"], first["ways"], first["target"]) == (12, 2, "class")
    again = evaluate(tmp_path, frame(), "--label", "outcome", "--shots", "5", "--learner", "logistic")
    assert all(again[name] == first[name] for name in ("accuracy", "auroc", "ece"))


def test_a_group_is_never_on_both_sides_so_that_a_column_that_names_it_helps_nobody(tmp_path):
    """Each group has one class and one value of `code`: only who sees a group on both sides can profit."""
    group = np.arange(N) // 3
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "code": rng.normal(size=N // 3)[group],
            "__group": group,
            "__y": np.array(["a", "b"])[rng.permutation(N // 3) % 2][group],
        }
    )
    found = evaluate(
        tmp_path, table, "--learner", "nearest", "--label", "__y", "--group", "__group", "--episodes", "60"
    )
    assert found["accuracy"]["mean"] < 0.75


def test_evaluate_of_a_number_gives_r2_error_and_coverage(tmp_path):
    table = frame().drop(columns="outcome")
    table["target"] = (3 * table["marker"] + np.random.default_rng(5).normal(0, 0.5, N)).round(3)
    found = evaluate(tmp_path, table, "--label", "target", "--target", "number", "--shots", "20", "--learner", "ridge")
    assert found["r2"]["mean"] > 0.6 and 0.6 < found["coverage"]["mean"] <= 1 and found["mae"]["mean"] < 1.5
    few = evaluate(tmp_path, table, "--label", "target", "--target", "number", "--shots", "3", "--learner", "ridge")
    assert few["coverage"] is None and any("interval" in warning for warning in few["warnings"])


def test_numbers_are_scored_over_all_episodes_as_by_hand():
    scores = [NumberScore(np.array([1.0, 3.0]), np.array([1.0, 2.0]), np.array([True, False]))] * 2
    found = summarise_numbers(scores)
    assert found["r2"]["mean"] == pytest.approx(1 - 2 / 4) and found["mae"]["mean"] == pytest.approx(0.5)
    assert found["coverage"]["mean"] == 0.5
    assert summarise_numbers([NumberScore(np.array([1.0, 2.0]), np.zeros(2), None)])["coverage"] is None


def test_adapt_predicts_every_row_says_what_it_rests_on_and_counts_labels_that_came_along(tmp_path):
    out = adapt(tmp_path, frame(), frame(1), "--label", "outcome", "--patient", "pid", "--learner", "logistic")
    found = rows(out / "predictions.csv")
    assert [r["case"] for r in found] == [str(i + 2) for i in range(N)]
    assert all(float(r["p_ill"]) + float(r["p_well"]) == pytest.approx(1, abs=1e-4) for r in found)
    right = sum(r["predicted"] == truth for r, truth in zip(found, frame(1)["outcome"], strict=True))
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert (record["held_back"]["right"], record["held_back"]["count"]) == (right, N) and right > 0.75 * N
    near = rows(out / "neighbours.csv")
    assert len(near) == 5 * N and all(frame()["outcome"][int(n["neighbour"]) - 2] == n["label"] for n in near)
    bars = rows(out / "attributions.csv")
    assert {b["column"] for b in bars} == {"marker", "age", "sex"}
    assert (
        float(next(b for b in bars if b["case"] == "2" and b["column"] == "marker")["value"]) == frame(1)["marker"][0]
    )
    assert record["columns"]["patient"] == ["pid"] and record["target"] == "class"


def test_adapt_judges_a_labelled_patients_other_row_without_that_patient_and_says_so(tmp_path, capsys):
    query = frame(1).head(6)
    query.loc[0, "pid"] = "p0-3"
    out = adapt(tmp_path, frame(), query, "--label", "outcome", "--patient", "pid", "--saliency", "none")
    near = [n["neighbour"] for n in rows(out / "neighbours.csv") if n["case"] == "2"]
    assert near and "5" not in near and len(rows(out / "predictions.csv")) == 6
    assert "1 row is of patients who also have labelled rows (row 2)" in capsys.readouterr().err


def test_a_flagged_leak_is_left_out_and_said(tmp_path, capsys):
    leaky = [
        t.assign(**{"discharge code": t["outcome"].map({"ill": "J18", "well": "Z00"})}) for t in (frame(), frame(1))
    ]
    out = adapt(tmp_path, *leaky, "--label", "outcome", "--patient", "pid", "--saliency", "none")
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert record["columns"]["leak"] == ["discharge code"]
    assert (
        any("discharge code" in warning for warning in record["warnings"])
        and "discharge code" in capsys.readouterr().err
    )


def test_adapt_of_a_number_writes_value_and_interval(tmp_path):
    tables = []
    for seed in (0, 1):
        table = frame(seed).drop(columns="outcome")
        noise = np.random.default_rng(seed + 9).normal(0, 0.4, N)
        tables.append(table.assign(**{"stay (days)": (5 + 2 * table["marker"] + noise).round(2)}))
    out = adapt(
        tmp_path, *tables, "--label", "stay (days)", "--target", "number", "--learner", "ridge", "--saliency", "none"
    )
    found = rows(out / "predictions.csv")
    assert len(found) == N and all(float(r["low"]) <= float(r["value"]) <= float(r["high"]) for r in found)
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert record["unit"] == "days" and record["held_back"]["r2"] > 0.6


def test_molecules_are_predicted_from_a_column_of_smiles(tmp_path):
    acids, others = [f"{'C' * n}C(=O)O" for n in range(1, 11)], [f"{'C' * n}C(F)F" for n in range(1, 11)]
    table = pd.DataFrame({"s": [*acids, *others], "acid": ["yes"] * 10 + ["no"] * 10})
    out = adapt(tmp_path, table.iloc[::2], table.iloc[1::2], "--label", "acid", "--smiles", "s", "--saliency", "none")
    assert [r["predicted"] for r in rows(out / "predictions.csv")] == ["yes"] * 5 + ["no"] * 5


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, ["--label", "nothing"], ["table.csv", '"nothing"']),
        ({"outcome": "ill"}, ["--label", "outcome"], ["table.csv", '"outcome"']),
        (
            {"outcome": [str(i) for i in range(30)] + ["long"] * 30},
            ["--label", "outcome", "--target", "number"],
            ["table.csv", '"outcome"', "32"],
        ),
        (
            {"outcome": ["one"] + ["well"] * 59},
            ["--label", "outcome"],
            ["table.csv", "row 2", '"outcome"', "second row"],
        ),
        (
            dict.fromkeys(("pid", "marker", "age", "sex"), "same"),
            ["--label", "outcome"],
            ["table.csv", "marker", "age"],
        ),
        (dict.fromkeys(("pid", "marker", "age", "sex"), ""), ["--label", "outcome"], ["table.csv", "marker", "age"]),
        (
            {"pid": "C", "marker": 1, "age": 1, "sex": "no molecule"},
            ["--label", "outcome", "--smiles", "sex"],
            ["table.csv", '"sex"', "60 structures break the rules", "rows 2, 3"],
        ),
        ({}, ["--label", "outcome", "--learner", "nobody"], ["nobody", "protonet"]),
        ({}, ["--label", "outcome", "--learner", "ridge"], ["'ridge' learns numbers", '"outcome"']),
        ({}, ["--label", "marker", "--learner", "maml", "--shots", "99"], ["table.csv"]),
    ],
)
def test_what_cannot_be_learned_is_refused_by_file_and_column(tmp_path, capsys, change, options, words):
    file = saved(tmp_path, "table.csv", frame(**change))
    told = refused(capsys, "evaluate", str(file), *options)
    assert all(word in told for word in words), told
    assert told.count("\n") == 1 and "Traceback" not in told


def test_an_empty_table_and_a_missing_file_are_refused_in_a_sentence(tmp_path, capsys):
    (tmp_path / "empty.csv").write_text("a,b,outcome\n", "utf-8")
    assert "empty.csv" in refused(capsys, "evaluate", str(tmp_path / "empty.csv"), "--label", "outcome")
    file = saved(tmp_path, "table.csv", frame())
    gone = str(tmp_path / "gone.csv")
    asked = ["--label", "outcome", "--out", str(tmp_path / "o")]
    for order in ((str(file), gone), (gone, str(file))):
        assert "There is no file or folder" in refused(capsys, "adapt", *order, *asked)


def test_a_file_without_a_table_is_refused_in_the_commands_language(tmp_path, capsys):
    (tmp_path / "empty.csv").write_text("a,b,outcome\n", "utf-8")
    told = refused(capsys, "evaluate", str(tmp_path / "empty.csv"), "--label", "outcome", "--language", "zh")
    assert "empty.csv" in told and "表格是空的。请检查" in told


def test_warnings_about_cells_name_the_file_the_column_and_the_row(tmp_path):
    table = frame().astype({"age": object})
    table.loc[[3, 9], "age"] = ["old", "see note"]
    said = evaluate(tmp_path, table, "--label", "outcome", "--shots", "5")["warnings"]
    assert any(s.startswith('table.csv: Column "age": 2 cells hold text') and "(rows 5, 11)" in s for s in said)


def test_a_label_that_nobody_named_is_said(tmp_path):
    said = evaluate(tmp_path, frame(), "--shots", "5", "--learner", "logistic")["warnings"]
    assert any('column "outcome" was learned: ill, well' in sentence for sentence in said)
    assert not any("was learned" in s for s in evaluate(tmp_path, frame(), "--label", "outcome")["warnings"])


def test_a_row_whose_label_others_contradict_is_called_a_row_of_the_file(tmp_path):
    wrong = frame()
    wrong.loc[wrong["marker"].idxmax(), "outcome"] = "well"
    out = adapt(tmp_path, wrong, frame(1), "--label", "outcome", "--learner", "logistic", "--saliency", "none")
    said = json.loads((out / "run.json").read_text("utf-8"))["warnings"]
    assert any(s.startswith(f"Row {wrong['marker'].idxmax() + 2} is labelled") for s in said), said


def test_a_table_with_too_many_rows_is_refused_with_the_limit(tmp_path, capsys):
    file = tmp_path / "long.csv"
    file.write_text("a,outcome\n" + "1,x\n2,y\n" * 250_001, "utf-8")
    assert "500,000" in refused(capsys, "evaluate", str(file), "--label", "outcome")
