"""A patient's row or a molecule in the middle of a step, where a scan's viewer would be, with the same keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st

from dashboard import frame
from dashboard.class_marks import class_mark
from dashboard.record_card import record_card
from dashboard.records import Line, Records, number_text, placed, spread_of
from dashboard.state import Page
from dashboard.structures import PEN
from dashboard.viewer import Event
from engine.projects.records import UNSURE

KEYS = {"ctrl+z": "undo", "n": "next", "j": "next", "k": "previous"}
MOST_MARKS = 48  # labelled rows drawn on one line
STEADY = 0.002  # of the latest value: a slope a year below it is none
MANY_LINES = 150  # a wide table's lines carry fewer of them
GROUPS = ("", "condition", "medication")


def look_at_record(
    page: Page, case_id: str, *, on_key: Callable[[str], bool], height: str, keys_only: bool = False
) -> None:
    """Draw the card of a row and act on the keys pressed in it. Keys go to `on_key`; True draws the page anew.

    `keys_only`: nothing is drawn, the keys are heard; for steps that show something else of the row.
    """
    if keys_only:
        _act(
            record_card(case_id, key="record-keys", sections=[], lanes=[], lang=page.words.language, height=""), on_key
        )
        return
    records, row = page.records(case_id), page.row(case_id)
    if records is None:
        frame.card(page.words("record.gone"))
        return
    lines = records.lines()
    known = sum(not records.cell(line.column, row).missing for line in lines)
    column = records.molecule
    smiles = records.cell(column, row).text if column else ""
    dark = st.context.theme.type != "light"
    events = record_card(
        case_id,
        key="record",
        title=page.title(case_id),
        aside=page.words("record.known", known=known, count=len(lines)) if lines else "",
        sections=_sections(page, records, lines, row),
        lanes=_lanes(page),
        drawing=PEN.draw(smiles, width=460, height=320, dark=dark) if smiles else "",
        smiles=smiles,
        lang=page.words.language,
        height=height,
    )
    _act(events, on_key)


def _act(events: list[Event], on_key: Callable[[str], bool]) -> None:
    changed = [on_key(KEYS.get(event.key, event.key)) for event in events]
    if any(changed):
        st.rerun()


def labelled_rows(page: Page, records: Records) -> dict[int, Any]:
    """Position in the table -> label, of the labelled rows of this table."""
    return {
        page.row(c.id): page.labels[c.id]
        for c in page.cases
        if page.labels.get(c.id) not in (None, UNSURE) and page.records(c.id) is records
    }


def _lanes(page: Page) -> list[dict[str, str]]:
    if page.numeric:
        return []
    marks = [(name, class_mark(page.classes, name)) for name in page.classes]
    return [{"name": name, "colour": mark.colour, "shape": mark.shape} for name, mark in marks]


def _sections(page: Page, records: Records, lines: list[Line], row: int) -> list[dict[str, Any]]:
    labels = labelled_rows(page, records)
    rows = list(labels)
    most = MOST_MARKS if len(lines) < MANY_LINES else MOST_MARKS // 4
    rows = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))] if rows else []
    lanes = {r: page.classes.index(labels[r]) if labels[r] in page.classes else -1 for r in labels}
    sections = []
    for group in GROUPS:
        inside = [line for line in lines if line.group == group]
        if inside:
            title = page.words(f"record.group_{group or 'rest'}") if len({line.group for line in lines}) > 1 else ""
            drawn = [_line(page, records, line, row, rows, lanes) for line in inside]
            sections.append({"title": title, "flags": group != "", "lines": drawn})
    return sections


def _line(
    page: Page, records: Records, line: Line, row: int, shown: list[int], lanes: Mapping[int, int]
) -> dict[str, Any]:
    cell = records.cell(line.column, row)
    drawn = {
        "name": line.name,
        "full": line.column,
        "text": cell.text,
        "unit": cell.unit,
        "missing": cell.missing,
        "more": _more(page, records, line, row),
        "yes": cell.number == 1.0 if line.group else None,
    }
    entry, numbers = records.entries[line.column], records.numbers(line.column)
    if numbers is not None and entry.kind == "number":
        return drawn | {"strip": _strip(page, numbers, row, shown, lanes)}
    if lanes and not cell.missing and not line.group and -1 not in lanes.values():
        of = Counter(lanes.values())
        same = Counter(lane for r, lane in lanes.items() if records.cell(line.column, r).text == cell.text)
        return drawn | {"same": [[same[i], of[i]] for i in range(len(page.classes))]}
    return drawn


def _strip(page: Page, numbers: np.ndarray, row: int, shown: list[int], lanes: Mapping[int, int]) -> dict | None:
    """The labelled rows' numbers as marks, and this row's; before there are labels, the range of all rows."""
    bounds = spread_of(numbers[r] for r in lanes) or spread_of(numbers[np.isfinite(numbers)][:2000])
    if bounds is None:
        return None
    low, high = bounds
    here = numbers[row]
    if np.isfinite(here):
        low, high = min(low, here), max(high, here)
    marks = [[round(placed(numbers[r], low, high), 3), lanes[r]] for r in shown if np.isfinite(numbers[r])]
    at = placed(here, low, high) if np.isfinite(here) else None
    return {"at": at, "marks": marks, "low": number_text(bounds[0]), "high": number_text(bounds[1])}


def _more(page: Page, records: Records, line: Line, row: int) -> str:
    """Mean, slope and count of a measure, in one quiet line."""
    said = []
    for name in line.more:
        cell = records.cell(name, row)
        if not cell.missing:
            kind, number = name.rsplit(" ", 1)[1], cell.number or 0.0
            if kind == "slope" and abs(number) < STEADY * abs(records.cell(line.column, row).number or 1.0):
                said.append(page.words("record.steady"))
                continue
            said.append(
                page.words(f"record.{kind}", value=f"+{cell.text}" if kind == "slope" and number > 0 else cell.text)
            )
    return " · ".join(said)
