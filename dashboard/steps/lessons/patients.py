"""Lesson: why a patient must not be split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from dashboard.class_marks import NEUTRAL
from dashboard.steps.lessons.drawing import ink, plain, show
from dashboard.steps.lessons.pictures import pictures
from dashboard.steps.lessons.scene import Lesson, Scene

HEIGHT = 250
NEAR_ALL, HALF = 0.8, 0.65  # shares from which "nearly all" and up to which "about half" is said


def controls(scene: Scene) -> None:
    scene.choose("learner")
    scene.slider("taught")
    scene.seed()


def draw(scene: Scene) -> None:
    told = scene.result
    rows = zip(told["pictures"], told["lot"], strict=True)
    captions = [(row, scene.words("patient", number=k, lot=scene.words(lot))) for k, (row, lot) in enumerate(rows, 1)]
    pictures(captions, columns=2)
    if not scene.told:
        scene.say("before", patients=told["patients"])
        return
    show(strips(scene), "figure-patients")
    slices, patients = told["slice"], told["patient"]
    scene.say("told", slice_right=slices["right"], slice_count=slices["count"], patient_right=patients["right"],
              patient_count=patients["count"])  # fmt: skip
    scene.say("mean", draws=told["draws"], slice=round(100 * slices["mean"]), patient=round(100 * patients["mean"]))


def strips(scene: Scene) -> go.Figure:
    """A dot for each of twenty lots, and their mean as a line."""
    told, chart = scene.result, go.Figure()
    for at, how in enumerate(("patient", "slice")):
        shares = [100 * share for share in told[how]["shares"]]
        spread = [at + 0.22 * ((k * 7 % 20) / 19 - 0.5) for k in range(len(shares))]
        chart.add_scatter(
            x=shares, y=spread, mode="markers", hovertemplate="%{x:.0f} %<extra></extra>",
            marker={"size": 10, "color": NEUTRAL, "line": {"width": 1, "color": ink()}},
        )  # fmt: skip
        mean = 100 * told[how]["mean"]
        chart.add_scatter(x=[mean, mean], y=[at - 0.3, at + 0.3], mode="lines", line={"color": ink(), "width": 4})
    chart.add_vline(x=50, line={"color": NEUTRAL, "width": 2, "dash": "dash"})
    plain(chart, HEIGHT, x=scene.words("x"), legend=False)
    chart.update_xaxes(range=[-3, 103], ticksuffix=" %")
    chart.update_yaxes(
        tickvals=[0, 1], ticktext=[scene.words("by_patient"), scene.words("by_slice")], range=[-0.5, 1.5]
    )
    return chart.update_layout(margin={"l": 150, "r": 12, "t": 8, "b": 50})


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "slice": round(100 * result["slice"]["mean"]),
        "patient": round(100 * result["patient"]["mean"]),
        "draws": result["draws"],
    }


def right(result: Mapping[str, Any]) -> int:
    """1: half in both; 2: nearly all by slices, half by patients; 3: nearly all in both."""
    slices, patients = result["slice"]["mean"], result["patient"]["mean"]
    if slices > HALF and patients <= HALF:
        return 2
    return 3 if slices >= NEAR_ALL and patients >= NEAR_ALL else 1


LESSON = Lesson("patients", 3, draw, controls, right, values)
