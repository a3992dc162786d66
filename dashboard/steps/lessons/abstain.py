"""Lesson: when it should say "I don't know"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.class_marks import NEUTRAL
from dashboard.steps.lessons.drawing import ink, lines, plain, show
from dashboard.steps.lessons.scene import Lesson, Scene

HEIGHT = 300
CLOSE = 0.03  # stated and observed shares so near count as the same
TOP = -1  # the bin of 90 % and more


def controls(scene: Scene) -> None:
    scene.slider("labelled")
    scene.slider("hard")
    scene.choose("learner")
    scene.seed()


def draw(scene: Scene) -> None:
    """Calibration and the threshold; a fragment, so that moving the threshold redraws nothing else."""

    @st.fragment
    def threshold() -> None:
        told = scene.result
        if not scene.told:
            show(calibration(scene, hidden=True), "figure-abstain-bins")
            scene.say("before", labelled=told["labelled"], asked=told["asked"])
            return
        scene.slider("threshold")
        left, right = st.columns(2)
        with left:
            show(calibration(scene), "figure-abstain-bins")
        with right:
            show(cost(scene), "figure-abstain-cost")
        row = next(row for row in told["curve"] if row["threshold"] == scene.now["threshold"])
        scene.say("told", threshold=row["threshold"], answered=row["answered"], asked=told["asked"], right=row["right"],
                  low=round(100 * row["low"]), high=round(100 * row["high"]))  # fmt: skip
        scene.say("strangers", answered=row["strangers"], strangers=told["strangers"])
        if told["flagged"] is None:
            scene.say("few")
        else:
            scene.say("flagged", flagged=told["flagged"], strangers=told["strangers"], false=told["false"],
                      asked=told["asked"])  # fmt: skip

    threshold()


def calibration(scene: Scene, hidden: bool = False) -> go.Figure:
    """Stated against observed: on the line is honest, below it is too sure."""
    told, chart = scene.result, go.Figure()
    lines(chart, [50, 100], [50, 100], scene.words("honest"), strong=False, dash="dash")
    rows = [row for row in told["bins"] if row["count"]]
    shares = [100 * row["right"] / row["count"] for row in rows]
    if not hidden:
        chart.add_scatter(
            x=[100 * row["stated"] for row in rows], y=shares, mode="markers", name=scene.words("observed"),
            text=[f"{row['right']} / {row['count']}" for row in rows], hovertemplate="%{text}<extra></extra>",
            marker={"size": 12, "color": ink()},
            error_y={
                "type": "data", "symmetric": False, "color": ink(), "thickness": 2,
                "array": [100 * row["high"] - share for row, share in zip(rows, shares, strict=True)],
                "arrayminus": [share - 100 * row["low"] for row, share in zip(rows, shares, strict=True)],
            },
        )  # fmt: skip
    chart.update_xaxes(range=[48, 102], ticksuffix=" %")
    chart.update_yaxes(range=[20, 103], ticksuffix=" %")
    return plain(chart, HEIGHT, x=scene.words("stated"), y=scene.words("right"))


def cost(scene: Scene) -> go.Figure:
    """What a threshold costs (cases left unanswered) and buys (right among those answered)."""
    told, chart = scene.result, go.Figure()
    rows = [row for row in told["curve"] if row["answered"]]
    at = [row["threshold"] for row in rows]
    lines(chart, at, [100 * row["answered"] / told["asked"] for row in rows], scene.words("answered"), strong=False,
          dash="dash")  # fmt: skip
    lines(chart, at, [100 * row["right"] / row["answered"] for row in rows], scene.words("right_of"))
    chart.add_vline(x=scene.now["threshold"], line={"color": NEUTRAL, "width": 2, "dash": "dot"})
    chart.update_xaxes(range=[49, 100], ticksuffix=" %")
    chart.update_yaxes(range=[0, 103], ticksuffix=" %")
    return plain(chart, HEIGHT, x=scene.words("threshold"))


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    row = result["bins"][TOP]
    return {
        "stated": round(100 * row["stated"]),
        "right": row["right"],
        "count": row["count"],
        "labelled": result["labelled"],
    }


def right(result: Mapping[str, Any]) -> int:
    """Of the answers stated as 90 % and more: 1 as often right as stated, 2 less often, 3 more often."""
    row = result["bins"][TOP]
    difference = row["right"] / row["count"] - row["stated"] if row["count"] else 0.0
    return 1 if abs(difference) <= CLOSE else 2 if difference < 0 else 3


LESSON = Lesson("abstain", 3, draw, controls, right, values)
