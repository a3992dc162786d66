"""Every plotly figure: pure functions, data in, figure out. Colour means class and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dashboard.class_marks import NEUTRAL, class_mark

_CLEAR = "rgba(0,0,0,0)"
_MARGIN = {"l": 6, "r": 6, "t": 6, "b": 6}


def embedding_map(
    points: Sequence[Mapping],
    prototypes: Sequence[Mapping],
    classes: Sequence[str],
    selected: str | None,
    height: int = 240,
) -> go.Figure:
    """All cases in two dimensions. A point: {"id", "x", "y", "title", "label" or None, "unlike": bool}.

    Labelled cases carry their class's colour and shape, the others are grey and small, the selected one has a ring,
    one unlike anything labelled is hollow. `custom_data` of each point is its case id.
    """
    figure = go.Figure()
    groups: dict[str | None, list[Mapping]] = {}
    for point in points:
        groups.setdefault(point["label"], []).append(point)
    for label, group in groups.items():
        mark = class_mark(classes, label) if label in classes else None
        figure.add_scatter(
            x=[p["x"] for p in group],
            y=[p["y"] for p in group],
            mode="markers",
            name=label or "",
            customdata=[[p["id"]] for p in group],
            text=[p["title"] for p in group],
            hovertemplate="%{text}<extra></extra>",
            marker={
                "color": mark.colour if mark else NEUTRAL,
                "symbol": [_symbol(p, mark) for p in group],
                "size": 10 if mark else 8,
            },
        )
    for prototype in prototypes:
        mark = class_mark(classes, prototype["name"])
        figure.add_scatter(
            x=[prototype["x"]],
            y=[prototype["y"]],
            mode="markers",
            text=[prototype["title"]],
            hovertemplate="%{text}<extra></extra>",
            marker={"symbol": "star", "size": 16, "color": mark.colour, "line": {"width": 1, "color": "white"}},
        )
    chosen = [p for p in points if p["id"] == selected]
    if chosen:
        figure.add_scatter(
            x=[p["x"] for p in chosen],
            y=[p["y"] for p in chosen],
            mode="markers",
            hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 19, "color": NEUTRAL, "line": {"width": 2}},
        )
    return _plain(figure, height, axes=False)


def _symbol(point: Mapping, mark) -> str:
    name = mark.symbol if mark else "circle"
    return name + "-open" if point.get("unlike") else name


def trace(steps: Sequence[Mapping], x_title: str, y_title: str, height: int = 200) -> go.Figure:
    """Loss against adaptation step. A step: {"step", "loss"}."""
    figure = go.Figure()
    figure.add_scatter(
        x=[s["step"] for s in steps],
        y=[s["loss"] for s in steps],
        mode="lines+markers",
        line={"color": NEUTRAL},
        hovertemplate="%{x}: %{y:.3f}<extra></extra>",
    )
    figure.update_xaxes(title=x_title, dtick=1 if len(steps) < 12 else None)
    figure.update_yaxes(title=y_title, rangemode="tozero")
    return _plain(figure, height, axes=True)


def _plain(figure: go.Figure, height: int, *, axes: bool) -> go.Figure:
    figure.update_layout(
        height=height,
        margin=_MARGIN if not axes else {"l": 44, "r": 8, "t": 8, "b": 38},
        showlegend=False,
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        dragmode=False if axes else "pan",
        font={"size": 12},
    )
    if not axes:
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False, scaleanchor="x")
    return figure
