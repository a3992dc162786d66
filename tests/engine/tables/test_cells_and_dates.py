"""Cells become numbers and dates as they were meant, against Python's own writing of them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tables import dates
from engine.tables.cells import decimal_of, number, typed

FLOATS = st.floats(-1e9, 1e9, allow_nan=False).map(lambda v: round(v, 3))


def column(texts: list[str], hint: str = ""):
    return typed("c", texts, np.arange(len(texts)), np.arange(2, len(texts) + 2), hint)


@given(FLOATS)
def test_a_number_written_in_english_german_swiss_or_french_groups_is_that_number(value):
    plain = f"{value:,.3f}"
    assert number(plain, ".") == value
    swapped = plain.translate(str.maketrans(",.", ".,"))
    assert number(swapped, ",") == value
    assert number(plain.replace(",", "'"), ".") == value
    assert number(swapped.replace(".", "\u202f"), ",") == value


@settings(max_examples=60)
@given(st.lists(FLOATS, min_size=3, max_size=30))
def test_a_column_keeps_its_numbers_whichever_decimal_sign_it_has(values):
    for decimal in ".,":
        texts = list(dict.fromkeys(f"{v:.3f}" for v in values))
        found = column([t.replace(".", decimal) for t in texts], hint=decimal)
        assert found.values.tolist() == [float(t) for t in texts]


def test_one_comma_with_three_digits_counts_thousands_unless_the_file_writes_decimal_commas():
    assert decimal_of(["1,234", "2,345"]) == "."
    assert decimal_of(["1,234", "2,345"], hint=",") == ","
    assert column(["1,234", "2,345"]).values.tolist() == [1234, 2345]
    assert column(["1,234", "2,345"], hint=",").values.tolist() == [1.234, 2.345]


def test_points_in_groups_of_three_are_thousands_where_decimals_are_commas():
    assert column(["265.000,00", "1.263.358,03", "99,5"]).values.tolist() == [265000, 1263358.03, 99.5]


def test_a_plus_sign_a_percent_and_a_true_minus_are_read():
    assert column(["+1.5", "−2", "40 %", "3"]).values.tolist() == [1.5, -2, 40, 3]


def test_codes_with_leading_zeros_stay_text():
    assert column(["007", "012", "113"]).values.tolist() == ["007", "012", "113"]


@given(st.dates(date(1900, 1, 1), date(2150, 12, 31)))
def test_a_date_is_read_in_each_style(day):
    styles = [
        day.isoformat(),
        day.strftime("%d.%m.%Y"),
        day.strftime("%Y/%m/%d"),
        f"{day.year}年{day.month}月{day.day}日",
        day.strftime("%d %b %Y"),
        day.strftime("%B %d, %Y"),
        day.strftime("%Y-%m-%dT00:00:00Z"),
    ]
    for style in styles:
        assert dates.parse([style]).values.tolist()[0].date() == day


def test_day_and_month_are_settled_by_the_other_dates_of_the_column():
    american = dates.parse(["03/04/1992", "03/24/1992"])
    assert [str(v)[:10] for v in american.values] == ["1992-03-04", "1992-03-24"] and not american.ambiguous
    british = dates.parse(["03/04/1992", "24/03/1992"])
    assert [str(v)[:10] for v in british.values] == ["1992-04-03", "1992-03-24"] and not british.ambiguous


def test_where_nothing_settles_day_and_month_it_is_said():
    found = column(["03/04/1992", "05/06/1992", "07/07/1992"])
    (note,) = found.notes
    assert (note.key, note.values["count"]) == ("table.dates_ambiguous_day_first", 2)


def test_several_styles_in_one_column_are_all_understood_and_said():
    found = column(["20.03.1992", "03/24/1992", "1992-03-24", "26 Mar 1992"])
    assert [str(v)[:10] for v in found.values] == ["1992-03-20", "1992-03-24", "1992-03-24", "1992-03-26"]
    assert [n.key for n in found.notes] == ["table.dates_mixed"]


def test_a_time_of_day_comes_along():
    assert str(dates.parse(["2164-10-23 21:09:00"]).values[0]) == "2164-10-23T21:09:00"
    assert str(dates.parse(["3/24/2020 9:05 PM"]).values[0]) == "2020-03-24T21:05:00"


@pytest.mark.parametrize("texts", [["1.5", "2.5"], ["12345678", "87654321"], ["2020", "2021"], ["a-b-c"], ["1-2-3-4"]])
def test_what_is_no_date_is_not_taken_for_one(texts):
    assert dates.parse(texts) is None
