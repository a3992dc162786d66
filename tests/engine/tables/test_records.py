"""FHIR R4 becomes one row a patient, whatever it is packed in, and nothing that names a patient comes along."""

from __future__ import annotations

import gzip
import json
import zipfile

import numpy as np
import pytest

from engine.tables import propose, read_tables
from engine.tables.fhir import concept, day_of, reference_of
from engine.tables.fhir import written as unit_written
from tests.engine.tables.made_tables import bundle, condition, notes_of, observation, patient

GLUCOSE = ("2339-0", "Glucose")


def two_patients() -> list[dict]:
    return [
        patient("p1"),
        patient("p2", gender="male", deceasedBoolean=True, birthDate="1900-06-01"),
        observation("p1", *GLUCOSE, 90, "2018-01-01"),
        observation("p1", *GLUCOSE, 110, "2019-01-01"),
        observation("p1", *GLUCOSE, 130, "2020-01-01"),
        observation("p2", *GLUCOSE, 200, "2020-06-01T10:00:00+02:00"),
        condition("p1", "38341003", "Hypertension"),
        condition("p2", "38341003", "Hypertension"),
        condition("p2", "22298006", "Infarction"),
        condition("p1", "1", "Ruled out", verificationStatus={"coding": [{"code": "refuted"}]}),
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "subject": {"reference": "Patient/p1"},
            "medicationReference": {"reference": "Medication/m1"},
            "authoredOn": "2019-01-01",
        },
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "subject": {"reference": "Patient/p2"},
            "medicationCodeableConcept": {"text": "Aspirin", "coding": [{"code": "1191"}]},
        },
        {"resourceType": "Medication", "id": "m1", "code": {"text": "Aspirin", "coding": [{"code": "1191"}]}},
        {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "EMER"},
            "subject": {"reference": "Patient/p1"},
            "period": {"start": "2020-02-01"},
            "serviceProvider": {"reference": "Organization/o1"},
        },
        {"resourceType": "Organization", "id": "o1", "name": "North"},
        {"resourceType": "Claim", "id": "c"},
    ]


def expected(table):
    rows = table.frame.set_index("patient")
    assert len(rows) == 2
    one, two = rows.loc["p1"], rows.loc["p2"]
    assert (one["sex"], two["sex"]) == ("female", "male")
    assert (one["age"], two["age"]) == (70, 90)  # at the last event, and cut off at 90
    assert (one["deceased"], two["deceased"]) == (0, 1)
    assert one["site"] == "North"
    assert (one["Glucose latest"], one["Glucose mean"], one["Glucose count"]) == (130, 110, 3)
    assert one["Glucose slope"] == pytest.approx(20, rel=1e-3)  # mg/dL a year; a year is 365.25 days
    assert (two["Glucose latest"], two["Glucose count"]) == (200, 1) and np.isnan(two["Glucose slope"])
    assert (one["condition: Hypertension"], two["condition: Hypertension"]) == (1, 1)
    assert (one["condition: Infarction"], two["condition: Infarction"]) == (0, 1)
    assert "condition: Ruled out" not in table.columns
    assert (one["medication: Aspirin"], two["medication: Aspirin"]) == (1, 1)
    assert one["encounters emergency count"] == 1
    assert table.units["Glucose latest"] == "mg/dL" and table.units["Glucose slope"] == "mg/dL per year"
    assert table.facts["codes"]["Glucose mean"] == "LOINC 2339-0"
    assert table.facts["codes"]["condition: Infarction"] == "SNOMED 22298006"


def written(folder, how: str):
    resources = two_patients()
    path = folder / how
    if how == "bundle.json":
        path.write_text(json.dumps(bundle(*resources), indent=1))
    elif how == "bundle.json.gz":
        path.write_bytes(gzip.compress(json.dumps(bundle(*resources)).encode()))
    elif how == "all.ndjson":
        path.write_text("\n".join(map(json.dumps, resources)) + "\n\n")
    elif how == "list.json":
        path.write_text(json.dumps(resources))
    elif how == "bundle_with_mark.json":
        path.write_bytes(b"\xef\xbb\xbf" + json.dumps(bundle(*resources)).encode())
    elif how == "bundles.zip":
        with zipfile.ZipFile(path, "w") as archive:
            for i, part in enumerate((resources[:4], resources[4:9], resources[9:])):
                archive.writestr(f"{i}.json", json.dumps(bundle(*part)))
    return path


@pytest.mark.parametrize(
    "how", ["bundle.json", "bundle.json.gz", "all.ndjson", "list.json", "bundle_with_mark.json", "bundles.zip"]
)
def test_the_same_rows_come_out_of_every_packing(in_process, tmp_path, how):
    read = read_tables(written(tmp_path, how))
    assert not read.refused
    expected(read.tables[0])


def test_no_name_address_date_or_identifier_reaches_the_table(in_process, tmp_path):
    (table,) = read_tables(written(tmp_path, "bundle.json")).tables
    said = table.frame.to_csv() + json.dumps(dict(table.facts)) + json.dumps(dict(table.units))
    for planted in ("Plantedname", "Secretgiven", "1950", "2018", "2019-", "2020-", "1900"):
        assert planted not in said
    assert propose(table).one("patient") == "patient"  # the id itself is coded when the table is kept


def test_a_broken_file_among_good_ones_is_refused_by_line_and_the_others_are_read(in_process, tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("good.json", json.dumps(bundle(*two_patients())))
        archive.writestr("cut.json", json.dumps(bundle(*two_patients()))[:900])
        archive.writestr("bad.ndjson", json.dumps(patient("p9")) + '\n{"resourceType": "Obs\n')
    read = read_tables(tmp_path / "in.zip")
    assert sorted((r.file, r.note.key) for r in read.refused) == [
        ("in.zip/bad.ndjson", "refused.fhir_broken"),
        ("in.zip/cut.json", "refused.fhir_broken"),
    ]
    assert next(r for r in read.refused if "bad" in r.file).note.values["row"] == 2
    assert "p1" in read.tables[0].frame["patient"].tolist()


def test_json_nested_a_hundred_thousand_deep_is_refused(in_process, tmp_path):
    (tmp_path / "in.json").write_text('{"resourceType": "Bundle", "entry": ' + "[" * 100_000)
    (refused,) = read_tables(tmp_path / "in.json").refused
    assert refused.note.key in ("refused.nested", "refused.fhir_broken")


def test_pounds_inches_and_fahrenheit_become_metric_and_two_other_units_stay_apart(in_process, tmp_path):
    resources = [
        patient("p1"),
        observation("p1", "29463-7", "Body Weight", 150, "2020-01-01", "[lb_av]"),
        observation("p1", "29463-7", "Body Weight", 68, "2020-02-01", "kg"),
        observation("p1", "8310-5", "Temperature", 98.6, "2020-01-01", "[degF]"),
        observation("p1", *GLUCOSE, 5.5, "2020-01-01", "mmol/L"),
        observation("p1", *GLUCOSE, 99, "2020-01-01", "mg/dL"),
        observation("p1", "1751-7", "Albumin", 4.1, "2020-01-01", "g"),
    ]
    (tmp_path / "in.json").write_text(json.dumps(bundle(*resources)))
    (table,) = read_tables(tmp_path / "in.json").tables
    row = table.frame.iloc[0]
    assert row["Body Weight mean"] == pytest.approx((150 * 0.45359237 + 68) / 2)
    assert row["Temperature latest"] == pytest.approx(37)
    assert (row["Glucose [mmol/L] latest"], row["Glucose [mg/dL] latest"]) == (5.5, 99)
    assert row["Albumin latest"] == 4.1


def test_components_are_unfolded_and_words_are_kept_as_the_latest(in_process, tmp_path):
    def part(code, name, number):
        coded = {"coding": [{"code": code, "display": name, "system": "http://loinc.org"}]}
        return {"code": coded, "valueQuantity": {"value": number, "unit": "mmHg"}}

    pressure = {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2020",
        "code": {"text": "Blood pressure"},
        "component": [part("8480-6", "Systolic", 135), part("8462-4", "Diastolic", 61)],
    }
    smoking = [
        {
            "resourceType": "Observation",
            "subject": {"reference": "Patient/p1"},
            "effectiveDateTime": day,
            "code": {"text": "Smoking"},
            "valueCodeableConcept": {"text": word},
        }
        for day, word in (("2020-05", "former"), ("2019-01", "current"))
    ]
    (tmp_path / "in.json").write_text(json.dumps(bundle(patient("p1"), pressure, *smoking)))
    (table,) = read_tables(tmp_path / "in.json").tables
    row = table.frame.iloc[0]
    assert (row["Systolic latest"], row["Diastolic latest"], row["Smoking latest"]) == (135, 61, "former")
    assert table.units["Systolic latest"] == "mmHg"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("mm[Hg]", "mmHg"),
        ("Cel", "°C"),
        ("10*3/uL", "10³/µL"),
        ("{score}", ""),
        ("{beats}/min", "/min"),
        ("mg/dL", "mg/dL"),
    ],
)
def test_units_are_written_as_beside_a_value(code, said):
    assert unit_written(code) == said


def test_references_dates_and_codes_are_read_in_their_forms():
    forms = ("Patient/1", "urn:uuid:1", "https://a.b/fhir/Patient/1", "Patient/1/_history/2")
    assert {reference_of({"reference": f}) for f in forms} == {"1"}
    assert day_of("1970-01-02") == 1 and day_of("1970") == 0 and day_of("1970-02") == 31 and day_of("nonsense") is None
    assert day_of("1970-01-01T23:00:00-02:00") == pytest.approx(25 / 24)
    assert (
        concept({"coding": [{"code": "x"}, {"system": "http://loinc.org", "code": "1-8", "display": "A"}]}).code
        == "LOINC 1-8"
    )


def test_a_prescription_whose_medicine_is_missing_is_counted(in_process, tmp_path):
    lost = {
        "resourceType": "MedicationRequest",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": "Medication/none"},
    }
    (tmp_path / "in.json").write_text(json.dumps(bundle(patient("p1"), lost)))
    assert notes_of(read_tables(tmp_path / "in.json").tables[0], "fhir_medications") == [{"count": 1}]
