"""Points of a Plotly figure that a hand can pull up and down; the component draws nothing of its own."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_pull = st.components.v2.component("handful_pull_points", js=(Path(__file__).parent / "pull.js").read_text("utf-8"))


def pull_points(figure: str, *, key: str) -> tuple[int, float] | None:
    """(number of the point from 0, its new height) for the one run after a point was let go, else None.

    `figure`: the key of the chart; the points are those of its last trace.
    """
    pulled = _pull(key=key, data={"figure": figure}, height=1, on_pulled_change=lambda: None).pulled
    return (int(pulled["point"]), float(pulled["value"])) if pulled else None
