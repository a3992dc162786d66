"""What each column is and is for: proposed with reasons, corrected by a person, kept as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.sentences import say
from engine.tables import Dictionary, propose
from engine.tables.kinds import order_of
from engine.tables.names import unit_of, words
from tests.engine.tables.made_tables import table_of

RNG = np.random.default_rng(0)
N = 80


def hospital(**more):
    columns = {
        "MRN": [f"{10_000_000 + 7 * (i // 2)}" for i in range(N)],
        "Name": [f"Person{i} Family{i}" for i in range(N)],
        "Phone": [f"138{i:08d}" for i in range(N)],
        "hospital": RNG.choice(["North", "South", "East"], N).tolist(),
        "admission_date": np.datetime64("2020-01-01", "s") + np.arange(N) * 86_400,
        "age (years)": RNG.integers(20, 90, N).astype(float),
        "glucose mg/dL": RNG.normal(100, 20, N).round(1),
        "sex": RNG.choice(["m", "f"], N).tolist(),
        "severity": RNG.choice(["mild", "moderate", "severe"], N).tolist(),
        "smoker": RNG.choice(["yes", "no"], N).tolist(),
        "ward round notes": [f"Patient {i} felt a little better today and walked" for i in range(N)],
        "empty": [np.nan] * N,
        "same": [3.0] * N,
        "outcome": RNG.choice(["recovered", "died"], N).tolist(),
    }
    return table_of(**(columns | more))


def test_a_hospital_table_is_understood_column_by_column():
    dictionary = propose(hospital())
    roles = {role: dictionary.named(role) for role in ("label", "patient", "site", "date", "identifier", "ignored")}
    assert roles == {
        "label": ["outcome"],
        "patient": ["MRN"],
        "site": ["hospital"],
        "date": ["admission_date"],
        "identifier": ["Name", "Phone"],
        "ignored": ["ward round notes", "empty", "same"],
    }
    kinds = {e.name: e.kind for e in dictionary if e.role == "feature"}
    assert kinds == {
        "age (years)": "number",
        "glucose mg/dL": "number",
        "sex": "category",
        "severity": "category",
        "smoker": "yes_no",
    }
    assert dictionary["severity"].levels == ("mild", "moderate", "severe") and dictionary["severity"].ordinal
    assert dictionary["glucose mg/dL"].unit == "mg/dL" and dictionary["age (years)"].unit == "years"


def test_every_reason_can_be_said_in_both_languages():
    for entry in propose(hospital()):
        for reason in entry.reasons:
            assert say(reason, "en") and say(reason, "zh")


def test_a_chinese_table_is_understood_too():
    table = table_of(
        住院号=[f"ZY{1000 + i}" for i in range(30)],
        姓名=[f"张{chr(0x4E00 + i)}" for i in range(30)],
        科室=["内科", "外科", "儿科"] * 10,
        年龄=np.arange(30.0) + 20,
        性别=["男", "女"] * 15,
        结局=["好转", "死亡", "好转"] * 10,
    )
    dictionary = propose(table)
    assert (dictionary.one("patient"), dictionary.one("site"), dictionary.one("label")) == ("住院号", "科室", "结局")
    assert dictionary["姓名"].role == "identifier"


def test_a_person_corrects_it_and_a_role_of_one_moves():
    dictionary = propose(hospital()).change("smoker", role="label")
    assert dictionary.one("label") == "smoker" and dictionary["outcome"].role == "feature"
    assert dictionary.change("age (years)", unit="months")["age (years)"].unit == "months"
    moved = dictionary.change("Name", role="patient")
    assert moved["MRN"].role == ("identifier" if moved["MRN"].kind == "identifier" else "feature")
    with pytest.raises(ValueError):
        dictionary.change("smoker", role="nonsense")
    with pytest.raises(KeyError):
        dictionary.change("nobody", role="label")


def test_the_dictionary_survives_json():
    dictionary = propose(hospital())
    assert Dictionary.from_json(json.loads(json.dumps(dictionary.to_json(), ensure_ascii=False))) == dictionary


def test_told_columns_are_taken_as_told():
    dictionary = propose(hospital(), label="smoker", patient="Phone")
    assert (dictionary.one("label"), dictionary.one("patient")) == ("smoker", "Phone")
    with pytest.raises(KeyError):
        propose(hospital(), label="nobody")


@pytest.mark.parametrize(
    "name, unit",
    [
        ("Glucose (mg/dL)", "mg/dL"),
        ("weight_kg", "kg"),
        ("年龄（岁）", "岁"),
        ("Pulse rate(bpm)", "bpm"),
        ("PCOS (Y/N)", ""),
        ("Cycle(R/I)", ""),
        ("ALBUMIN_MIN", ""),
        ("patients per hour", ""),
        ("pack_years", ""),
        ("BP _Systolic (mmHg)", "mmHg"),
        ("age", ""),
    ],
)
def test_a_unit_is_found_in_the_heading(name, unit):
    assert unit_of(name) == unit


def test_a_word_counts_only_as_a_whole_word():
    assert (
        "id" not in words("paid")
        and {"patient", "id"} <= words("PatientID")
        and {"patient", "nbr"} <= words("patient_nbr")
    )


@pytest.mark.parametrize(
    "levels, order",
    [
        (["60th", "10th", "Above 90th"], None),
        (["40-49", "30-39", "50-59"], ["30-39", "40-49", "50-59"]),
        (["[10-20)", "[0-10)", "[20-30)"], ["[0-10)", "[10-20)", "[20-30)"]),
        (["severe", "mild", "none"], ["none", "mild", "severe"]),
        (["a", "b", "c"], None),
        (["1", "2", "3"], None),
    ],
)
def test_levels_with_an_order_are_put_in_it(levels, order):
    assert order_of(levels) == order


def test_a_long_table_of_visits_is_recognised():
    table = table_of(
        patient=["a", "a", "b", "b"] * 5,
        day=np.tile([0.0, 3.0], 10),
        measure=["hr", "bp"] * 10,
        value=RNG.normal(80, 9, 20).round(1),
        outcome=["y", "y", "n", "n"] * 5,
    )
    dictionary = propose(table)
    assert [dictionary.one(r) for r in ("patient", "date", "measure", "value", "label")] == [
        "patient",
        "day",
        "measure",
        "value",
        "outcome",
    ]
    assert [n.key for n in dictionary.notes] == ["table.long"]
