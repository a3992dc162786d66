"""Long tables become one row a patient, with the numbers that pandas and numpy give for each patient alone."""

from __future__ import annotations

import numpy as np
import pytest

from engine.tables import propose
from engine.tables.visits import summarise, summarise_visits
from tests.engine.tables.made_tables import notes_of, table_of


def long_rows(seed: int = 0, patients: int = 12, measures: int = 3, rows: int = 300):
    rng = np.random.default_rng(seed)
    value = rng.normal(size=rows)
    value[rng.random(rows) < 0.1] = np.nan
    return rng.integers(0, patients, rows), rng.permutation(rows).astype(float), rng.integers(0, measures, rows), value


def test_latest_mean_slope_and_count_are_those_of_each_patient_alone():
    patient, time, measure, value = long_rows()
    found = summarise(patient, time, measure, value, (13, 3))
    for p in range(13):
        for m in range(3):
            mine = (patient == p) & (measure == m) & np.isfinite(value)
            assert found.count[p, m] == mine.sum()
            if not mine.any():
                assert np.isnan([found.latest[p, m], found.mean[p, m], found.slope[p, m]]).all()
                continue
            assert found.latest[p, m] == value[mine][np.argmax(time[mine])]
            assert found.mean[p, m] == pytest.approx(value[mine].mean(), abs=1e-12)
            if mine.sum() > 1:
                assert found.slope[p, m] == pytest.approx(np.polyfit(time[mine], value[mine], 1)[0], abs=1e-9)


def test_a_slope_far_from_time_zero_is_as_exact():
    patient, time, measure, value = long_rows()
    near, far = (summarise(patient, time + shift, measure, value, (12, 3)) for shift in (0, 1e6))
    assert np.allclose(near.slope, far.slope, atol=1e-9, equal_nan=True)


def test_what_is_said_of_a_patient_does_not_depend_on_the_others():
    patient, time, measure, value = long_rows()
    alone = patient == 3
    one = summarise(np.zeros(alone.sum(), int), time[alone], measure[alone], value[alone], (1, 3))
    everyone = summarise(patient, time, measure, value, (12, 3))
    for name in ("latest", "mean", "slope", "count"):
        assert np.array_equal(getattr(one, name)[0], getattr(everyone, name)[3], equal_nan=True)


def visits(**more):
    columns = {
        "patient": ["a", "a", "a", "b", "b", "c"],
        "day": [0.0, 10, 20, 0, 5, 1],
        "measure": ["hr", "hr", "bp", "hr", "mood", "hr"],
        "value": ["80", "70", "120", "90", "low", "95"],
        "sex": ["f", "f", "f", "m", "m", "f"],
        "weight": [70.0, 69, 68, 80, 80, 60],
        "outcome": ["well"] * 3 + ["ill"] * 2 + ["well"],
    }
    return table_of(**(columns | more))


def test_constant_columns_come_along_changing_ones_are_named_and_words_are_kept():
    table = visits()
    dictionary = (
        propose(table, label="outcome", patient="patient")
        .change("measure", role="measure")
        .change("value", role="value")
    )
    wide = summarise_visits(table, dictionary.change("day", role="date"))
    rows = wide.frame.set_index("patient")
    assert (
        rows["hr latest"].tolist() == [70, 90, 95]
        and rows.loc["a", "hr slope"] == -1
        and rows.loc["a", "bp latest"] == 120
    )
    assert rows["mood latest"].tolist()[1] == "low" and rows["sex"].tolist() == ["f", "m", "f"]
    assert rows["outcome"].tolist() == ["well", "ill", "well"]
    assert notes_of(wide, "visits_left_out") == [{"count": 1, "columns": "weight"}]
    assert wide.units["hr slope"] == "per day" and wide.lines.tolist() == [2, 5, 7]


def test_a_measure_in_two_units_becomes_two_measures():
    table = visits(value=[80.0, 70, 120, 90, 3, 95], unit=["bpm", "bpm", "mmHg", "bpm", "", "Hz"])
    dictionary = (
        propose(table, label="outcome", patient="patient")
        .change("measure", role="measure")
        .change("value", role="value")
    )
    wide = summarise_visits(table, dictionary)
    assert {"hr latest", "hr [Hz] latest"} <= set(wide.columns)
    assert np.isnan(wide.frame["hr latest"][2]) and wide.frame["hr [Hz] latest"][2] == 95
    assert wide.units["hr latest"] == "bpm"


def test_a_table_of_too_many_measures_keeps_the_frequent_ones_and_says_so(monkeypatch):
    monkeypatch.setattr("engine.tables.visits.MOST_MEASURES", 1)
    table = visits()
    dictionary = propose(table, label="outcome", patient="patient")
    wide = summarise_visits(table, dictionary.change("measure", role="measure").change("value", role="value"))
    assert "hr latest" in wide.columns and "bp latest" not in wide.columns
    assert notes_of(wide, "visits_too_many") == [{"count": 2}]


def test_where_the_label_belongs_to_an_admission_a_row_is_an_admission():
    n = 40
    table = table_of(
        patient=[f"p{i // 8}" for i in range(n)],
        encounter_id=[f"e-{i // 4:05d}-x" for i in range(n)],
        minute=np.arange(n) % 4,
        measure=["hr"] * n,
        value=np.random.default_rng(0).normal(size=n),
        outcome=[["home", "ward"][i // 4 % 2] for i in range(n)],
    )
    dictionary = (
        propose(table)
        .change("encounter_id", role="identifier")
        .change("measure", role="measure")
        .change("value", role="value")
    )
    wide = summarise_visits(table, dictionary)
    assert (
        len(wide) == 10
        and wide.frame["patient"].nunique() == 5
        and wide.frame["outcome"].tolist() == ["home", "ward"] * 5
    )
