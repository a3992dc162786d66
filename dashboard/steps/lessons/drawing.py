"""What the lessons' figures share: ground, type and ink. Colour means class; methods differ by line."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from dashboard.class_marks import MARKS, NEUTRAL

CLEAR = "rgba(0,0,0,0)"
SIZE = 15  # px of a figure's type: read from the back of a room
CLASSES = {letter: MARKS[k] for k, letter in enumerate("abc")}


def ink() -> str:
    """The colour of what matters most in a figure: the text's own."""
    return "#1d2430" if st.context.theme.type == "light" else "#e6e9ef"


def ground() -> str:
    return "#ffffff" if st.context.theme.type == "light" else "#0e1117"


def plain(figure: go.Figure, height: int, *, x: str = "", y: str = "", legend: bool = True) -> go.Figure:
    """The common look: clear ground, axes named, a legend on top."""
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 12, "t": 34 if legend else 12, "b": 46},
        showlegend=legend,
        # Held by the figure's edge: against the axes it would stay where it was when the window is made wider.
        legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0, "font": {"size": SIZE}},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        dragmode=False,
        font={"size": SIZE},
        hoverlabel={"font": {"size": SIZE}},
        transition={"duration": 0},
    )
    figure.update_xaxes(title={"text": x, "font": {"size": SIZE}}, tickfont={"size": SIZE - 2}, zeroline=False)
    figure.update_yaxes(title={"text": y, "font": {"size": SIZE}}, tickfont={"size": SIZE - 2}, zeroline=False)
    return figure


def lines(figure: go.Figure, x, y, name: str, *, strong: bool = True, dash: str = "solid", **more) -> None:
    """A method's line: the one that matters in ink, the other grey; they differ by dash as well."""
    colour = ink() if strong else NEUTRAL
    figure.add_scatter(
        x=list(x), y=list(y), name=name, mode="lines",
        line={"color": colour, "width": 3.5 if strong else 2.5, "dash": dash}, **more,
    )  # fmt: skip


def show(figure: go.Figure, key: str, **more):
    return st.plotly_chart(figure, key=key, config={"displayModeBar": False}, **more)
