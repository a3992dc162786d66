"""One predicted case on paper: picture with map, probabilities with ranges, and the labelled cases it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.evidence.row_answer import STRUCTURE
from engine.reports.facts import Facts
from engine.reports.marks import class_mark
from engine.reports.nouns import Bar, CaseBlock, Picture, Table, Text
from engine.reports.pictures import Shown
from engine.reports.words import Words, number

NEAR = 3  # labelled cases beneath a case
COLUMNS = 8  # of a row: those that weigh most
DIFFERENT = 4  # columns named in which a labelled row differs


def case_block(facts: Facts, case: str, raw: Mapping[str, Any], shown: Shown, words: Words) -> CaseBlock:
    """The block of one case; without pictures (rows of a table) its neighbours stand in words."""
    if "value" in raw:
        predicted, bars = number(raw["value"]) + (f" {words.unit(facts.unit)}" if facts.unit else ""), ()
    else:
        predicted, bars = raw["predicted"], _bars(facts, raw)
    near = tuple(raw.get("neighbours", ()))[:NEAR]
    pictures = _near(facts, near, shown, words)
    return CaseBlock(
        words("case_heading", case=words.case(case), predicted=predicted),
        _picture(facts, case, predicted, shown, words),
        bars,
        _remarks(facts, case, raw, shown, words),
        words("case_near") if pictures else "",
        pictures,
        () if pictures else _tables(near, predicted, shown, words),
    )


def _bars(facts: Facts, raw: Mapping[str, Any]) -> tuple[Bar, ...]:
    rows = sorted(zip(raw["classes"], raw["probabilities"], raw["low"], raw["high"], strict=True), key=lambda r: -r[1])
    return tuple(Bar(name, p, low, high, *class_mark(facts.classes, name)) for name, p, low, high in rows)


def _picture(facts: Facts, case: str, predicted: str, shown: Shown, words: Words) -> Picture | None:
    if shown.picture is None:
        return None
    method = words(f"method_{shown.method}") if shown.method else ""
    if shown.slices > 1:
        caption = words("case_slice", at=shown.at + 1, slices=shown.slices, label=predicted, method=method)
    else:
        caption = words("case_picture", label=predicted, method=method)
    return Picture(shown.picture, caption)


def _remarks(facts: Facts, case: str, raw: Mapping[str, Any], shown: Shown, words: Words) -> tuple[Text, ...]:
    said = []
    if raw.get("unlike_flag"):
        said.append(Text(words("case_unlike"), "warn"))
    sets = facts.set_of(case)
    if sets:
        said.append(Text(f"{words('column_sets')} (80 %): {words.listed(sets)}"))
    if raw.get("low") is not None and "value" in raw:
        unit = f" {words.unit(facts.unit)}" if facts.unit else ""
        said.append(Text(f"{words('column_interval')} (80 %): {number(raw['low'])} – {number(raw['high'])}{unit}"))
    if shown.verdict is not None:
        said.append(Text(words.note(shown.verdict), "quiet"))
    elif shown.picture is None and case in facts.cases and facts.cases[case].case.kind in ("volume", "image"):
        said.append(Text(words("case_no_map"), "quiet"))
    return tuple(said)


def _near(facts: Facts, near: tuple, shown: Shown, words: Words) -> tuple[Picture, ...]:
    own = [Picture(shown.closer, words("case_closer"))] if shown.closer is not None else []
    return tuple(own) + tuple(
        Picture(
            jpeg,
            _label(each),
            words("case_near_is", case=words.case(each["case"]), distance=f"{each['distance']:.2f}"),
            class_mark(facts.classes, each["label"])[0],
        )
        for each, jpeg in zip(near, shown.near, strict=False)
        if jpeg is not None
    )


def _label(each: Mapping[str, Any]) -> str:
    label = each["label"]
    return number(label) if isinstance(label, (int, float)) else str(label)


def _tables(near: tuple, predicted: str, shown: Shown, words: Words) -> tuple[tuple[str, Table], ...]:
    """Of a row: what each column adds to the answer, and the labelled rows most like it."""
    ranked = sorted(shown.columns, key=lambda c: -abs(c["amount"]))[:COLUMNS]
    added = tuple((_column(each, words), _said(each, words), f"{each['amount']:+.3f}") for each in ranked)
    different = {each["case"]: each.get("different", ()) for each in shown.beside}
    like = tuple(
        (words.case(n["case"]), _label(n), f"{n['distance']:.2f}",
         words.listed(tuple(different.get(n["case"], ()))[:DIFFERENT]) or words("none"))
        for n in near
    )  # fmt: skip
    told = []
    if added:
        head = tuple(words(f"column_{c}") for c in ("name", "is", "amount"))
        told.append((words("case_columns", predicted=predicted), Table(head, added, (0.5, 0.3, 0.2))))
    if like:
        head = tuple(words(f"column_{c}") for c in ("case", "label", "distance", "different"))
        told.append((words("case_near"), Table(head, like, (0.16, 0.2, 0.14, 0.5))))
    return tuple(told)


def _column(each: Mapping[str, Any], words: Words) -> str:
    """A column's name; of a molecule its structure, or the property that is meant."""
    part = each.get("part") or ""
    if part == STRUCTURE:
        return words("column_structure", column=each["column"])
    return f"{each['column']} · {part}" if part else str(each["column"])


def _said(each: Mapping[str, Any], words: Words) -> str:
    if not each.get("text"):
        return words("column_missing")
    return f"{each['text']} {words.unit(each.get('unit') or '')}".strip()
