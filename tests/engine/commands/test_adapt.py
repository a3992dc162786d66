"""The command line from folders of pictures to CSV, maps and the record of the run."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import engine.learners as room
from engine.__main__ import main
from tests.engine.evidence.test_saliency import scene


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Discs against none, five labelled each; four to predict, two of each."""
    root = tmp_path_factory.mktemp("adapt")
    for seed in range(14):
        name = "=disc" if seed % 2 == 0 else "none"
        place = root / "support" / name if seed < 10 else root / "query"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(seed, disc=seed % 2 == 0)[0]).save(place / f"{name.strip('=')} {seed}.png")
    (root / "query" / "junk.txt").write_text("not a picture")
    return root


@pytest.fixture(autouse=True)
def own_key(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HANDFUL_KEY_FILE", str(tmp_path_factory.getbasetemp() / "key" / "key"))


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("learner", ["protonet", "maml"])
def test_adapt_writes_predictions_neighbours_maps_and_the_run(folders, tmp_path, capsys, learner):
    command = ["adapt", str(folders / "support"), str(folders / "query"), "--learner", learner, "--out", str(tmp_path)]
    assert main(command) == 0
    predictions = rows(tmp_path / "predictions.csv")
    assert list(predictions[0]) == ["case", "predicted", "'p_=disc"[1:], "p_none"]
    for row in predictions:
        assert float(row["p_=disc"]) + float(row["p_none"]) == pytest.approx(1, abs=1e-4)
        assert row["predicted"] == ("'=disc" if row["case"].startswith("disc") else "none")  # no formula in a cell
    neighbours = rows(tmp_path / "neighbours.csv")
    assert list(neighbours[0]) == ["case", "rank", "neighbour", "label", "distance"]
    assert {r["case"] for r in neighbours} == {r["case"] for r in predictions}
    maps = sorted((tmp_path / "saliency").glob("*.png"))
    assert len(maps) == len(predictions) == 4
    record = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert {"versions", "hashes", "seed", "seconds", "warnings", "device"} <= set(record)
    assert len(record["hashes"]["cases"]) == 14 and record["learner"] == learner
    assert any("junk.txt" in warning for warning in record["warnings"])
    assert record["tested"][0]["count"] == 10
    assert "junk.txt" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_files(folders, tmp_path):
    for name in ("a", "b"):
        main(
            ["adapt", str(folders / "support"), str(folders / "query"), "--out", str(tmp_path / name)]
            + ["--seed", "3", "--saliency", "none"]
        )
    for file in ("predictions.csv", "neighbours.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_case_of_a_labelled_patient_is_judged_without_that_patients_label(folders, tmp_path):
    """The same picture on both sides (its content is its patient): its own label must not answer for it."""
    query = tmp_path / "query"
    query.mkdir()
    source = next((folders / "support" / "=disc").iterdir())
    (query / "twin.png").write_bytes(source.read_bytes())
    main(["adapt", str(folders / "support"), str(query), "--out", str(tmp_path / "out"), "--saliency", "none"])
    assert not [r for r in rows(tmp_path / "out" / "neighbours.csv") if r["neighbour"].endswith(source.name)]
    record = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert any("left out for this prediction" in warning for warning in record["warnings"])
    assert record["tested"][0]["count"] == 9


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["--learner", "magic"], "There is no learner called 'magic'"),
        (["--saliency", "magic"], "There is no map called 'magic'"),
    ],
)
def test_a_wrong_name_ends_in_one_sentence(folders, tmp_path, capsys, change, sentence):
    command = ["adapt", str(folders / "support"), str(folders / "query"), "--out", str(tmp_path / "out"), *change]
    assert main(command) == 2
    assert sentence in capsys.readouterr().err


def test_one_class_ends_in_one_sentence(folders, tmp_path, capsys):
    only = tmp_path / "support" / "none"
    only.mkdir(parents=True)
    for path in (folders / "support" / "none").iterdir():
        (only / path.name).write_bytes(path.read_bytes())
    assert main(["adapt", str(tmp_path / "support"), str(folders / "query"), "--out", str(tmp_path / "out")]) == 2
    assert "Label at least one case of another class" in capsys.readouterr().err


def test_learners_are_listed_as_json(capsys):
    assert main(["learners", "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"protonet", "maml", "nearest", "logistic"} <= {each["name"] for each in listed}
    assert all(each["paper"] and each["line"] and each["targets"] for each in listed)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluate") / "discs.npz"
    pictures = np.stack([scene(seed, disc=seed % 2 == 0)[0] for seed in range(24)])
    labels = np.array(["disc" if seed % 2 == 0 else "none" for seed in range(24)])
    np.savez(path, images=pictures, label=labels, group=np.array([f"g{seed // 2}" for seed in range(24)]))
    return path


def test_evaluate_prints_accuracy_auroc_and_ece_with_intervals(archive, capsys):
    command = ["evaluate", str(archive), "--learner", "protonet", "--shots", "3", "--queries", "4", "--ways", "2"]
    assert main([*command, "--episodes", "12", "--seed", "1", "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    for name in ("accuracy", "auroc", "ece"):
        assert result[name]["low"] <= result[name]["mean"] <= result[name]["high"]
    assert result["accuracy"]["mean"] > 0.95
    assert result["episodes"] == 12 and 2 <= result["groups"] <= 12


def test_evaluate_on_shuffled_labels_is_chance(archive, tmp_path, capsys):
    """Labels thrown over the pictures: accuracy within 4 standard errors of one half (six shuffles)."""
    with np.load(archive) as raw:
        images, labels, groups = raw["images"], raw["label"], raw["group"]
    means = []
    for seed in range(6):
        path = tmp_path / f"{seed}.npz"
        shuffled = np.random.default_rng(seed).permutation(labels)
        np.savez(path, images=images, label=shuffled, group=groups)
        main(["evaluate", str(path), "--shots", "3", "--queries", "4", "--episodes", "20", "--json", "-"])
        means.append(json.loads(capsys.readouterr().out)["accuracy"]["mean"])
    assert abs(np.mean(means) - 0.5) < max(4 * np.std(means) / 6**0.5, 0.08)


def test_too_many_shots_end_in_one_sentence(archive, capsys):
    assert main(["evaluate", str(archive), "--shots", "50"]) == 2
    assert "50" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["apart", "mixed up"])
def test_a_folder_of_slices_is_one_case_and_a_loose_picture_another(folders, tmp_path, layout):
    """An entry of a class is one case, whether all entries are read at once or (a copy among them) each by itself."""
    for k, name in enumerate(("disc", "none")):
        place = tmp_path / "support" / name
        for patient in range(2):
            series = place / f"patient {patient}"
            series.mkdir(parents=True)
            for s in range(3):
                Image.fromarray(scene(100 + 20 * k + 6 * patient + s, disc=k == 0)[0]).save(series / f"{s}.png")
        Image.fromarray(scene(150 + k, disc=k == 0)[0]).save(place / "loose.png")
        if layout == "mixed up":
            (place / "copy.png").write_bytes((place / "loose.png").read_bytes())
    out = tmp_path / "out"
    main(["adapt", str(tmp_path / "support"), str(folders / "query"), "--out", str(out), "--saliency", "none"])
    names = [each["case"] for each in json.loads((out / "run.json").read_text("utf-8"))["support"]]
    expected = ["loose.png", "patient 0", "patient 1"] + (["copy.png"] if layout == "mixed up" else [])
    assert sorted(names) == sorted(2 * expected)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["--learner", "magic"], "没有名为“magic”的方法"),
        (["--learner", "ridge"], "没有名为“ridge”的方法"),
        (["--saliency", "magic"], "没有名为“magic”的显著图"),
    ],
)
def test_a_wrong_name_is_answered_in_chinese_too(folders, tmp_path, capsys, change, sentence):
    command = ["adapt", str(folders / "support"), str(folders / "query"), "--out", str(tmp_path / "out"), *change]
    assert main([*command, "--language", "zh"]) == 2
    assert sentence in capsys.readouterr().err


def test_a_class_of_one_case_is_said(folders, tmp_path, capsys):
    for name in ("=disc", "none"):
        place = tmp_path / "support" / name
        place.mkdir(parents=True)
        taken = sorted((folders / "support" / name).iterdir())[: 1 if name == "none" else 5]
        for path in taken:
            (place / path.name).write_bytes(path.read_bytes())
    command = ["adapt", str(tmp_path / "support"), str(folders / "query"), "--out", str(tmp_path / "out")]
    assert main([*command, "--saliency", "none"]) == 0
    assert '"none" rests on a single labelled case' in capsys.readouterr().err


def archive_of(path, labels, groups=None):
    pictures = np.stack([scene(seed, disc=label == "disc")[0] for seed, label in enumerate(labels)])
    more = {} if groups is None else {"group": np.array(groups)}
    np.savez(path, images=pictures, label=np.array(labels), **more)
    return str(path)


@pytest.mark.parametrize(
    ("labels", "groups", "options", "english", "chinese"),
    [
        (["disc"] * 4, None, [], "has one class only (disc)", "只有一个类别（disc）"),
        (["disc", "none"] * 4, None, ["--shots", "9"], "At most 3 a class can teach", "每类最多可用 3 例来教"),
        (["disc", "disc", "none"], None, ["--shots", "1"], "cases of two groups", "不足两个"),
        (["disc", "none"] * 4, None, ["--shots", "0"], "shots must be at least 1", "shots 至少为 1"),
        (["disc", "none"] * 4, list("aabbccdd"), ["--shots", "4"], "ask for fewer", "请减少"),
    ],
)
def test_what_cannot_be_evaluated_ends_in_one_sentence_in_both_languages(
    tmp_path, capsys, labels, groups, options, english, chinese
):
    path = archive_of(tmp_path / "set.npz", labels, groups)
    for language, sentence in (("en", english), ("zh", chinese)):
        assert main(["evaluate", path, "--language", language, *options]) == 2
        assert sentence in capsys.readouterr().err


def test_a_class_too_small_for_the_shots_is_left_out_and_said(tmp_path, capsys):
    path = archive_of(tmp_path / "set.npz", ["disc", "none"] * 4 + ["rare"])
    assert main(["evaluate", path, "--shots", "2", "--queries", "2", "--episodes", "3", "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ways"] == 2
    assert any('"rare" was left out: with 1 case it' in warning for warning in result["warnings"])


def test_a_loss_that_is_not_finite_is_retried_with_a_smaller_step_and_said(archive, monkeypatch, capsys):
    """A rate far too large for the weighing of the embedding: exp overflows, the step is halved until it doesn't."""
    from engine.learners import head

    plain = head.plain_start

    def start(dimensions, *rest):
        rates = {**plain(dimensions, *rest).rates, "gate": torch.full((20,), 1e6)}
        return replace(plain(dimensions, *rest), rates=rates)

    monkeypatch.setattr(head, "plain_start", start)
    monkeypatch.setattr("engine.learners._MAKE", {"maml": lambda: room.MAML(None)})
    assert main(["evaluate", str(archive), "--learner", "maml", "--shots", "3", "--episodes", "2", "--json", "-"]) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    assert any("half the size" in warning for warning in warnings), warnings
