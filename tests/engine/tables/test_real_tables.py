"""Real files: every messy table, the published diabetes admissions, FHIR patients, visits and assays."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from engine.sentences import say
from engine.tables import first_table, propose, read_tables
from engine.tables.patients import patient_codes
from engine.tables.visits import summarise_visits
from tests.conftest import ROOT
from tests.engine.tables.made_tables import KEY, InThisProcess, notes_of

MESSY = {
    "CONV_breast_expression_600_columns.csv": (115, 611, "event"),
    "CONV_colon.xls": (929, 16, "status"),
    "CONV_cystic_fibrosis_dates_as_text_mixed.csv": (767, 8, None),
    "CONV_diabetes130_constant_columns.parquet": (3000, 51, "readmitted"),
    "CONV_hcv_gb18030_tab.tsv": (615, 13, "类别"),
    "CONV_hcv_gbk.csv": (615, 13, "类别"),
    "CONV_hcv_utf16.csv": (615, 13, "类别"),
    "CONV_hcv_utf8_bom.csv": (615, 13, "类别"),
    "CONV_heart_failure_latin1_semicolon_decimalcomma.csv": (299, 13, "Todesfall"),
    "CONV_heart_failure_thousands_points.csv": (299, 13, "Todesfall"),
    "CONV_mimic3_demo_admissions_pipe.txt": (128, 19, "HOSPITAL_EXPIRE_FLAG"),
    "CONV_pima_formulas_titlerow_merged.xlsx": (200, 10, "Outcome"),
    "ORIG_breast_cancer_quoted_noheader.csv": (286, 10, "column 10"),
    "ORIG_covid_icu_231_columns.xlsx": (1925, 230, "ICU"),
    "ORIG_echocardiogram_ragged_question_marks.data": (123, 13, "column 13"),
    "ORIG_hcv.xlsx": (615, 15, "Category"),
    "ORIG_hepatitis.arff": (155, 20, "Class"),
    "ORIG_infarction_questionmarks_noheader.data": (1700, 124, "column 124"),
    "ORIG_obesity_bytes_repr.csv": (522, 17, "NObeyesdad"),
    "ORIG_pcos.xlsx": (541, 44, "PCOS (Y/N)"),
    "ORIG_physionet2012_stay.txt": (272, 3, None),
    "ORIG_triage_semicolon_cp1254_decimalcomma.csv": (1267, 24, "KTAS_expert"),
}


def messy(data, name):
    return first_table(data / "records" / "messy" / name)


@pytest.mark.parametrize("name", MESSY)
def test_a_messy_file_is_read_whole_and_its_label_found(in_process, data, name):
    rows, columns, label = MESSY[name]
    table = messy(data, name)
    assert table.frame.shape == (rows, columns)
    assert propose(table).one("label") == label
    for note in table.notes:
        assert say(note, "en") and say(note, "zh")


def test_no_messy_file_is_forgotten(data):
    assert {p.name for p in (data / "records" / "messy").iterdir()} == MESSY.keys()


def test_four_encodings_of_one_table_are_one_table(in_process, data):
    tables = [messy(data, n) for n in MESSY if n.startswith("CONV_hcv")]
    for other in tables[1:]:
        assert other.frame.equals(tables[0].frame)


def test_thousands_points_and_plain_decimal_commas_give_the_same_numbers(in_process, data):
    plain = messy(data, "CONV_heart_failure_latin1_semicolon_decimalcomma.csv").frame
    points = messy(data, "CONV_heart_failure_thousands_points.csv").frame
    assert plain.equals(points) and plain["Thrombozyten"][1] == 263358.03


def test_mixed_dates_come_out_beside_their_compact_copies(in_process, data):
    frame = messy(data, "CONV_cystic_fibrosis_dates_as_text_mixed.csv").frame
    days = (frame["end_text"] - frame["entry_text"]).dt.days
    assert frame["entry_text"].notna().all() and days.between(0, 200).mean() > 0.99  # a trial of 24 weeks


def test_the_leaks_of_real_tables_are_flagged(in_process, data):
    admissions = propose(messy(data, "CONV_mimic3_demo_admissions_pipe.txt"))
    assert {"DEATHTIME", "DISCHARGE_LOCATION", "DISCHTIME"} <= set(admissions.named("leak"))
    assert admissions.one("patient") == "SUBJECT_ID" and {"ROW_ID", "HADM_ID"} == set(admissions.named("identifier"))
    assert propose(messy(data, "ORIG_hcv.xlsx")).named("leak") == ["Donor Blood"]
    triage = propose(messy(data, "ORIG_triage_semicolon_cp1254_decimalcomma.csv"))
    assert {"Disposition", "Length of stay_min", "mistriage"} <= set(triage.named("leak"))


def test_formulas_without_results_in_a_real_workbook_are_named(in_process, data):
    table = messy(data, "CONV_pima_formulas_titlerow_merged.xlsx")
    (said,) = notes_of(table, "formulas")
    assert (said["column"], said["count"]) == ("Glucose mmol/l", 200)


def test_a_hundred_thousand_admissions_are_read_as_they_stand(data):
    path = data / "records" / "diabetes130_full.csv.zip"
    table = first_table(path)
    assert table.frame.shape == (101_766, 50)
    with zipfile.ZipFile(path) as archive:
        raw = list(csv.DictReader(io.TextIOWrapper(archive.open("dataset_diabetes/diabetic_data.csv"), "utf-8")))
    for name in ("race", "diag_1", "time_in_hospital", "readmitted", "weight", "age"):
        column = table.frame[name]
        for row in range(0, len(raw), 997):
            want, got = raw[row][name], column.iloc[row]
            assert (want == "?" and got != got) or want == got or float(want) == got, (name, row)
    dictionary = propose(table)
    assert (dictionary.one("patient"), dictionary.one("label")) == ("patient_nbr", "readmitted")
    assert dictionary.one("site") == "medical_specialty" and dictionary.named("identifier") == ["encounter_id"]
    assert dictionary["age"].ordinal and dictionary["age"].levels[0] == "[0-10)"
    assert len(set(patient_codes(table, dictionary, KEY))) == 71_518  # as the manifest counts them


def test_reading_a_hundred_thousand_admissions_takes_less_than_two_gigabytes(data):
    """In a process of its own, since this one holds what all tests before it left; with its bounded child's peak.

    What `getrusage` calls a process's own peak begins at that of the process it was forked from, so psutil is asked.
    """
    asked = (
        "import pathlib, sys, psutil; from resource import RUSAGE_CHILDREN, getrusage; "
        "from engine.tables import first_table; rows = len(first_table(pathlib.Path(sys.argv[1])).frame); "
        "print(rows, psutil.Process().memory_info().rss + 1024 * getrusage(RUSAGE_CHILDREN).ru_maxrss)"
    )
    path = str(data / "records" / "diabetes130_full.csv.zip")
    done = subprocess.run([sys.executable, "-c", asked, path], cwd=ROOT, capture_output=True, text=True, check=True)
    rows, held = done.stdout.split()
    assert int(rows) == 101_766 and int(held) < 2e9


@pytest.mark.parametrize(
    "name, patients", [("synthea_r4_bundles", 42), ("mimic4_demo_r4_bundles", 24), ("mimic4_demo_bulk_ndjson", 100)]
)
def test_fhir_patients_become_a_row_each(in_process, data, name, patients):
    read = read_tables(data / "records" / "fhir" / f"{name}.zip")
    (table,) = read.tables
    assert len(table) == patients and not read.refused
    dictionary = propose(table)
    assert dictionary.one("patient") == "patient"
    assert table.frame["age"].between(0, 90).all()


def test_what_is_said_of_fhir_patients_is_what_their_labels_say(in_process, data):
    with (data / "records" / "fhir" / "labels.csv").open() as file:
        labels = {row["patient"]: row for row in csv.DictReader(file)}
    for name in ("synthea_r4_bundles", "mimic4_demo_r4_bundles"):
        (table,) = read_tables(data / "records" / "fhir" / f"{name}.zip").tables
        for row in table.frame.to_dict("records"):
            label = labels[row["patient"]]
            assert row["sex"] == label["gender"] and row["deceased"] == float(label["deceased"])
            encounters = sum(v for k, v in row.items() if k.startswith("encounters "))
            assert encounters == float(label["encounters"])


@pytest.mark.parametrize(
    "name, rows",
    [
        ("pbcseq.csv.gz", 312),
        ("physionet2012.csv.gz", 600),
        ("oasis_dementia_visits.csv", 150),
        ("mimic4_demo_ed_vitals.csv.gz", 202),
        ("respiratory_centres.csv", 111),
    ],
)
def test_real_visits_become_a_row_a_patient_or_a_stay(in_process, data, name, rows):
    table = first_table(data / "records" / "longitudinal" / name)
    dictionary = propose(table)
    wide = summarise_visits(table, dictionary)
    assert len(wide) == rows and propose(wide).one("label") == "outcome"


def test_latest_values_of_real_visits_are_those_of_the_file(in_process, data):
    table = first_table(data / "records" / "longitudinal" / "pbcseq.csv.gz")
    wide = summarise_visits(table, propose(table)).frame.set_index("patient")
    bilirubin = table.frame[table.frame["measure"] == "bili"].dropna(subset=["value"])
    last = bilirubin.sort_values("day", kind="stable").groupby("patient")["value"].last()
    assert np.allclose(wide["bili latest"].loc[last.index], last)


def test_real_assays_have_their_molecules_found(in_process, data):
    for name in ("bbbp.csv.gz", "tox21_train_assays.csv.gz", "bace_chembl.csv.gz"):
        assert propose(first_table(data / "records" / "molecules" / name)).named("molecule") == ["smiles"]


def test_every_real_table_is_read_with_its_label_and_group(in_process, data):
    missed = []
    for path in sorted((data / "records" / "tables").iterdir()):
        dictionary = propose(first_table(path))
        if dictionary.one("label") != "__y":
            missed.append(path.name)
    assert not missed


def test_the_stand_in_for_the_process_answers_as_the_process_does(data):
    path = data / "records" / "messy" / "ORIG_hcv.xlsx"
    whole = first_table(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.tables.reading.Bounded", InThisProcess)
        assert first_table(path).frame.equals(whole.frame)
