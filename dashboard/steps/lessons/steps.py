"""Lesson: one step, five steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.steps.lessons.drawing import ink, lines, plain, show
from dashboard.steps.lessons.scene import Lesson, Scene
from dashboard.steps.lessons.sheet import add_cases, legend, sheet

HEIGHT, LOSS_HEIGHT = 330, 205
FEW = 5  # the step that the answer tells of


def controls(scene: Scene) -> None:
    scene.choose("rate")
    scene.choose("learner")


def draw(scene: Scene) -> None:
    """The plane and the loss with their step; a fragment, so that going through the steps redraws nothing else."""

    @st.fragment
    def walk() -> None:
        told = scene.result
        step = scene.now["step"] if scene.told else 0
        if scene.told:
            scene.slider("step")
        st.html(legend(scene))
        row = told["steps"][step]
        chart = sheet(scene, told, row["regions"], HEIGHT)
        add_cases(chart, scene, told, row["answers"])
        _flipped(chart, told, row["flips"])
        show(chart, "figure-steps-plane")
        if not scene.told:
            scene.say("before")
            return
        flips = len(row["flips"])
        scene.say("told", step=step, loss=f"{row['loss']:.2f}", right=row["right"], asked=told["asked"], flips=flips)
        show(losses(scene, step), "figure-steps-loss")

    walk()


def _flipped(chart: go.Figure, told: Mapping[str, Any], flips: list[int]) -> None:
    """A ring round the cases whose answer changed in this very step."""
    chart.add_scatter(
        x=[told["points"][i]["x"] for i in flips], y=[told["points"][i]["y"] for i in flips], mode="markers",
        hoverinfo="skip", marker={"symbol": "circle-open", "size": 52, "color": ink(), "line": {"width": 3}},
    )  # fmt: skip


def losses(scene: Scene, step: int) -> go.Figure:
    """The loss after each step, at the chosen rate and at sixteen times the learned one."""
    told, chart = scene.result, go.Figure()
    steps = range(len(told["steps"]))
    if scene.now["rate"] != "16":
        wild = [row["loss"] for row in told["wild"]]
        lines(chart, steps, wild, scene.words("rate_16"), strong=False, dash="dot")
    name = scene.words("loss_at", rate=scene.words(f"rate_{scene.now['rate']}"))
    lines(chart, steps, [row["loss"] for row in told["steps"]], name)
    chart.add_vline(x=step, line={"color": ink(), "width": 1, "dash": "dot"})
    chart.update_yaxes(type="log", dtick=1)
    return plain(chart, LOSS_HEIGHT, x=scene.words("step"), y=scene.words("loss"))


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    rows, wild = result["steps"], result["wild"]
    return {
        "first": f"{rows[0]['loss']:.2f}",
        "few": f"{rows[FEW]['loss']:.2f}",
        "flips": sum(len(row["flips"]) for row in rows),
        "worst": f"{max(row['loss'] for row in wild):.1f}",
        "wild": sum(row["flips"] for row in wild),
    }


def right(result: Mapping[str, Any]) -> int:
    """2: with steps far too long the loss ends higher than it began, or answers flip on and on; else 1."""
    wild = result["wild"]
    jumps = wild[-1]["loss"] > wild[0]["loss"] or sum(row["flips"] for row in wild[10:]) > 0
    return 2 if jumps else 1


LESSON = Lesson("steps", 3, draw, controls, right, values)
