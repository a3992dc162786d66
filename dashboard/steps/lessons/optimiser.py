"""Lesson: an optimiser that was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from dashboard.class_marks import NEUTRAL
from dashboard.steps.lessons.drawing import ink, lines, plain, show
from dashboard.steps.lessons.scene import Lesson, Scene

LOSS_HEIGHT, GATES_HEIGHT = 245, 225


def controls(scene: Scene) -> None:
    scene.choose("numbers")
    scene.choose("sgd")
    scene.choose("adam")


def draw(scene: Scene) -> None:
    show(losses(scene), "figure-optimiser-loss")
    if not scene.told:
        scene.say("before")
        return
    told = scene.result
    scene.say("told", **{name: f"{told[name][-1]:.2f}" for name in ("lstm", "sgd", "adam")})
    show(gates(scene), "figure-optimiser-gates")
    scene.say("gates", first=f"{told['rates'][0][0]:.2f}", last=f"{told['rates'][-1][0]:.2f}",
              keep=f"{100 * min(row[1] for row in told['keeps']):.1f}")  # fmt: skip


def losses(scene: Scene) -> go.Figure:
    """Loss on the labelled cases after each step. The learned rule only once the reader has guessed."""
    told, chart = scene.result, go.Figure()
    steps = range(len(told["sgd"]))
    lines(chart, steps, told["sgd"], scene.words("by_sgd", rate=scene.now["sgd"]), strong=False)
    lines(chart, steps, told["adam"], scene.words("by_adam", rate=scene.now["adam"]), strong=False, dash="dash")
    if scene.told:
        lines(chart, steps, told["lstm"], scene.words("by_lstm"))
    chart.update_yaxes(rangemode="tozero")
    return plain(chart, LOSS_HEIGHT, x=scene.words("step"), y=scene.words("loss"))


def gates(scene: Scene) -> go.Figure:
    """What the two gates do at each step: their mean over all numbers that move, and from least to greatest."""
    told, chart = scene.result, go.Figure()
    steps = list(range(1, len(told["rates"]) + 1))
    for rows, name, strong, dash in (
        (told["keeps"], scene.words("keep_gate"), False, "dash"),
        (told["rates"], scene.words("rate_gate"), True, "solid"),
    ):
        chart.add_scatter(
            x=steps + steps[::-1], y=[row[2] for row in rows] + [row[1] for row in rows][::-1], fill="toself",
            mode="lines", line={"width": 0}, fillcolor="rgba(139,147,163,0.3)", hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        lines(chart, steps, [row[0] for row in rows], name, strong=strong, dash=dash)
    sgd = float(scene.now["sgd"])
    chart.add_hline(y=sgd, line={"color": NEUTRAL, "width": 1.5, "dash": "dot"})
    chart.add_annotation(
        x=steps[-1], y=sgd, text=scene.words("by_sgd", rate=scene.now["sgd"]), showarrow=False, yshift=10,
        xanchor="right", font={"color": ink()},
    )  # fmt: skip
    chart.update_yaxes(range=[0, 1.05])
    return plain(chart, GATES_HEIGHT, x=scene.words("step"), y=scene.words("gate"))


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    return {"first": f"{result['rates'][0][0]:.2f}", "last": f"{result['rates'][-1][0]:.2f}"}


def right(result: Mapping[str, Any]) -> int:
    """2: it warms up (the rate rises over the steps and nothing is forgotten); 3: it forgets; 1: one rate for all."""
    rates = [row[0] for row in result["rates"]]
    if min(row[1] for row in result["keeps"]) < 0.9:
        return 3
    return 2 if rates[-1] > 1.5 * rates[0] else 1


LESSON = Lesson("optimiser", 3, draw, controls, right, values)
