"""Rows as the page shows them: texts in the person's units, what tells classes apart, what differs, the waterfall."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard import plots
from dashboard.predicted import Amount
from dashboard.records import Cell, Records, different, number_text, short_name
from dashboard.steps.row_evidence import beside_name
from dashboard.steps.what_if import choices
from engine.tables import Table, propose


def records(frame: pd.DataFrame, **told) -> Records:
    table = Table("t.csv", frame, np.arange(2, len(frame) + 2))
    return Records(table, propose(table, **told))


@pytest.fixture
def patients() -> Records:
    rng = np.random.default_rng(0)
    target = np.repeat(["no", "yes"], 12)
    return records(
        pd.DataFrame(
            {
                "age (years)": rng.normal(60, 9, 24).round(),
                "creatinine_mg/dL": np.where(target == "yes", 2.0, 1.0) + rng.normal(0, 0.5, 24),
                "sex": rng.choice(["f", "m"], 24),
                "diabetes": rng.integers(0, 2, 24).astype(float),
                "outcome": target,
            }
        ),
        label="outcome",
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (3.14159, "3.14"),
        (1.9, "1.9"),
        (52.04, "52"),
        (265000.0, "265000"),
        (0.05, "0.05"),
        (float("nan"), ""),
    ],
)
def test_numbers_are_written_with_three_digits_and_whole_ones_whole(value, text):
    assert number_text(value) == text


def test_a_cell_has_its_unit_yes_and_no_are_words_and_missing_is_known(patients):
    patients.table.frame.loc[0, "age (years)"] = np.nan
    assert patients.cell("age (years)", 0).missing
    assert patients.cell("age (years)", 1).said.endswith(" years")
    chinese = patients.named(("是", "否", "平移"), "zh")
    assert chinese.cell("diabetes", 0).text in ("是", "否")
    assert chinese.cell("age (years)", 1).said.endswith(" 岁")
    assert chinese.cell("creatinine_mg/dL", 1).said.endswith(" mg/dL")
    assert patients.cell("sex", 0).text in ("f", "m")


def test_a_date_says_that_it_was_moved():
    # Kept dates are moved by a secret number of days a patient: whoever reads one must not take it for the true one.
    frame = pd.DataFrame({"admitted": pd.to_datetime(["2020-03-01", None]), "hb": [12.0, 9.0], "outcome": ["a", "b"]})
    kept = records(frame, label="outcome").named(("yes", "no", "(date moved)"), "en")
    assert kept.cell("admitted", 0).said == "2020-03-01 (date moved)"
    assert kept.cell("admitted", 1).missing


def test_the_label_is_never_shown_on_a_card(patients):
    assert "outcome" not in patients.entries
    assert "outcome" not in {line.column for line in patients.lines()}


def test_the_column_that_parts_the_classes_is_named_first(patients):
    labels = dict(enumerate(patients.table.frame["outcome"]))
    assert patients.telling(labels, 1) == ["creatinine_mg/dL"]
    assert len(patients.telling({}, 3)) == 3  # before there are labels the first columns stand for a row


def test_a_measure_with_its_summaries_is_one_line():
    rng, summaries = np.random.default_rng(1), ("latest", "mean", "slope", "count")
    frame = pd.DataFrame({f"Glucose {each}": rng.normal(size=40) for each in summaries} | {"y": [0.0, 1.0] * 20})
    (line,) = records(frame, label="y").lines()
    assert line.name == "Glucose"
    assert line.more == ("Glucose mean", "Glucose slope", "Glucose count")


def test_headings_are_written_as_people_write_them():
    assert short_name("condition: Anemia (disorder)") == "Anemia"
    assert short_name("serum_sodium") == "serum sodium"
    assert short_name("Glucose (mg/dL)", "mg/dL") == "Glucose" == short_name("Glucose_mg/dL", "mg/dL")
    assert short_name("years", "years") == "years"
    assert short_name("Hemoglobin [Mass/volume] in Blood") == "Hemoglobin in Blood"


def test_what_differs_is_a_fifth_of_the_range_or_another_word():
    assert different(Cell("5", "", 5.0), Cell("8", "", 8.0), 10.0)
    assert not different(Cell("5", "", 5.0), Cell("6", "", 6.0), 10.0)
    assert different(Cell("f"), Cell("m"), 0.0)
    assert different(Cell(""), Cell("5", "", 5.0), 10.0)


def test_what_may_be_chosen_is_what_the_table_writes_in_any_language():
    rows = pd.DataFrame(
        {
            "dementia": ["no", "yes"] * 10,
            "smoker": [0.0, 1.0] * 10,
            "seen": pd.to_datetime(["2020-01-05", "2021-02-07"] * 10),
            "dose": np.arange(20.0),
        }
    )
    chinese = records(rows, label="dose").named(("是", "否"), "zh")
    assert choices(chinese, "dementia", 1) == (["no", "yes"], "yes")
    assert choices(chinese, "smoker", 0) == (["0", "1"], "0")
    assert "seen" not in chinese.entries or choices(chinese, "seen", 0)[1] == "2020-01-05"


@pytest.mark.parametrize(
    ("value", "low", "high", "said", "between"),
    [
        (0.0184, 0.0, 4.14, "0 days", "0 – 4.1 days"),
        (9.96, 5.86, 14.02, "10 days", "5.9 – 14 days"),
        (152.4, 101.7, 203.2, "152 days", "102 – 203 days"),
        (0.512, 0.48, 0.55, "0.512 days", "0.48 – 0.55 days"),
        (7.356, None, None, "7.36 days", ""),
    ],
)
def test_a_predicted_number_is_no_finer_than_its_interval(value, low, high, said, between):
    amount = Amount(value, low, high, "days", 0.8)
    assert (amount.text, amount.range) == (said, between)


def test_beside_a_bar_the_value_stays_whole_and_the_name_is_cut():
    assert beside_name("age", "50 years") == "age 50 years"
    text = beside_name("Hematocrit of Blood by Automated count slope", "1.02 % per year")
    assert text.endswith("… 1.02 % per year") and len(text) <= plots.LONGEST_TEXT


def test_the_waterfall_leads_from_the_usual_row_to_this_one():
    parts = [("creatinine 2.4", 0.9), ("age 50", -0.3)]
    words = {"base": "usual", "output": "this", "x": "score"}
    figure = plots.waterfall(-0.2, 0.4, parts, words, colour="#123456", height=200)
    bars, ends = figure.data
    assert list(bars.base) == pytest.approx([-0.2, 0.7])
    assert bars.base[-1] + bars.x[-1] == pytest.approx(0.4) == ends.x[-1]
    assert list(bars.marker.color) == ["#123456", plots.NEUTRAL]
    assert list(figure.layout.yaxis.ticktext) == ["usual", "creatinine 2.4", "age 50", "this"]
