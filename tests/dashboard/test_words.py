"""The tables of texts: both languages say the same things, with the same places to fill."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import engine.sentences
from dashboard import words
from dashboard.words import Words

PLACES = re.compile(r"{(\w+)")
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("table", [words.table, engine.sentences.table], ids=["page", "engine"])
def test_both_languages_have_the_same_keys_and_the_same_places_to_fill(table):
    english, chinese = table("en"), table("zh")
    assert set(english) == set(chinese)
    differing = {k for k in english if set(PLACES.findall(english[k])) != set(PLACES.findall(chinese[k]))}
    assert not differing


@pytest.mark.parametrize("table", [words.table, engine.sentences.table], ids=["page", "engine"])
def test_no_chinese_text_is_left_in_english(table):
    names = {"MAML", "Grad-CAM", "Handful", "PLATIPUS"}
    left = {
        k for k, text in table("zh").items() if text.isascii() and text not in names and re.search("[a-z]{4}", text)
    }
    # The language switch names the other language in its own tongue.
    assert left <= {"app.language_hint"}


def test_every_key_that_a_page_asks_for_is_in_the_table():
    asked: set[str] = set()
    for path in (ROOT / "dashboard").rglob("*.py"):
        asked |= set(re.findall(r"words\(\s*[\"']([a-z_]+\.[a-z_0-9]+)[\"']\s*[,)]", path.read_text("utf-8")))
    assert asked
    assert asked <= set(words.table("en"))


def test_a_count_of_one_takes_the_form_for_one():
    say = Words("en")
    assert say("label.teach", count=1) == "1 labelled case teaches."
    assert say("label.teach", count=8) == "8 labelled cases teach."


def test_an_unknown_language_is_read_as_english():
    assert Words("xx").language == "en"
