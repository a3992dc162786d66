"""`python -m engine read` describes tables beside cases, and repeats nothing that identifies."""

from __future__ import annotations

import json

import pytest

from engine.__main__ import main
from tests.engine.tables.made_tables import bundle, patient, text, value, workbook

CSV = "patient_id,name,age (years),death_time,outcome\n" + "\n".join(
    f"P{i // 2},Planted Person{i},{40 + i}," + (f"2020-01-{i % 28 + 1:02d},died" if i % 2 else ",lived")
    for i in range(40)
)


@pytest.fixture(autouse=True)
def own_key(monkeypatch, tmp_path):
    monkeypatch.setenv("HANDFUL_KEY_FILE", str(tmp_path / "key"))


def read(capsys, path, *more) -> dict:
    assert main(["read", str(path), "--json", "-", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_table_is_described_with_its_proposals_and_without_its_identifiers(capsys, tmp_path):
    (tmp_path / "in.csv").write_text(CSV)
    said = read(capsys, tmp_path / "in.csv")
    assert not said["cases"] and not said["refused"]
    (table,) = said["tables"]
    assert (table["rows"], table["label"], table["patient"], table["identifiers"]) == (
        40,
        "outcome",
        "patient_id",
        ["name"],
    )
    assert table["leaks"] == ["death_time"]
    age = next(c for c in table["columns"] if c["name"] == "age (years)")
    assert (age["kind"], age["unit"], age["range"], age["role"]) == ("number", "years", [40, 79], "feature")
    assert "Planted" not in json.dumps(said)


def test_a_folder_of_several_kinds_has_each_file_once(capsys, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(CSV)
    workbook(folder / "b.xlsx", {"S": [[text("x"), text("y")], [value(1), value(2)], [value(3), value(4)]]})
    (folder / "c.json").write_text(json.dumps(bundle(patient("p1"))))
    (folder / "d.pdf").write_bytes(b"%PDF-1.7 ....")
    (folder / "e.csv").write_text("only,a,heading\n")
    said = read(capsys, folder, "--language", "zh")
    assert sorted(t["file"] for t in said["tables"]) == ["a.csv", "b.xlsx", "c.json"]
    assert sorted(r["file"] for r in said["refused"]) == ["d.pdf", "e.csv"]
    assert all("\u4e00" <= r["reason"][0] <= "\u9fff" for r in said["refused"])


def test_the_plain_form_names_what_gives_the_answer_away(capsys, tmp_path):
    (tmp_path / "in.csv").write_text(CSV)
    assert main(["read", str(tmp_path / "in.csv")]) == 0
    out = capsys.readouterr().out
    assert "in.csv  table  40 rows x 5 columns" in out and "leak: death_time (" in out
