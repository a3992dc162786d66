"""Compare all where a number is learned: every method's mean error on the labelled rows, and which one to take."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboard import frame
from dashboard.learner_names import learner_title
from dashboard.state import Page
from dashboard.steps.exporting import export

HEADS = ("method", "mae", "r2", "seconds")


def show(page: Page, use: Callable[[str], None], again: Callable[[], None]) -> None:
    """The finished comparison. `use(name)` adapts with another method, `again()` compares anew."""
    words, comparison = page.words, page.comparison
    if page.stale:
        frame.remark(words("adapt.stale"))
    rows = sorted(comparison["methods"], key=lambda row: (row.get("mae") is None, row.get("mae") or 0.0))
    mean = next((row["mean_mae"] for row in rows if row.get("mean_mae") is not None), None)
    if mean is not None:
        frame.card(words("adapt.compare_mean", mean=page.amount(mean)))
    best = comparison["recommended"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="after-comparing"):
        if best and best != page.run.record["learner"] and not page.stale:
            text = words("adapt.use_this", name=learner_title(words, best))
            if st.button(text, key="use-recommended", icon=":material/check:"):
                use(best)
        export(page, "comparison", words("adapt.compare_csv"))
        if not page.stale and st.button(words("adapt.compare_again"), key="compare-again", type="tertiary"):
            again()
    st.html(_table(page, rows, best))


def _table(page: Page, rows: list[Mapping[str, Any]], best: str | None) -> str:
    words = page.words
    head = "".join(
        f'<th title="{html.escape(words(f"adapt.head_{name}_hint"), quote=True)}">'
        f"{html.escape(words(f'adapt.head_{name}'))}</th>"
        for name in HEADS
    )
    body = "".join(f"<tr>{_row(page, row, row['name'] == best)}</tr>" for row in rows)
    return f'<table class="hf-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _row(page: Page, row: Mapping[str, Any], best: bool) -> str:
    name = learner_title(page.words, row["name"]) + (" ★" if best else "")
    if row["refused"]:
        return f'<td>{html.escape(name)}</td><td colspan="3">{html.escape(page.note(row["refused"]))}</td>'
    if row["mae"] is None:
        return f'<td>{html.escape(name)}</td><td colspan="3">{html.escape(page.words("adapt.not_tested"))}</td>'
    r2 = "–" if row["r2"] is None else f"{row['r2']:.2f}"
    seconds = f"{1000 * row['seconds']:.0f} ms" if row["seconds"] < 0.95 else f"{row['seconds']:.1f} s"
    return "".join(f"<td>{html.escape(each)}</td>" for each in (name, page.amount(row["mae"]), r2, seconds))
