"""What keeping a table will do, in sentences and bars, before a person presses Keep."""

from __future__ import annotations

import html

import streamlit as st

from dashboard import frame
from dashboard.class_marks import MARKS
from dashboard.state import Page
from engine.projects.drafts import Draft
from engine.projects.projects import MAX_CLASSES
from engine.tables.nouns import STORED_ROLES, Dictionary, Entry

LEARNED = ("feature", "molecule")
OUT = ("ignored", "identifier", "leak")  # the filter "left out" above the columns counts the same


def classes(page: Page, entry: Entry) -> None:
    """The classes with how many rows each has, as they will stand under the keys."""
    words = page.words
    levels = sorted(zip(entry.levels, entry.counts, strict=False), key=lambda each: -each[1])
    total = max((count for _, count in levels), default=1)
    if {level for level, _ in levels} == {"0", "1"}:  # named as the engine will name them
        levels = [(f"{entry.name} = {level}", count) for level, count in levels]
    bars = "".join(
        f'<div class="hf-bar" style="--c:{MARKS[i % len(MARKS)].colour}"><span class="t">{html.escape(level)}</span>'
        f'<span class="b"><i style="width:{100 * count / total:.1f}%"></i></span><span class="v">{count}</span></div>'
        for i, (level, count) in enumerate(sorted(levels[:MAX_CLASSES]))
    )
    if bars:
        st.html(f'<div class="hf-card">{bars}</div>')
    if entry.distinct < 2:
        frame.remark(words("columns.one_value"), warn=True)
    alone = [name for name, count in levels[:MAX_CLASSES] if count == 1]
    if alone:
        frame.remark(words("columns.one_row", names=", ".join(alone)), warn=True)
    if entry.distinct > MAX_CLASSES:
        frame.remark(words("columns.too_many", count=entry.distinct, limit=MAX_CLASSES))


def said(
    page: Page, draft: Draft, dictionary: Dictionary, label: str | None, numeric: bool, teach: int | str, most: int
) -> None:
    """What keeping will do, in sentences."""
    words = page.words
    rows = min(most, draft.rows)
    if label is None:
        first = words("columns.said_page_number" if numeric else "columns.said_page", count=rows)
    elif teach == "all":
        first = words("columns.said_all", count=rows)
    else:
        taught = min(rows, taught_at_most(dictionary[label], int(teach), numeric))
        first = words("columns.said", teach=taught, rest=rows - taught)
    learned = sum(e.role in LEARNED for e in dictionary)
    out = sum(e.role in OUT for e in dictionary)
    dropped = sum(e.role in OUT and e.role not in STORED_ROLES for e in dictionary)
    second = words("columns.features", count=learned, out=out, dropped=dropped)
    frame.card(first, quiet=second if learned else "")
    if dictionary.one("measure") and dictionary.one("value"):
        frame.remark(words("columns.long"))
    elif not learned:
        frame.remark(words("columns.features_few"), warn=True)


def taught_at_most(entry: Entry, teach: int, numeric: bool) -> int:
    """How many rows teach: so many of each class, or all of a class that has fewer; of a number so many in all."""
    if numeric:
        return teach
    if entry.counts and len(entry.counts) == entry.distinct:
        return sum(min(teach, count) for count in sorted(entry.counts)[-MAX_CLASSES:])
    return teach * min(MAX_CLASSES, max(2, entry.distinct))
