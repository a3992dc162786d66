"""Units that are words are said in the person's language; signs are the same everywhere."""

from __future__ import annotations

import pytest

from engine.sentences import table, unit_word


@pytest.mark.parametrize(
    ("unit", "chinese"),
    [("days", "天"), ("Hours", "小时"), ("beats/min", "次/分"), ("mmHg/year", "mmHg/年"), ("mg/dL", "mg/dL"), ("", "")],
)
def test_a_unit_in_chinese_and_as_written_in_english(unit, chinese):
    assert unit_word(unit, "zh") == chinese
    assert unit_word(unit, "en") == unit


def test_years_of_an_age_have_a_word_of_their_own():
    assert unit_word("years", "zh") == "年"
    assert unit_word("years", "zh", of_age=True) == "岁"


def test_both_languages_know_the_same_units():
    units = [{key for key in table(language) if key.startswith("units.")} for language in ("en", "zh")]
    assert units[0] == units[1]
    assert units[0]
