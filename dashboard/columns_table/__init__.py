"""A table's columns, a row each, to be corrected: what it is for, what it is, its unit. A component of our own, so that
600 columns scroll, filter and speak the person's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.unseen import unseen
from dashboard.words import Words

_HERE = Path(__file__).parent
_SHARED = (_HERE.parent / "viewer" / "source" / "outbox.js", _HERE.parent / "element.js")
_table = st.components.v2.component(
    "handful_columns_table",
    css=(_HERE / "table.css").read_text("utf-8"),
    js="".join(p.read_text("utf-8") for p in (*_SHARED, _HERE / "table.js")),
)


@dataclass(frozen=True)
class Correction:
    """One thing that a person said of a column: `field` is "role", "kind" or "unit"."""

    column: str
    field: str
    value: str


def columns_table(
    draft: str,
    *,
    key: str,
    columns: Sequence[Mapping[str, Any]],
    head: Sequence[str],
    preview: Sequence[Sequence[str]],
    roles: Sequence[str],
    kinds: Sequence[str],
    lang: str,
    height: str,
) -> list[Correction]:
    """Show the columns of a draft; returns what was corrected since the last run, each once.

    A column is {"name", "role", "kind", "unit", "values" (its range or levels in words), "missing" (text or ""),
    "reasons" [text], "flag": bool}. `head` and `preview` are the first rows as texts.
    """
    seen_key = f"{key}:seen"
    result = _table(
        key=key,
        data={
            "draft": draft,
            "columns": [dict(each) for each in columns],
            "head": list(head),
            "preview": [list(row) for row in preview],
            "roles": list(roles),
            "kinds": list(kinds),
            "words": Words(lang).page("columns"),
            "height": height,
            "seen": st.session_state.get(seen_key),
        },
        on_events_change=lambda: None,
    )
    fresh = unseen(result.events, seen_key)
    return [Correction(raw["column"], raw["field"], raw["value"]) for raw in fresh if raw["draft"] == draft]
