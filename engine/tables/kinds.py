"""What each column is: number, yes/no, category (with its order), code, date, text, identifier, molecule, or empty."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from engine.tables import names
from engine.tables.nouns import Entry

MOST_LEVELS = 60  # a text with more different values is no category
MOST_NUMBER_LEVELS = 12  # whole numbers with a name like "type" and so few values are categories
LONG_TEXT = 30  # mean characters from which different texts are free text
YES = frozenset(
    [
        "yes",
        "y",
        "true",
        "t",
        "1",
        "positive",
        "pos",
        "+",
        "present",
        "ja",
        "j",
        "oui",
        "si",
        "是",
        "有",
        "阳性",
        "+",
        "active",
    ]
)
NO = frozenset(
    ["no", "n", "false", "f", "0", "negative", "neg", "-", "absent", "nein", "non", "否", "无", "阴性", "-", "inactive"]
)
PAIRS = (
    {"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"1", "0"}, {"+", "-"}, {"yes"}, {"no"},
    {"positive", "negative"}, {"pos", "neg"}, {"present", "absent"}, {"active", "inactive"},
    {"ja", "nein"}, {"oui", "non"}, {"是", "否"}, {"有", "无"}, {"阳性", "阴性"},
)  # fmt: skip
ORDERS = (
    ("low", "mid", "medium", "moderate", "normal", "high", "very high"),
    ("none", "minimal", "mild", "moderate", "severe", "very severe"),
    ("never", "no", "rarely", "sometimes", "often", "frequently", "always"),
    ("poor", "fair", "good", "very good", "excellent"),
    ("阴性", "弱阳性", "阳性", "强阳性"),
    ("无", "轻度", "中度", "重度"),
    ("低", "中", "高"),
)
LEADING = re.compile(r"[\[(<>≥≤=\s]*([+-]?\d+(?:\.\d+)?)(?:st|nd|rd|th)?\s*(?:[-–~,:_=].*|[)\]%+].*)?")
MEDICAL_CODE = re.compile(
    r"[A-Z]\d{2}(\.?[0-9A-Z]{1,4})?|\d{3}(\.\d{1,2})?|[VE]\d{2,3}(\.\d{1,2})?|[A-Z]\d{2}[A-Z]{2}\d{2}|\d{1,5}-\d"
)
SMILES = re.compile(r"[A-Za-z0-9@+\-\[\]()=#$%/\\.:*~]+")
SMILES_SIGNS = re.compile(r"[()=#\[\]]|[cnos]\d|\d")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
UUID = re.compile(r"(urn:uuid:)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
PHONE = re.compile(r"\+?\d[\d\s()/-]{8,16}\d|1[3-9]\d{9}")
CHINESE_ID = re.compile(r"\d{17}[\dXx]")


def describe(name: str, column: pd.Series, unit: str = "") -> Entry:
    """The facts of one column; its role is "feature" until `proposing` looks at the whole table."""
    unit = unit or names.unit_of(name)
    rows, there = len(column), column.dropna()
    facts = {"name": name, "role": "feature", "rows": rows, "missing": rows - len(there), "unit": unit}
    if there.empty:
        return Entry(kind="empty", **facts)
    if column.dtype.kind == "M":
        low, high = str(there.min())[:10], str(there.max())[:10]
        return Entry(kind="date", distinct=int(there.nunique()), low=low, high=high, **facts)
    if column.dtype.kind == "f":
        return _number(there, facts)
    return _text(there.astype("str"), facts)


def _number(there: pd.Series, facts: dict) -> Entry:
    counts = there.value_counts()
    values = np.sort(counts.index.to_numpy(dtype=float))
    low, high, distinct = float(values[0]), float(values[-1]), len(values)
    whole = bool((values % 1 == 0).all())
    facts |= {"distinct": distinct, "low": low, "high": high}
    said = names.words(facts["name"])
    if distinct == len(there) and len(there) > 3 and whole and not facts["unit"] and _runs(there, said):
        return Entry(kind="identifier", **facts)
    if distinct <= 2 and set(values) <= {0.0, 1.0}:
        return Entry(kind="yes_no", **_levels(counts, facts))
    if (
        whole
        and distinct <= MOST_NUMBER_LEVELS * 3
        and distinct < 0.5 * len(there)
        and said & names.NOMINAL
        and not facts["unit"]
    ):
        return Entry(kind="category", **_levels(counts, facts))
    if (
        whole
        and said & names.NUMBER
        and said & (names.ROW_NUMBER | names.PATIENT | names.IDENTIFYING)
        and distinct > 0.2 * len(there)
    ):
        return Entry(kind="identifier", **facts)
    return Entry(kind="number", **facts)


def _runs(there: pd.Series, said: set[str]) -> bool:
    """Whether whole numbers that are all different are numbers of rows or people, and no measurement."""
    values = there.to_numpy(dtype=float)
    steps = np.diff(values)
    counts_rows = len(steps) > 0 and (steps == 1).mean() > 0.9 and values[0] in (0.0, 1.0)
    return counts_rows or bool(said & (names.NUMBER | names.PATIENT | names.ROW_NUMBER))


def _text(there: pd.Series, facts: dict) -> Entry:
    counts = there.value_counts()
    texts = list(counts.index)
    facts["distinct"] = len(texts)
    lower = {t.lower() for t in texts}
    said = names.words(facts["name"])
    if lower in PAIRS or len(lower) == 2 and len(lower & YES) == 1 and len(lower & NO) == 1:
        return Entry(kind="yes_no", **_levels(counts, facts))
    sample = texts[:300]
    share = lambda pattern: sum(bool(pattern.fullmatch(t)) for t in sample) / len(sample)  # noqa: E731
    if max(share(EMAIL), share(UUID), share(CHINESE_ID)) > 0.8 or (
        share(PHONE) > 0.8 and len(texts) > 0.5 * len(there)
    ):
        return Entry(kind="identifier", **facts)
    if "smiles" in said or _are_smiles(sample, share):
        return Entry(kind="molecule", **facts)
    if len(texts) > 10 and share(MEDICAL_CODE) > 0.8:
        return Entry(kind="code", **facts)
    few = len(texts) <= MOST_LEVELS and (len(texts) < 0.5 * len(there) or len(texts) <= 10)
    longest = float(np.mean([len(t) for t in sample]))
    if few and longest <= 2 * LONG_TEXT:
        return Entry(kind="category", **_levels(counts, facts))
    if said & names.IDENTIFYING or (
        len(texts) > 0.9 * len(there) and longest < LONG_TEXT and not any(" " in t for t in sample)
    ):
        return Entry(kind="identifier", **facts)
    if len(texts) <= 5 * MOST_LEVELS and len(texts) < 0.2 * len(there) and longest < LONG_TEXT:
        return Entry(kind="category", **_levels(counts, facts))
    return Entry(kind="text", **facts)


def _are_smiles(sample: list[str], share) -> bool:
    signs = sum(bool(SMILES_SIGNS.search(t)) and bool(re.search("[CcNnOo]", t)) for t in sample) / len(sample)
    brackets = sum("(" in t or "=" in t or "[" in t for t in sample) / len(sample)
    return (
        len(sample) > 1
        and share(SMILES) > 0.95
        and signs > 0.8
        and brackets > 0.5
        and not any(t.startswith("[") and t.endswith(")") for t in sample)
    )


def _levels(counts: pd.Series, facts: dict) -> dict:
    """Levels with their counts: in their order where they have one, else most frequent first."""
    texts = [_level_text(v) for v in counts.index]
    pairs = sorted(zip(texts, (int(c) for c in counts), strict=True), key=lambda p: (-p[1], p[0]))
    order = order_of([t for t, _ in pairs])
    if order is not None:
        place = {t: i for i, t in enumerate(order)}
        pairs.sort(key=lambda p: place[p[0]])
    return {
        **facts,
        "levels": tuple(t for t, _ in pairs),
        "counts": tuple(c for _, c in pairs),
        "ordinal": order is not None,
    }


def _level_text(value: object) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def order_of(levels: list[str]) -> list[str] | None:
    """The levels from low to high if they have an order that can be seen ("[0-10)", "40-49", "mild"); else None."""
    if len(levels) < 3:
        return None
    lower = [t.strip().lower() for t in levels]
    for order in ORDERS:
        if set(lower) <= set(order):
            return [t for _, t in sorted(zip((order.index(t) for t in lower), levels, strict=True))]
    starts = [LEADING.fullmatch(t) for t in lower]
    bare = sum(t.isdigit() for t in lower)
    if all(starts) and bare < len(lower):
        return [
            t
            for _, _, t in sorted((float(m[1]), not t.startswith("<"), t) for m, t in zip(starts, levels, strict=True))
        ]
    return None
