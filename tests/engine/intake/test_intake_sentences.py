"""Every refusal says what happened and what to do, in both languages; every key used in code has its sentence."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import engine.intake
import engine.sentences

ROOM = Path(engine.intake.__file__).parent
SOURCE = "\n".join(p.read_text("utf-8") for p in ROOM.glob("*.py"))
WORDS = Path(engine.sentences.__file__).parent


def mine(language: str) -> dict[str, str]:
    tables = tomllib.loads((WORDS / f"intake.{language}.toml").read_text("utf-8"))
    return {f"{name}.{key}": sentence for name, each in tables.items() for key, sentence in each.items()}


def used_keys() -> set[str]:
    """Keys that the code of the room can produce: literal notes, refusals, and the tables of kinds."""
    found = set(re.findall(r'"((?:refused|warning|ignored)\.[a-z_0-9]+)"', SOURCE))
    found |= {f"refused.{k}" for k in re.findall(r'Refusal\(\s*"([a-z_0-9]+)"', SOURCE)}
    found |= {f"ignored.{k}" for k in re.findall(r'upload\.ignore\([^,]+, "([a-z_]+)"\)', SOURCE)}
    kinds = re.findall(r'return "([a-z_]+)"', (ROOM / "sniff.py").read_text("utf-8"))
    found |= {
        f"refused.{k}" for k in kinds if k not in ("dicom", "bare", "dicomdir", "nifti", "nrrd", "picture", "zip")
    }
    classify = (ROOM / "classify.py").read_text("utf-8")
    found |= {f"refused.{k}" for k in re.findall(r': "([a-z]+)",', classify)}
    return found | {f"warning.{k}" for k in ("clipped", "halved", "stretched", "shortened")}


def test_every_key_that_the_code_uses_has_a_sentence_and_no_sentence_is_unused():
    keys = {k for k in mine("en") if not k.startswith("refused_do.")}
    assert used_keys() - keys == set()
    theirs = {k for k in keys if k.split(".")[1] not in SOURCE}
    assert theirs == set()


def test_every_refusal_says_what_to_do():
    for language in ("en", "zh"):
        keys = mine(language)
        refused = {k.split(".")[1] for k in keys if k.startswith("refused.")}
        assert refused == {k.split(".")[1] for k in keys if k.startswith("refused_do.")}


def test_both_languages_have_the_same_keys_and_placeholders():
    english, chinese = mine("en"), mine("zh")
    assert english.keys() == chinese.keys()
    for key, sentence in english.items():
        assert sorted(re.findall(r"{\w+}", sentence)) == sorted(re.findall(r"{\w+}", chinese[key])), key


@pytest.mark.parametrize("language, end", [("en", "."), ("zh", "。")])
def test_every_sentence_ends_like_one(language, end):
    for key, sentence in mine(language).items():
        assert sentence.endswith(end), key


def test_what_to_do_needs_no_values():
    assert not [k for k, v in mine("en").items() if k.startswith("refused_do.") and "{" in v]
