"""Lesson: learning to learn on a wave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.class_marks import NEUTRAL
from dashboard.pull_points import pull_points
from dashboard.steps.lessons.drawing import ink, lines, plain, show
from dashboard.steps.lessons.scene import Lesson, Scene, put

HEIGHT, REACH = 430, 7.5
AFTER = 1  # the step whose error the sentences compare


def controls(scene: Scene) -> None:
    scene.slider("points")
    scene.slider("amplitude")
    scene.slider("phase")
    scene.slider("moved", high=scene.now["points"])
    if scene.now["moved"]:
        scene.slider("by")
    scene.seed()


def draw(scene: Scene) -> None:
    """The figure with its step; a fragment, so that scrubbing redraws nothing else."""

    @st.fragment
    def walk() -> None:
        step = scene.now["step"] if scene.told else 0
        if scene.told:
            scene.slider("step")
        else:
            scene.say("before")
        show(figure(scene, step), "figure-wave")
        if scene.told:
            starts = scene.result["starts"]
            scene.say("told", step=step, **{name: f"{starts[name]['error'][step]:.2f}" for name in starts})

    walk()
    pulled = pull_points("figure-wave", key="pull-wave")
    if pulled:
        put(**moved(scene, *pulled))
        st.rerun()


def moved(scene: Scene, point: int, height: float) -> dict[str, Any]:
    """The settings that put a point (from 0) near the height it was pulled to; one point is wrong at a time."""
    by = scene.plan.settings["by"]
    already = scene.now["by"] if scene.now["moved"] == point + 1 else 0.0
    wanted = height - scene.result["points"][point][1] + already
    wanted = min(max(round(wanted / by.step) * by.step, by.low), by.high)
    return {"moved": point + 1 if wanted else 0, "by": wanted}


def figure(scene: Scene, step: int) -> go.Figure:
    """The true wave thin, the points, and both networks after `step` steps."""
    told, chart = scene.result, go.Figure()
    chart.add_scatter(
        x=told["x"], y=told["truth"], name=scene.words("truth"), mode="lines", line={"color": NEUTRAL, "width": 1.5}
    )
    starts = told["starts"]
    lines(chart, told["x"], starts["scratch"]["curves"][step], scene.words("scratch"), strong=False, dash="dash")
    lines(chart, told["x"], starts["maml"]["curves"][step], scene.words("maml"))
    chart.add_scatter(
        x=[p[0] for p in told["points"]], y=[p[1] for p in told["points"]], name=scene.words("given"), mode="markers",
        marker={"size": 13, "color": ink(), "symbol": "circle"},
    )  # fmt: skip
    chart.update_yaxes(range=[-REACH, REACH])
    chart.update_xaxes(range=[-5.2, 5.2])
    return plain(chart, HEIGHT, x="x", y="y")


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    starts = result["starts"]
    return {
        "points": len(result["points"]),
        "maml": f"{starts['maml']['error'][AFTER]:.2f}",
        "scratch": f"{starts['scratch']['error'][AFTER]:.2f}",
        "long": f"{result['long']['error']:.2f}",
        "steps": result["long"]["steps"],
    }


def right(result: Mapping[str, Any]) -> int:
    """1: the taught start is nearer after one step; 2: no difference to speak of; 3: the untaught one."""
    maml, scratch = (result["starts"][name]["error"][AFTER] for name in ("maml", "scratch"))
    return 1 if maml < 0.9 * scratch else 3 if scratch < 0.9 * maml else 2


LESSON = Lesson("wave", 3, draw, controls, right, values)
