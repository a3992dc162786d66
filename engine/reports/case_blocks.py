"""One predicted case on paper: picture with map, probabilities with ranges, and the labelled cases it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.reports.facts import Facts
from engine.reports.marks import class_mark
from engine.reports.nouns import Bar, CaseBlock, Picture, Table, Text
from engine.reports.pictures import Shown
from engine.reports.words import Words, number

NEAR = 3  # labelled cases beneath a case
COLUMNS = 8  # of a row: those that weigh most


def case_block(facts: Facts, case: str, raw: Mapping[str, Any], shown: Shown, words: Words) -> CaseBlock:
    """The block of one case; without pictures (rows of a table) its neighbours stand in words."""
    if "value" in raw:
        predicted, bars = number(raw["value"]) + (f" {facts.unit}" if facts.unit else ""), ()
    else:
        predicted, bars = raw["predicted"], _bars(facts, raw)
    title = str(facts.cases[case].case.kept.get("title", "")) if case in facts.cases else ""
    name = f"{words.case(case)} · {title}" if title else words.case(case)
    near = tuple(raw.get("neighbours", ()))[:NEAR]
    pictures = _near(facts, near, shown, words)
    return CaseBlock(
        words("case_heading", case=name, predicted=predicted),
        _picture(facts, case, predicted, shown, words),
        bars,
        _remarks(facts, case, raw, shown, words),
        words("case_near") if near else "",
        pictures,
        _table(near, shown, words) if not pictures else None,
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
        unit = f" {facts.unit}" if facts.unit else ""
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


def _table(near: tuple, shown: Shown, words: Words) -> Table | None:
    """Of a row: what each column adds to the answer, then its neighbours."""
    rows = [
        (
            str(each["column"]),
            f"{each['text']} {each.get('unit') or ''}".strip(),
            f"{each['amount']:+.3f}",
        )
        for each in sorted(shown.columns, key=lambda c: -abs(c["amount"]))[:COLUMNS]
    ]
    if rows:
        head = tuple(words(f"column_{c}") for c in ("name", "is", "amount"))
        return Table(head, tuple(rows), (0.5, 0.3, 0.2))
    rows = [(words.case(n["case"]), _label(n), words("case_distance", value=f"{n['distance']:.2f}")) for n in near]
    head = tuple(words(f"column_{c}") for c in ("case", "label")) + ("",)
    return Table(head, tuple(rows), (0.4, 0.3, 0.3)) if rows else None
