"""What is kept of a table: no identifier in any stored byte, codes and shifted dates instead, whole or nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.tables import propose
from engine.tables.keeping import keep_table, kept_dictionary, load_table, row_case
from engine.tables.rows import apply, fit, targets
from tests.engine.tables.made_tables import KEY, table_of

N = 40
PLANTED = [
    "Plantedname",
    "13800001111",
    "PAT-77",
    "North Clinic",
    "felt a planted pain",
    "planted@mail.example",
    "1957-03-05",
]


def hospital():
    days = np.datetime64("1957-03-05", "s") + np.arange(N) * 86_400
    return table_of(
        name=[f"Plantedname {i}" for i in range(N)],
        phone=["13800001111"] * N,
        patient_id=[f"PAT-77{i // 2:03d}" for i in range(N)],
        hospital=["North Clinic", "South Clinic"] * (N // 2),
        email=[f"planted@mail.example{i}" for i in range(N)],
        remark=[f"She felt a planted pain on day {i} and could not sleep" for i in range(N)],
        visit_date=days,
        age=np.random.default_rng(0).normal(60, 9, N),
        outcome=["well", "ill"] * (N // 2),
    )


def stored_bytes(folder) -> bytes:
    """Every byte, and what Parquet packs unpacked."""
    raw = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    return raw + "".join(pd.read_parquet(p).to_csv() for p in folder.rglob("*.parquet")).encode()


def test_no_planted_identifier_is_in_any_stored_byte(tmp_path):
    table = hospital()
    dictionary = propose(table, label="outcome", patient="patient_id")
    assert dictionary.one("site") == "hospital"
    keep_table(table, dictionary, tmp_path, KEY)
    raw = stored_bytes(tmp_path)
    assert not [planted for planted in PLANTED if planted.encode() in raw]
    assert b"outcome" in raw


def test_what_is_kept_teaches_the_same_numbers_and_labels(tmp_path):
    table = hospital()
    dictionary = propose(table, label="outcome", patient="patient_id")
    kept, about, patients, sites = load_table(tmp_path / keep_table(table, dictionary, tmp_path, KEY))
    assert (len(set(patients)), len(set(sites))) == (20, 2) and kept.lines.tolist() == table.lines.tolist()
    before, after = fit(table, dictionary, np.arange(10)), fit(kept, kept_dictionary(about), np.arange(10))
    assert np.array_equal(apply(before, table).values, apply(after, kept).values)
    assert targets(kept, kept_dictionary(about))[0].tolist() == targets(table, dictionary)[0].tolist()


def test_dates_of_one_patient_move_together_so_that_intervals_stay_true(tmp_path):
    table = hospital()
    dictionary = propose(table, label="outcome", patient="patient_id")
    kept, _, patients, _ = load_table(tmp_path / keep_table(table, dictionary, tmp_path, KEY))
    moved = (kept.frame["visit_date"] - table.frame["visit_date"]).dt.days.to_numpy()
    assert all(len(set(moved[np.array(patients) == p])) == 1 for p in set(patients))
    assert np.abs(moved).max() <= 365 and len(set(moved)) > 10


def test_an_age_past_ninety_is_kept_as_ninety_and_an_age_in_days_is_not_cut(tmp_path):
    table = table_of(
        **{"age": [50.0, 103.0] * 20, "age (days)": [50.0, 103.0] * 20, "outcome": ["a", "b", "b", "a"] * 10}
    )
    kept = load_table(tmp_path / keep_table(table, propose(table, label="outcome"), tmp_path, KEY))[0]
    assert kept.frame["age"].max() == 90 and kept.frame["age (days)"].max() == 103


def test_the_same_table_twice_is_kept_once_and_another_one_apart(tmp_path):
    table = hospital()
    dictionary = propose(table, label="outcome", patient="patient_id")
    first, again = (keep_table(table, dictionary, tmp_path, KEY) for _ in range(2))
    other = keep_table(table, dictionary.change("age", role="ignored"), tmp_path, KEY)
    assert first == again != other
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([first, other])


def test_a_row_is_a_case_of_a_project():
    case = row_case("abc", 6, "p", "s", columns=9)
    assert (case.kind, case.id, case.name, case.shape) == ("record", "abc-6", "7", (9,))
    assert type(case).from_json(case.to_json()) == case
