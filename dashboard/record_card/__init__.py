"""A record as a card: a row's values with their units, where each lies among the labelled rows, a molecule's structure.

It stands where a scan's viewer would, hears the same labelling keys while no text is written, and hands them on as the
viewer does: sent again until Python has seen them, dropped where the row is no longer shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.unseen import unseen
from dashboard.viewer.component import LABELS, Event, event_of
from dashboard.words import Words

_HERE = Path(__file__).parent
_VIEWER = _HERE.parent / "viewer" / "source"
_SHARED = (_VIEWER / "outbox.js", _VIEWER / "keys.js", _HERE.parent / "element.js")
_card = st.components.v2.component(
    "handful_record_card",
    css=(_HERE / "card.css").read_text("utf-8"),
    # One module for the browser: how events travel and what a key means are the viewer's own.
    js="".join(p.read_text("utf-8") for p in (*_SHARED, _HERE / "card.js")),
)


def record_card(
    case: str,
    *,
    key: str,
    title: str = "",
    aside: str = "",
    sections: Sequence[Mapping[str, Any]],
    lanes: Sequence[Mapping[str, str]],
    drawing: str = "",
    smiles: str = "",
    lang: str = "en",
    height: str = "720px",
) -> list[Event]:
    """Show a row; returns the keys pressed since the last run, oldest first, each once (see `dashboard.viewer.Event`).

    `sections`: {"title", "flags": bool, "lines": [...]}; a line is {"name", "full" (its column), "text", "unit",
    "more" (a second text), "missing", "yes" (for flags)} with "strip" {"at": 0..1 or None, "marks": [[0..1, lane]],
    "low", "high"} for a number or "same": [[count, of] a lane] for a word. `lanes`: the classes {"colour", "shape",
    "name"}. `drawing` is an SVG of ours, `smiles` its text. Without a `height` only the
    keys are heard.
    """
    seen_key = f"{key}:seen"
    result = _card(
        key=key,
        data={
            "case": case,
            "title": title,
            "aside": aside,
            "sections": [dict(each) for each in sections],
            "lanes": [dict(lane) for lane in lanes],
            "drawing": drawing,
            "smiles": smiles,
            "words": Words(lang).page("record"),
            "height": height,
            "seen": st.session_state.get(seen_key),
        },
        on_events_change=lambda: None,
    )
    events = [event_of(raw) for raw in unseen(result.events, seen_key)]
    return [e for e in events if e.case == case or e.key not in LABELS]
