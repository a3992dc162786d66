"""Every sentence about tables exists in both languages, is used, and says what to do where something is refused."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import engine.sentences
import engine.tables
from engine.nouns import Note
from engine.sentences import say

ROOM = Path(engine.tables.__file__).parent
JOBS = ROOM.parent / "jobs" / "work"
SOURCE = "\n".join(
    p.read_text("utf-8")
    for p in (
        *ROOM.glob("*.py"),
        *(JOBS / name for name in ("take_in.py", "tables.py")),
        *(ROOM.parent / "commands" / name for name in ("_tables.py", "_evaluate_table.py")),
    )
)
WORDS = Path(engine.sentences.__file__).parent


def mine(language: str) -> dict[str, dict[str, str]]:
    return tomllib.loads((WORDS / f"tables.{language}.toml").read_text("utf-8"))


def test_both_languages_have_the_same_keys_and_placeholders():
    english, chinese = mine("en"), mine("zh")
    for table in ("refused", "refused_do", "table"):
        assert english[table].keys() == chinese[table].keys()
        for key, sentence in english[table].items():
            assert sorted(re.findall(r"{\w+", sentence)) == sorted(re.findall(r"{\w+", chinese[table][key])), key


def test_every_refusal_says_what_to_do_without_values():
    for language in ("en", "zh"):
        assert mine(language)["refused"].keys() == mine(language)["refused_do"].keys()
        assert not [s for s in mine(language)["refused_do"].values() if "{" in s]


def test_every_key_that_the_code_uses_has_a_sentence_and_none_is_unused():
    other = tomllib.loads((WORDS / "intake.en.toml").read_text("utf-8"))["refused"]
    refused = set(re.findall(r'Refusal\(\s*"([a-z_]+)"', SOURCE)) | set(re.findall(r'"refused\.([a-z_]+)"', SOURCE))
    assert refused <= mine("en")["refused"].keys() | other.keys()
    noted = set(re.findall(r'"table\.([a-z_]+)"', SOURCE)) - {"json"}
    noted |= {f"because_{r}" for r in ("patient", "label", "site")}
    noted |= {f"smiles_{w}" for w in ("empty", "syntax", "chemistry", "large", "long")}
    assert noted == mine("en")["table"].keys()
    drawn = {f"smiles_{w}" for w in ("empty", "syntax", "chemistry", "large", "long")}
    assert mine("en")["refused"].keys() <= refused | drawn


def test_a_count_takes_the_word_for_one_or_for_more_and_keeps_its_commas():
    said = [say(Note("table.not_dates", {"column": "seen", "count": n, "rows": r})) for n, r in ((1, "7"), (2, "7, 9"))]
    assert "1 cell holds no date (row 7)" in said[0] and "2 cells hold no date (rows 7, 9)" in said[1]
    assert "500,000" in say(Note("refused.table_rows", {"limit": 500_000}))


@pytest.mark.parametrize("language, end", [("en", "."), ("zh", "。")])
def test_every_sentence_ends_like_one(language, end):
    for table in mine(language).values():
        for key, sentence in table.items():
            assert sentence.rstrip('"').endswith(end), key
