"""Every plotly figure: pure functions, data in, figure out. Colour means class and nothing else."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dashboard.class_marks import NEUTRAL, class_mark

LONGEST_TEXT = 44  # characters beside a bar
_CLEAR = "rgba(0,0,0,0)"
_MARGIN = {"l": 6, "r": 6, "t": 6, "b": 6}
# Held by the figure's edge, it makes room for a second line, and gives it back in a window that was made wider.
_LEGEND_ABOVE = {"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0}


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
    low, high = min(every), max(every)
    if low >= 0 and high <= 1:
        low, high = max(-0.02, low - 0.05), min(1.02, high + 0.05)
    figure.update_yaxes(range=[low, high], nticks=5)
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
    return figure.update_layout(showlegend=True, legend=_LEGEND_ABOVE)


def waterfall(
    base: float,
    output: float,
    parts: Sequence[tuple[str, float]],
    words: Mapping[str, str],
    *,
    colour: str,
    height: int,
    digits: int = 2,
) -> go.Figure:
    """From what is said of a usual labelled row to what is said of this one, a bar a column.

    `parts`: (text, amount) from the top, in the order drawn; they add up from `base` to `output`, which have rows of
    their own above and below. What speaks for the answer has its colour, what speaks against it is grey.
    `words`: the texts of "base", "output" and "x".
    """
    texts = [words["base"], *(text for text, _ in parts), words["output"]]
    rows = list(range(len(texts)))
    starts, at = [], base
    for _, amount in parts:
        starts.append(at)
        at += amount
    figure = go.Figure()
    figure.add_bar(
        y=rows[1:-1],
        x=[amount for _, amount in parts],
        base=starts,
        orientation="h",
        width=0.62,
        marker={"color": [colour if amount > 0 else NEUTRAL for _, amount in parts]},
        hovertemplate="%{customdata}<extra></extra>",
        customdata=[f"{html.escape(text)}: {amount:+.{digits}f}" for text, amount in parts],
    )
    ends = [(rows[0], base), (rows[-1], output)]
    figure.add_scatter(
        x=[value for _, value in ends],
        y=[row for row, _ in ends],
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": [NEUTRAL, colour]},
        hovertemplate="%{x:." + str(digits) + "f}<extra></extra>",
    )
    at = base
    for row, (_, amount) in enumerate([*parts, ("", 0.0)]):
        # From where one row ends down to where the next begins.
        figure.add_shape(
            type="line", x0=at, x1=at, y0=row, y1=row + 1, line={"color": NEUTRAL, "width": 1, "dash": "dot"}
        )
        at += amount
    _amounts(figure, base, output, parts, starts, digits)
    figure.update_yaxes(
        tickvals=rows, ticktext=[_cut(text) for text in texts], autorange="reversed", showgrid=False, zeroline=False,
        automargin=True,
    )  # fmt: skip
    points = [base, output, *starts, *(s + a for s, (_, a) in zip(starts, parts, strict=True))]
    room = 0.32 * (max(points) - min(points) or 1.0)  # for the amounts, also where names leave the bars little width
    figure.update_xaxes(range=[min(points) - room, max(points) + room], nticks=6, zeroline=False)
    _plain(figure, height, axes=True)
    # The axis says what it shows from the right edge leftwards: under the bars alone a narrow window would cut it.
    figure.add_annotation(
        text=words["x"], xref="paper", yref="paper", x=1, y=0, xanchor="right", yanchor="top", yshift=-22,
        showarrow=False, font={"size": 12},
    )  # fmt: skip
    return figure.update_layout(margin={"l": 8, "r": 8, "t": 4, "b": 40})


def _amounts(
    figure: go.Figure,
    base: float,
    output: float,
    parts: Sequence[tuple[str, float]],
    starts: Sequence[float],
    digits: int,
) -> None:
    """The amount beside each bar, the two ends beside their marks."""
    ends = [f"{value:.{digits}f}".replace("-", "\u2212") for value in (base, output)]
    placed = [(0, base, ends[0], True), (len(parts) + 1, output, ends[1], True)]
    for row, (start, (_, amount)) in enumerate(zip(starts, parts, strict=True), start=1):
        placed.append((row, start + amount, f"{amount:+.{digits}f}".replace("-", "\u2212"), amount > 0))
    for row, x, text, right in placed:
        figure.add_annotation(
            x=x, y=row, text=text, showarrow=False, xanchor="left" if right else "right", xshift=8 if right else -8,
            font={"size": 11.5},
        )  # fmt: skip


def _cut(text: str, most: int = LONGEST_TEXT) -> str:
    return html.escape(text if len(text) <= most else text[: most - 1] + "\u2026")


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


def confusion(
    table: Sequence[Sequence[int]], classes: Sequence[str], x_title: str, y_title: str, height: int = 250
) -> go.Figure:
    """Cases by what one reader says (rows, `y_title`) and another (columns, `x_title`); grey, since colour is class."""
    names = [f"{class_mark(classes, name).shape} {_cut(name, 16)}" for name in classes]
    most = max((n for row in table for n in row), default=0) or 1
    figure = go.Figure(
        go.Heatmap(
            z=[list(row) for row in table],
            x=list(range(len(names))),
            y=list(range(len(names))),
            zmin=0,
            zmax=most,
            colorscale=[[0, "rgba(139,147,163,0.06)"], [1, "rgba(139,147,163,0.62)"]],
            showscale=False,
            xgap=3,
            ygap=3,
            customdata=[[[classes[i], classes[j]] for j in range(len(names))] for i in range(len(names))],
            hovertemplate="%{customdata[0]} / %{customdata[1]}: %{z}<extra></extra>",
        )
    )
    for i, row in enumerate(table):  # the heatmap's own text takes its colour from the scale, not from the theme
        for j, count in enumerate(row):
            figure.add_annotation(x=j, y=i, text=str(count), showarrow=False, font={"size": 15})
    ticks = {"tickvals": list(range(len(names))), "showgrid": False, "zeroline": False}
    shapes = [class_mark(classes, name).shape for name in classes]  # names would not fit below each other's columns
    figure.update_xaxes(title=html.escape(x_title), ticktext=shapes, tickangle=0, **ticks)
    figure.update_yaxes(title=html.escape(y_title), ticktext=names, autorange="reversed", automargin=True, **ticks)
    return _plain(figure, height, axes=True)


def bland_altman(
    points: Sequence[Mapping], mean: float, lower: float, upper: float, x_title: str, y_title: str, height: int = 250
) -> go.Figure:
    """Differences between two readers against their mean. A point: {"id", "title", "mean", "apart"}."""
    figure = go.Figure()
    figure.add_scatter(
        x=[p["mean"] for p in points],
        y=[p["apart"] for p in points],
        mode="markers",
        text=[html.escape(p["title"]) for p in points],
        customdata=[[p["id"]] for p in points],
        hovertemplate="%{text}: %{y:.3g}<extra></extra>",
        marker={"color": NEUTRAL, "size": 8},
    )
    for value, dash in ((mean, "solid"), (lower, "dot"), (upper, "dot")):
        figure.add_hline(y=value, line={"color": NEUTRAL, "width": 1.5, "dash": dash})
        figure.add_annotation(
            x=1, xref="paper", xanchor="right", y=value, text=f"{value:.3g}", showarrow=False, yshift=8
        )
    figure.update_xaxes(title=html.escape(x_title), nticks=6)
    figure.update_yaxes(title=html.escape(y_title), nticks=6)
    return _plain(figure, height, axes=True)


def learning_curve(
    tried: Sequence[tuple[float, float]],
    ahead: Sequence[tuple[float, float, float, float]],
    runs: Sequence[tuple[float, float, float, float]],
    now: float,
    words: Mapping[str, str],
    *,
    top: float | None,
    height: int = 250,
) -> go.Figure:
    """`tried`: (patients, value). `ahead` and `runs`: (patients, value, low, high). `now`: patients that are labelled.

    `words`: the texts of "x", "y", "tried", "fit" and "runs". `top`: the axis ends there, None where it is open.
    """
    figure = go.Figure()
    if ahead:
        x = [each[0] for each in ahead]
        figure.add_scatter(
            x=[*x, *x[::-1]], y=[*(e[3] for e in ahead), *(e[2] for e in ahead[::-1])], fill="toself", mode="lines",
            line={"width": 0}, fillcolor="rgba(139,147,163,0.20)", hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=[e[1] for e in ahead], mode="lines", name=words["fit"], line={"color": NEUTRAL, "width": 2},
            customdata=[[e[2], e[3]] for e in ahead],
            hovertemplate="%{x}: %{y:.3g} (%{customdata[0]:.3g} – %{customdata[1]:.3g})<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=[e[0] for e in tried], y=[e[1] for e in tried], mode="markers", name=words["tried"],
        marker={"color": NEUTRAL, "size": 8}, hovertemplate="%{x}: %{y:.3g}<extra></extra>",
    )  # fmt: skip
    if runs:
        figure.add_scatter(
            x=[e[0] for e in runs], y=[e[1] for e in runs], mode="markers", name=words["runs"],
            marker={"color": NEUTRAL, "size": 10, "symbol": "diamond-open"},
            error_y={"type": "data", "symmetric": False, "array": [e[3] - e[1] for e in runs],
                     "arrayminus": [e[1] - e[2] for e in runs], "color": NEUTRAL, "thickness": 1, "width": 3},
            hovertemplate="%{x}: %{y:.3g}<extra></extra>",
        )  # fmt: skip
    _here(figure, now)
    figure.update_xaxes(title=words["x"], rangemode="tozero", nticks=8)
    figure.update_yaxes(title=words["y"], nticks=6, **({"range": [0, top * 1.02]} if top else {"rangemode": "tozero"}))
    figure = _plain(figure, height, axes=True)
    return figure.update_layout(showlegend=True, legend=_LEGEND_ABOVE)
