"""What a column's name gives away: its unit, and what it may be for. English, Chinese, German and common codes.

Words are looked for as whole words ("patient_nbr" holds "patient" and "nbr", "PatientID" too), so that "paid" is no
"id". A name only suggests: `proposing` weighs it against the values.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-zäöüß]+|[A-Z]+|\d+|[\u4e00-\u9fff]+")
IN_BRACKETS = re.compile(r"\[[^\]]*\]|\([^)]*\)|[（【][^）】]*[）】]")  # of any length
BRACKETS = re.compile(r"[(\[（【]\s*([^()\[\]（）【】]{1,20})\s*[)\]）】]")
_WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
UNITS = tuple(_WORDS["units"])
NOT_UNITS = {"y", "f", "m", "c", "d", "g", "h", "s", "l", "in"}  # units only where they stand in brackets
PATIENT = frozenset(_WORDS["patient"])
NUMBER = frozenset(_WORDS["number"])
ROW_NUMBER = frozenset(_WORDS["row_number"])
IDENTIFYING = frozenset(_WORDS["identifying"])
SITE = frozenset(_WORDS["site"])
LABEL = frozenset(_WORDS["label"])
AFTERWARDS = frozenset(_WORDS["afterwards"])
AT_DISCHARGE = frozenset(_WORDS["at_discharge"])
AFTER_THE_STAY = frozenset(_WORDS["after_the_stay"])
FOLLOW_UP = frozenset(_WORDS["follow_up"])
OUTCOME_WITH_TIME = frozenset(_WORDS["outcome_with_time"])
NOT_SITE = frozenset(_WORDS["not_site"])
NOT_LABEL = frozenset(_WORDS["not_label"])
MEASURE = frozenset(_WORDS["measure"])
VALUE = frozenset(_WORDS["value"])
VISIT_TIME = frozenset(_WORDS["visit_time"])
NOMINAL = frozenset(_WORDS["nominal"])
LENGTH_OF_STAY = frozenset({"stay", "los"})


def words(name: str) -> set[str]:
    """The words of a name in small letters, and the whole name; Chinese words also by their known parts."""
    found = {part.lower() for part in WORD.findall(name)} | {name.strip().lower()}
    for part in [p for p in found if "\u4e00" <= p[:1] <= "\u9fff"]:
        known = PATIENT | IDENTIFYING | SITE | LABEL | AFTERWARDS | MEASURE | VALUE | VISIT_TIME | NUMBER
        found |= {w for w in known if "\u4e00" <= w[:1] <= "\u9fff" and len(w) > 1 and w in part}
    return found


def short(name: str) -> bool:
    """Whether a name is a heading of a few words; the name of a diagnosis ("condition: ... without complications")
    says what the patient has, not what the column is for."""
    return ": " not in name and len(IN_BRACKETS.sub(" ", name).split()) <= 6


def unit_of(name: str) -> str:
    """The unit that a heading names: "Glucose (mg/dL)" -> "mg/dL", "weight_kg" -> "kg"; "" for none."""
    for match in BRACKETS.finditer(name):
        inside = match[1].strip()
        if (
            inside.lower() in UNITS
            or "/" in inside
            and re.fullmatch(r"[\w^µμ%.\[\]]+/[\w^µμ.\[\]²]+", inside)
            and inside.lower() != "y/n"
        ):
            return inside if not re.fullmatch(r"[A-Z]/[A-Z]", inside) else ""  # (R/I) lists answers
    last = re.split(r"[\s_,]+", name.strip())[-1]
    several = len(re.split(r"[\s_,]+", name.strip())) > 1
    if several and last.lower() in UNITS and last.lower() not in NOT_UNITS and last not in ("MIN", "MAX", "Min"):
        return "" if {"per", "pack"} & words(name) else last  # "patients per hour" is a rate, "pack_years" a name
    return ""
