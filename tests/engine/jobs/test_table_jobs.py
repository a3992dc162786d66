"""Tables through the door: drafts, a person's word, rows as cases, labels from a column, the others held back."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom.data import get_testdata_file

from engine.jobs.work.row_data import held_back
from engine.jobs.work.tables import open_table
from engine.sentences import Refusal
from engine.tables import propose
from tests.engine.jobs.made_home import Home
from tests.engine.jobs.made_tables_of_jobs import table_of_frame
from tests.engine.tables.made_tables import text, value, workbook

N = 60


def hospital(seed: int = 0) -> pd.DataFrame:
    """Admissions of 40 patients, some twice; names and phones are planted, the outcome follows marker and age."""
    rng = np.random.default_rng(seed)
    marker, age = rng.normal(size=N), rng.normal(60, 10, N)
    ill = marker + 0.05 * (age - 60) + rng.normal(0, 0.5, N) > 0
    return pd.DataFrame(
        {
            "name": [f"Plantedname {i % 40}" for i in range(N)],
            "patient_id": [f"PAT-{i % 40:03d}" for i in range(N)],
            "hospital": rng.choice(["North", "South"], N),
            "age": age.round(),
            "marker": marker.round(3),
            "ward": rng.choice(["a", "b", "c"], N),
            "outcome": np.where(ill, "ill", "well"),
        }
    )


def as_csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def as_workbook(frame: pd.DataFrame, folder: Path) -> bytes:
    rows = [[text(name) for name in frame.columns]]
    rows += [[text(v) if isinstance(v, str) else value(v) for v in row] for row in frame.itertuples(index=False)]
    return workbook(folder / "made.xlsx", {"Wards": rows}).read_bytes()


def scan() -> bytes:
    return Path(get_testdata_file("CT_small.dcm")).read_bytes()


def patient_bundle(number: int) -> bytes:
    me = {"reference": f"Patient/p{number}"}
    day = "2020-03-04T10:00:00Z"
    resources = [
        {"resourceType": "Patient", "id": f"p{number}", "gender": "female", "birthDate": "1960-01-02"},
        {
            "resourceType": "Observation", "id": f"o{number}", "subject": me, "status": "final",
            "effectiveDateTime": day, "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
            "valueQuantity": {"value": 10.0 + number, "unit": "g/dL"},
        },
    ]  # fmt: skip
    return json.dumps({"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}).encode()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def stored_bytes(folder) -> bytes:
    raw = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    return raw + "".join(pd.read_parquet(p).to_csv() for p in folder.rglob("*.parquet")).encode()


def keep(home: Home, project: str, **args) -> dict:
    (draft,) = home.store.drafts(project)
    return home.run("keep_table", project=project, draft=draft.id, dictionary=draft.dictionary, **args)


def test_a_dropped_table_waits_as_a_draft_with_proposals_and_its_first_rows(home):
    project = home.store.create_project("Outcome").id
    result = home.drop(project, {"wards.csv": as_csv(hospital())})
    assert (result["cases"], result["drafts"], result["refused"]) == (0, 1, 0)
    (draft,) = home.store.drafts(project)
    assert (draft.name, draft.rows, draft.columns, len(draft.preview)) == ("wards.csv", N, 7, 8)
    assert draft.preview[0][:2] == ("Plantedname 0", "PAT-000")
    roles = {entry["name"]: entry["role"] for entry in draft.dictionary["entries"]}
    assert roles["outcome"] == "label" and roles["name"] == "identifier" and roles["patient_id"] == "patient"


def test_a_kept_table_becomes_rows_with_labels_and_the_rest_of_the_labels_held_back(home):
    project = home.store.create_project("Outcome").id
    home.drop(project, {"wards.csv": as_csv(hospital())})
    result = keep(home, project, label_from="outcome", teach=5, most=500)
    assert (result["cases"], result["classes"], result["target"]) == (N, ["ill", "well"], "class")
    assert not home.store.drafts(project) and not list((home.data / "drafts").iterdir())
    cases, labels = home.store.cases(project), home.store.labels(project)
    assert {c.case.kind for c in cases} == {"record"}
    assert sorted(labels.values()) == ["ill"] * 5 + ["well"] * 5
    truth = hospital()["outcome"]
    held = held_back(result["table"], project)
    assert len(held) + len(labels) == N
    for each in cases:
        line = each.case.kept["line"]
        assert {**labels, **held}[each.id] == truth[line - 2]
    split = home.store.split(project)
    people = {c.id: c.patient for c in cases}
    assert not {people[c] for c in split.support} & {people[c] for c in split.query}
    assert len(split.support) == 10 and split.same_patient


def test_what_names_people_is_in_no_stored_byte_once_the_table_is_kept(home):
    project = home.store.create_project("Outcome").id
    home.drop(project, {"Plantedname file.csv": as_csv(hospital())})
    assert b"Plantedname" in stored_bytes(home.data)
    keep(home, project, label_from="outcome", teach=5, most=500)
    home.store.close()
    assert not [p for p in (b"Plantedname", b"PAT-0", b"North") if p in stored_bytes(home.data)]


def test_a_workbook_a_csv_and_a_broken_file_in_one_drop_cost_only_the_broken_one(home):
    project = home.store.create_project("Outcome").id
    whole = as_workbook(hospital(), home.folder)
    result = home.drop(
        project, {"a.xlsx": whole, "b.csv": as_csv(hospital(1)), "c.xlsx": whole[:900], "d.csv": b"only\n1\n2\n"}
    )
    assert (result["drafts"], result["refused"], result["cases"]) == (2, 2, 0)
    assert sorted(d.name for d in home.store.drafts(project)) == ["a.xlsx", "b.csv"]
    told = {r.file: r.note.key for r in home.store.refusals(project)}
    assert set(told) == {"c.xlsx", "d.csv"} and told["d.csv"] == "refused.table_narrow"


def test_records_of_many_patients_become_one_draft_alone_or_zipped(home):
    bundles = {f"{i}.json": patient_bundle(i) for i in range(4)}
    for files in (bundles, {"export.zip": zipped(bundles)}):
        project = home.store.create_project("Records").id
        result = home.drop(project, files)
        assert (result["drafts"], result["refused"]) == (1, 0)
        assert home.store.drafts(project)[0].rows == 4


def test_a_scan_and_a_table_in_one_drop_become_a_case_and_a_draft(home, monkeypatch):
    filed = []
    monkeypatch.setattr("engine.jobs.work.take_in.file_encode", lambda project, case: filed.append(case))
    project = home.store.create_project("Mixed").id
    packed = zipped({"scan.dcm": scan(), "list.csv": as_csv(hospital())})
    result = home.drop(project, {"study.zip": packed, "notes.bin": b"\0\1\2" * 50})
    assert (result["cases"], result["drafts"], result["refused"]) == (1, 1, 1)
    assert filed == [home.store.cases(project)[0].id]
    with pytest.raises(Refusal) as refused:
        keep(home, project, label_from="outcome")
    assert refused.value.note.key == "refused.project_of_scans" and home.store.drafts(project)


def test_a_second_table_and_a_scan_are_refused_in_a_project_of_rows(home):
    project = home.store.create_project("Outcome").id
    home.drop(project, {"wards.csv": as_csv(hospital())})
    keep(home, project, label_from="outcome")
    result = home.drop(project, {"scan.dcm": scan()})
    assert (result["cases"], result["refused"]) == (0, 1)
    assert home.store.refusals(project)[0].note.key == "refused.project_of_rows"


def test_a_large_table_is_sampled_with_enough_of_a_rare_class_and_patients_whole(home):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"patient_id": np.arange(4000) // 2, "x": rng.normal(size=4000), "y": ["rare"] * 200 + ["usual"] * 3800}
    )
    project = home.store.create_project("Rare").id
    home.drop(project, {"big.csv": as_csv(frame)})
    result = keep(home, project, label_from="y", teach=10, most=400)
    assert 400 <= result["cases"] <= 404
    given = {**held_back(result["table"], project), **home.store.labels(project)}
    assert sum(value == "rare" for value in given.values()) == 100
    lines = {c.case.kept["line"] - 2 for c in home.store.cases(project)}
    assert all(line ^ 1 in lines for line in lines)  # both rows of every patient


def test_a_number_to_predict_gives_numbers_as_labels_and_a_unit(home):
    rng = np.random.default_rng(0)
    x = rng.normal(size=80)
    frame = pd.DataFrame({"x": x, "z": rng.normal(size=80), "length of stay (days)": (6 + 2 * x).round(1)})
    project = home.store.create_project("Beds").id
    home.drop(project, {"stays.csv": as_csv(frame)})
    result = keep(home, project, label_from="length of stay (days)", teach=12)
    assert result["target"] == "number" and result["classes"] == []
    settings = home.store.project(project).settings
    assert settings["target"] == "number" and settings["unit"] == "days" and settings["table"] == result["table"]
    labels = home.store.labels(project)
    assert len(labels) == 12 and all(isinstance(value, float) for value in labels.values())
    assert home.store.split(project).ready and len(held_back(result["table"], project)) == 68


def test_classes_of_a_column_of_zeros_and_ones_are_called_after_it(home):
    rng, column = np.random.default_rng(0), "readmitted within thirty days of " + "x" * 40
    frame = pd.DataFrame({"sodium (mmol/L)": rng.normal(139, 4, 40).round(1), column: [0, 1] * 20})
    table = table_of_frame(frame)
    project = open_table("Short", table, propose(table, label=column), teach=5)
    classes = home.store.project(project).classes
    assert len(set(classes)) == 2 and all(name.startswith("readmitted within") for name in classes)
    assert classes[0].endswith(" = 0") and classes[1].endswith(" = 1")
    assert set(held_back(home.store.project(project).settings["table"], project).values()) == set(classes)


def test_visits_become_a_draft_with_a_row_a_patient_first(home):
    rng = np.random.default_rng(0)
    rows = [
        {"patient_id": f"p{p}", "date": f"2024-0{m}-01", "test": test, "value": rng.normal(), "outcome": "ab"[p % 2]}
        for p in range(20)
        for m in (1, 3, 5)
        for test in ("weight", "pressure")
    ]
    project = home.store.create_project("Remote").id
    home.drop(project, {"visits.csv": as_csv(pd.DataFrame(rows))})
    result = keep(home, project, label_from="outcome")
    (draft,) = home.store.drafts(project)
    assert result["cases"] == 0 and result["draft"] == draft.id and draft.rows == 20
    assert any(entry["name"] == "weight slope" for entry in draft.dictionary["entries"])
    assert keep(home, project, label_from="outcome", teach=3)["cases"] == 20


def test_molecules_become_cases_of_their_kind_and_broken_structures_are_named(home):
    smiles = ["CCO", "c1ccccc1O", "CC(=O)O", "CCN", "c1ccccc1N", "C1CC1", "CCCl", "not a molecule", "CCBr", "CCCC"]
    frame = pd.DataFrame({"smiles": smiles, "active": ["yes", "no"] * 5})
    project = home.store.create_project("Assay").id
    home.drop(project, {"assay.csv": as_csv(frame)})
    result = keep(home, project, label_from="active", teach=2)
    assert {c.case.kind for c in home.store.cases(project)} == {"molecule"}
    assert any(n["key"].startswith("table.smiles_") and n["values"]["rows"] == "9" for n in result["notes"])


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"outcome": "ill"}, "refused.label_one_value"),
        ({"label_from": "nothing"}, "refused.no_column"),
        ({"label_from": "ward", "target": "number"}, "refused.label_not_number"),
    ],
)
def test_a_label_that_cannot_teach_is_refused_by_name_and_the_draft_stays(home, change, key):
    frame = hospital()
    if "outcome" in change:
        frame["outcome"] = change["outcome"]
    project = home.store.create_project("Outcome").id
    home.drop(project, {"wards.csv": as_csv(frame)})
    args = {"label_from": "outcome", **{k: v for k, v in change.items() if k != "outcome"}}
    with pytest.raises(Refusal) as refused:
        keep(home, project, **args)
    assert refused.value.note.key == key
    assert home.store.drafts(project) and not home.store.cases(project)


def test_the_gallery_opens_a_table_as_a_project_in_one_call_and_leaves_none_where_it_fails(home):
    table = table_of_frame(hospital())
    dictionary = propose(table, label="outcome", patient="patient_id")
    project = open_table("Ready", table, dictionary, settings={"gallery": "demo"}, reader="AB", teach=4)
    assert home.store.project(project).settings["gallery"] == "demo" and len(home.store.labels(project)) == 8
    with pytest.raises(Refusal):
        open_table("Broken", table.take(np.zeros(0, int)), dictionary)
    assert [p.name for p in home.store.projects()] == ["Ready"]
