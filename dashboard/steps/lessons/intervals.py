"""Lesson: what five cases can prove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.class_marks import NEUTRAL
from dashboard.steps.lessons.drawing import ink, lines, plain, show
from dashboard.steps.lessons.scene import Lesson, Scene

HEIGHT = 265


def controls(scene: Scene) -> None:
    scene.slider("cases", high=100 if scene.now["cases"] <= 100 else 400)
    scene.slider("wrong", high=max(scene.now["cases"] // 2, 1))
    scene.slider("claim")
    scene.seed()


def draw(scene: Scene) -> None:
    told = scene.result
    scene.say("seen", right=told["right"], cases=told["cases"])
    if not scene.told:
        show(_line(scene, hidden=True), "figure-intervals-line")
        return
    show(_line(scene), "figure-intervals-line")
    scene.say("interval", low=round(100 * told["low"]), high=round(100 * told["high"]))
    left, right = st.columns(2)
    with left:
        show(ladder(scene), "figure-intervals-ladder")
    with right:
        show(repeats(scene), "figure-intervals-repeats")
    if told["needed"] is None:
        scene.say("never", claim=round(100 * told["claim"]), share=round(100 * told["share"]))
    else:
        scene.say("needed", claim=round(100 * told["claim"]), count=told["needed"],
                  more=max(told["needed"] - told["cases"], 0))  # fmt: skip


def _line(scene: Scene, hidden: bool = False) -> go.Figure:
    """The share seen as a dot, its range as a bar, the claim as a line."""
    told, chart = scene.result, go.Figure()
    if not hidden:
        lines(chart, [100 * told["low"], 100 * told["high"]], [0, 0], scene.words("range"))
        chart.data[0].line.width = 10
    chart.add_scatter(
        x=[100 * told["share"]], y=[0], mode="markers", name=scene.words("share"),
        marker={"size": 20, "color": NEUTRAL if not hidden else ink(), "line": {"width": 3, "color": ink()}},
    )  # fmt: skip
    chart.add_vline(x=100 * told["claim"], line={"color": NEUTRAL, "width": 2, "dash": "dash"})
    chart.add_annotation(
        x=100 * told["claim"], y=0.8, text=scene.words("claimed"), showarrow=False, xanchor="left", xshift=6
    )
    chart.update_xaxes(range=[-2, 102], ticksuffix=" %")
    chart.update_yaxes(visible=False, range=[-1, 1])
    return plain(chart, 150)


def ladder(scene: Scene) -> go.Figure:
    """The same share seen on ever more cases."""
    told, chart = scene.result, go.Figure()
    rungs = told["ladder"]
    shares = [100 * r["right"] / r["cases"] for r in rungs]
    chart.add_scatter(
        x=[str(r["cases"]) for r in rungs], y=shares, mode="markers", name=scene.words("share"),
        marker={"size": 10, "color": ink()},
        error_y={
            "type": "data", "symmetric": False, "color": ink(), "thickness": 2.5,
            "array": [100 * r["high"] - s for r, s in zip(rungs, shares, strict=True)],
            "arrayminus": [s - 100 * r["low"] for r, s in zip(rungs, shares, strict=True)],
        },
    )  # fmt: skip
    chart.add_hline(y=100 * told["claim"], line={"color": NEUTRAL, "width": 2, "dash": "dash"})
    chart.update_yaxes(range=[-2, 102], ticksuffix=" %")
    # Every other rung is named: in a narrow window the names of all would run into each other.
    chart.update_xaxes(type="category", tickmode="array", tickvals=[str(r["cases"]) for r in rungs[::2]])
    return plain(chart, HEIGHT, x=scene.words("x_cases"), legend=False)


def repeats(scene: Scene) -> go.Figure:
    """Two hundred imagined repeats: how often each count of right answers comes out."""
    told, chart = scene.result, go.Figure()
    counts: dict[int, int] = {}
    for row in told["repeats"]:
        counts[row["right"]] = counts.get(row["right"], 0) + 1
    chart.add_bar(x=list(counts), y=list(counts.values()), marker={"color": NEUTRAL}, name="")
    chart.update_xaxes(dtick=1 if told["cases"] <= 12 else None)
    return plain(chart, HEIGHT, x=scene.words("x_right", cases=told["cases"]), y=scene.words("y_repeats"), legend=False)


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "right": result["right"],
        "cases": result["cases"],
        "low": round(100 * result["low"]),
        "high": round(100 * result["high"]),
        "held": result["held"],
        "repeats": len(result["repeats"]),
    }


def right(result: Mapping[str, Any]) -> int:
    """How wide the range is: 1 under 20 points, 2 up to 50, 3 wider."""
    width = result["high"] - result["low"]
    return 1 if width < 0.2 else 2 if width < 0.5 else 3


LESSON = Lesson("intervals", 3, draw, controls, right, values)
