"""Columns that give the answer away are flagged with the reason; honest ones, and luck on few rows, are not."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from engine.tables import propose
from engine.tables.leaks import by_luck
from tests.engine.tables.made_tables import table_of

N = 120


def outcome(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.arange(N) % 3 == 0)


def reason(table, column: str) -> str | None:
    entry = propose(table, label="died")[column]
    return entry.reasons[-1].key if entry.role == "leak" else None


def made(**columns):
    return table_of(died=np.where(outcome(), "yes", "no").tolist(), **columns)


def test_a_copy_of_the_label_under_other_words_is_flagged():
    assert reason(made(finding=np.where(outcome(), "B", "A").tolist()), "finding") == "table.leak_perfect"


def test_a_number_that_orders_the_classes_perfectly_is_flagged():
    noise = np.random.default_rng(1).random(N)
    assert reason(made(marker=outcome() * 2.0 + noise), "marker") == "table.leak_perfect"


def test_a_strong_but_honest_predictor_is_not_flagged():
    noise = np.random.default_rng(1).normal(size=N)
    assert reason(made(marker=outcome() * 2.0 + noise), "marker") is None


def test_a_column_filled_for_one_class_is_flagged():
    cause = np.where(outcome(), np.random.default_rng(2).choice(["heart", "lung", "other"], N), None)
    assert reason(made(cause=cause.tolist()), "cause") == "table.leak_filled"


def test_missing_by_chance_is_not_flagged():
    value = np.where(np.random.default_rng(3).random(N) < 0.5, np.nan, np.random.default_rng(4).normal(size=N))
    assert reason(made(value=value), "value") is None


@pytest.mark.parametrize(
    "name", ["discharge_disposition_id", "length_of_stay", "time to death", "LOS", "出院方式", "follow-up", "DISCHTIME",
     "Cause of Death [US Standard Certificate of Death] latest"],
)  # fmt: skip
def test_names_of_what_is_known_afterwards_are_flagged(name):
    values = np.random.default_rng(5).integers(0, 9, N).astype(float)
    assert reason(made(**{name: values}), name) == "table.leak_afterwards"


def test_what_is_known_at_discharge_is_no_leak_for_what_comes_after_it():
    rng = np.random.default_rng(6)
    table = table_of(
        discharge_disposition=rng.choice(["home", "ward"], N).tolist(),
        time_in_hospital=rng.integers(1, 14, N),
        readmitted=rng.choice(["yes", "no"], N).tolist(),
    )
    dictionary = propose(table)
    assert dictionary.one("label") == "readmitted" and not dictionary.named("leak")


def test_a_numeric_target_in_another_unit_is_flagged():
    grams = np.random.default_rng(7).normal(3300, 400, N)
    table = table_of(birth_ounces=grams / 28.35, age=np.random.default_rng(8).normal(size=N), target=grams)
    dictionary = propose(table, label="target")
    assert (
        dictionary["birth_ounces"].reasons[-1].key == "table.leak_same_numbers" and dictionary["age"].role == "feature"
    )


def test_on_a_handful_of_rows_a_perfect_column_is_luck_and_not_flagged():
    rng = np.random.default_rng(9)
    died = ["yes"] * 4 + ["no"] * 4
    columns = {f"gene {i}": rng.normal(size=8) for i in range(300)}
    perfect = [n for n, v in columns.items() if min(v[:4]) > max(v[4:]) or max(v[:4]) < min(v[4:])]
    assert perfect  # with 300 columns some part 4 from 4 by chance
    assert not propose(table_of(died=died, **columns), label="died").named("leak")


def test_the_chance_of_a_perfect_column_is_the_one_that_simulation_shows():
    rng = np.random.default_rng(10)
    ranks = np.argsort(rng.random((200_000, 6)), axis=1)
    positive = ranks < 2  # the places of 2 positives among 6 rows in the order of an unrelated column
    perfect = positive[:, :2].all(axis=1) | positive[:, -2:].all(axis=1)
    assert by_luck(2, 6, 1) == 2 / comb(6, 2)
    assert perfect.mean() == pytest.approx(2 / comb(6, 2), abs=0.003)  # 3 standard errors of 200,000 draws
