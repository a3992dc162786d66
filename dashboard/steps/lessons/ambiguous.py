"""Lesson: more than one right answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from dashboard.class_marks import NEUTRAL
from dashboard.steps.lessons.drawing import ink, plain, show
from dashboard.steps.lessons.scene import Lesson, Scene

HEIGHT, REACH = 470, 8.0
FEW = 0.1  # of the models: with at least so many in each family, both are said to fit


def controls(scene: Scene) -> None:
    scene.slider("points")
    scene.choose("truth")
    scene.slider("models")
    scene.seed()


def draw(scene: Scene) -> None:
    told = scene.result
    show(figure(scene), "figure-ambiguous")
    if not scene.told:
        scene.say("before", points=len(told["points"]))
        return
    scene.say("told", models=told["models"], lines=told["lines"], waves=told["models"] - told["lines"])
    scene.say("doctor", **told["asked"])


def figure(scene: Scene) -> go.Figure:
    """Every model a thin line; the points; the truth only after the guess."""
    told, chart = scene.result, go.Figure()
    if scene.told:
        for k, curve in enumerate(told["curves"]):
            chart.add_scatter(
                x=told["x"], y=curve, mode="lines", name=scene.words("model"), showlegend=k == 0, opacity=0.55,
                legendgroup="models", line={"color": NEUTRAL, "width": 1.5}, hoverinfo="skip",
            )  # fmt: skip
        chart.add_scatter(
            x=told["x"], y=told["truth"], mode="lines", name=scene.words("true"),
            line={"color": ink(), "width": 3, "dash": "dash"},
        )  # fmt: skip
    chart.add_scatter(
        x=[p[0] for p in told["points"]], y=[p[1] for p in told["points"]], name=scene.words("given"), mode="markers",
        marker={"size": 14, "color": ink()},
    )  # fmt: skip
    chart.update_yaxes(range=[-REACH, REACH])
    chart.update_xaxes(range=[-5.2, 5.2])
    return plain(chart, HEIGHT, x="x", y="y")


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "points": len(result["points"]),
        "lines": result["lines"],
        "waves": result["models"] - result["lines"],
        "models": result["models"],
    }


def right(result: Mapping[str, Any]) -> int:
    """3: models of both families fit; 2: lines alone; 1: waves alone."""
    share = result["lines"] / result["models"]
    return 3 if FEW <= share <= 1 - FEW else 2 if share > 0.5 else 1


LESSON = Lesson("ambiguous", 3, draw, controls, right, values)
