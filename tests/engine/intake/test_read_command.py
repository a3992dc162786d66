"""`python -m engine read` says what would be taken in, as JSON of a fixed form, and stores nothing."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from engine.__main__ import main
from tests.engine.intake.made_series import save, series, slice_of


@pytest.fixture(autouse=True)
def own_key(monkeypatch, tmp_path):
    monkeypatch.setenv("HANDFUL_KEY_FILE", str(tmp_path / "key"))


def read(capsys, path) -> dict:
    assert main(["read", str(path), "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_json_has_the_form_that_other_programs_rely_on(in_process, capsys, tmp_path):
    series(tmp_path / "in", range(4))
    save(slice_of(0, RescaleSlope=None), tmp_path / "in" / "broken")
    said = read(capsys, tmp_path / "in")
    (case,) = said["cases"]
    assert {"id", "kind", "shape", "spacing_mm", "hu", "patient", "warnings"} <= case.keys()
    assert (case["kind"], case["shape"]) == ("volume", [4, 16, 20])
    assert case["spacing_mm"] == pytest.approx([2.0, 0.5, 0.75])
    assert (case["hu"]["min"], case["hu"]["max"]) == (-1000, -1000 + 15 + 380 + 21)
    assert [r["file"] for r in said["refused"]] == ["broken"]
    assert "Rescale Slope (0028,1053)" in said["refused"][0]["reason"]
    assert said["refused"][0]["do"].startswith("Ask for")


def test_the_same_path_gives_the_same_answer_again(in_process, capsys, tmp_path):
    series(tmp_path / "in", range(4))
    assert read(capsys, tmp_path / "in") == read(capsys, tmp_path / "in")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "key"]


def test_a_folder_of_pictures_is_one_case(in_process, capsys, tmp_path):
    (tmp_path / "in").mkdir()
    for n in range(3):
        Image.new("L", (6, 5), n).save(tmp_path / "in" / f"{n}.png")
    assert [c["shape"] for c in read(capsys, tmp_path / "in")["cases"]] == [[3, 5, 6]]


def test_a_path_that_is_not_there_is_one_sentence(capsys, tmp_path):
    assert main(["read", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("handful: There is nothing at")


def test_for_people_it_prints_sentences_in_their_language(in_process, capsys, tmp_path):
    series(tmp_path / "in", [0, 1, 3, 4, 5])
    assert main(["read", str(tmp_path / "in"), "--language", "zh"]) == 0
    assert "缺少 1 层" in capsys.readouterr().out
