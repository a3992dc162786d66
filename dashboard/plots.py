"""Every plotly figure: pure functions, data in, figure out. Colour means class and nothing else."""

from __future__ import annotations

import html
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


def trace(steps: Sequence[Mapping], x_title: str, y_title: str, height: int = 200, at: int | None = None) -> go.Figure:
    """Loss against adaptation step. A step: {"step", "loss"}; `at` marks one of them."""
    figure = go.Figure()
    figure.add_scatter(
        x=[s["step"] for s in steps],
        y=[s["loss"] for s in steps],
        mode="lines+markers" if at is None else "lines",
        line={"color": NEUTRAL},
        hovertemplate="%{x}: %{y:.3f}<extra></extra>",
    )
    for step in steps:
        if step["step"] == at:
            figure.add_scatter(
                x=[at], y=[step["loss"]], mode="markers", hoverinfo="skip", marker={"color": NEUTRAL, "size": 10}
            )
            _here(figure, at)
    figure.update_xaxes(title=x_title, nticks=6)
    figure.update_yaxes(title=y_title, rangemode="tozero")
    return _plain(figure, height, axes=True)


def paths(
    cases: Sequence[Mapping], classes: Sequence[str], x_title: str, height: int, *, at: int, selected: str | None
) -> go.Figure:
    """The probability of the final answer after each step, a line a case in its class's colour.

    A case: {"id", "title", "name", "values" (a step each), "flips": bool}. One whose answer flipped on the way is
    drawn whole, the others thin; the selected one is thick.
    """
    figure = go.Figure()
    for case in sorted(cases, key=lambda c: (c["id"] == selected, c["flips"])):
        mark = class_mark(classes, case["name"]) if case["name"] in classes else None
        chosen = case["id"] == selected
        figure.add_scatter(
            x=list(range(len(case["values"]))),
            y=case["values"],
            mode="lines",
            name=case["title"],
            opacity=1.0 if chosen else 0.9 if case["flips"] else 0.55,
            line={"color": mark.colour if mark else NEUTRAL, "width": 4 if chosen else 2.5 if case["flips"] else 1.5},
            hovertemplate=f"{html.escape(case['title'])} · {html.escape(case['name'])} %{{y:.2f}}<extra></extra>",
        )
    _here(figure, at)
    figure.update_xaxes(title=x_title)
    every = [value for case in cases for value in case["values"]] or [0.0, 1.0]
    figure.update_xaxes(nticks=8)
    figure.update_yaxes(range=[max(-0.02, min(every) - 0.05), min(1.02, max(every) + 0.05)], nticks=5)
    return _plain(figure, height, axes=True)


def deletion(
    shares: Sequence[float], marked: Sequence[float], elsewhere: Sequence[float], words: Mapping[str, str]
) -> go.Figure:
    """The score left with ever more blurred: the marked places first (full line), others first (dashed).

    `words`: the texts of "x", "y", "marked" and "elsewhere".
    """
    figure = go.Figure()
    for name, values, dash in (("marked", marked, "solid"), ("elsewhere", elsewhere, "dot")):
        figure.add_scatter(
            x=[100 * share for share in shares],
            y=list(values),
            mode="lines",
            name=words[name],
            line={"color": NEUTRAL, "width": 3 if dash == "solid" else 2, "dash": dash},
            hovertemplate="%{x:.0f} %: %{y:.2f}<extra></extra>",
        )
    figure.update_xaxes(title=words["x"], ticksuffix=" %")
    figure.update_yaxes(title=words["y"], range=[-0.02, 1.02])
    figure = _plain(figure, 190, axes=True)
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.18, "x": 0})


def _here(figure: go.Figure, at: int) -> None:
    figure.add_vline(x=at, line={"color": NEUTRAL, "width": 1, "dash": "dot"})


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
