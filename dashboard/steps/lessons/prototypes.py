"""Lesson: prototypes move as you label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.steps.lessons.drawing import CLASSES, ink, show
from dashboard.steps.lessons.scene import Lesson, Scene, put
from dashboard.steps.lessons.sheet import add_cases, add_numbers, legend, sheet
from engine.lessons.plan import Labels

HEIGHT = 500
GIVEN = "lesson-give"  # the class that a click gives; "look" only looks, "none" takes a label away


def controls(scene: Scene) -> None:
    scene.choose("learner")
    st.segmented_control(
        scene.words("give"), [*CLASSES, "none", "look"], key=GIVEN, default="a", required=True,
        format_func=lambda c: f"{CLASSES[c].shape} {scene.page.words(f'lessons.class_{c}')}" if c in CLASSES
        else scene.words(c),
    )  # fmt: skip
    # The same without a mouse: pictures bear their numbers.
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        case = st.number_input(scene.words("number"), 1, len(scene.result["points"]), 1, key="lesson-number", width=150)
        if st.button(scene.words("number_do"), key="lesson-give-number"):
            _clicked(scene, case - 1)
    with st.container(horizontal=True, gap="small"):
        if st.button(scene.words("wrong"), key="lesson-wrong"):
            _wrong(scene)
        if st.button(scene.words("clear"), key="lesson-clear"):
            _label({})


def _wrong(scene: Scene) -> None:
    """One case of the third class gets the first one's label: the star of the first class goes its way."""
    labels, truth = Labels.pairs(scene.now["labels"]), [p["truth"] for p in scene.result["points"]]
    free = [i for i, letter in enumerate(truth) if letter == "c" and labels.get(i) != "a"]
    if free:
        _label(labels | {free[-1]: "a"})


def _label(labels: Mapping[int, str]) -> None:
    put(labels="-".join(f"{i}{c}" for i, c in sorted(labels.items())))
    st.rerun()


def draw(scene: Scene) -> None:
    st.html(legend(scene))
    event = show(
        figure(scene), f"figure-plane-{scene.now['labels']}-{scene.now['asked']}",
        on_select="rerun", selection_mode="points",
    )  # fmt: skip
    for point in event.selection.points:
        if point.get("customdata"):
            _clicked(scene, int(point["customdata"][0]))
    told = scene.result
    if told["regions"]:
        scene.say("told", right=told["right"], asked=told["asked"], labelled=len(told["labels"]),
                  share=round(100 * told["share"]))  # fmt: skip
    else:
        scene.say("two_classes")


def _clicked(scene: Scene, case: int) -> None:
    """A click gives the chosen class, takes the label away, or asks about that case."""
    labels, give = Labels.pairs(scene.now["labels"]), st.session_state.get(GIVEN, "a")
    if give == "look":
        put(asked=case)
        st.rerun()
    elif give == "none":
        labels.pop(case, None)
        _label(labels)
    else:
        _label(labels | {case: give})


def figure(scene: Scene) -> go.Figure:
    told = scene.result
    chart = sheet(scene, told, told["regions"], HEIGHT)
    if scene.now["learner"] == "matching":
        _attention(chart, told, scene.now["asked"])
    else:
        _spokes(chart, told)
    add_cases(chart, scene, told, told["answers"])
    add_numbers(chart, told)
    if scene.now["learner"] == "protonet":
        _stars(chart, scene)
    return chart


def _spokes(chart: go.Figure, told: Mapping[str, Any]) -> None:
    """A thin line from each labelled case to its class's mean."""
    for case, letter in told["labels"].items():
        point, mean = told["points"][int(case)], told["prototypes"].get(letter)
        if mean:
            chart.add_scatter(
                x=[point["x"], mean[0]], y=[point["y"], mean[1]], mode="lines", hoverinfo="skip",
                line={"color": CLASSES[letter].colour, "width": 1.5, "dash": "dot"},
            )  # fmt: skip


def _stars(chart: go.Figure, scene: Scene) -> None:
    for letter, (x, y) in scene.result["prototypes"].items():
        title = scene.words("typical", name=scene.page.words(f"lessons.class_{letter}"))
        chart.add_scatter(
            x=[x], y=[y], mode="markers", text=[title], hovertemplate="%{text}<extra></extra>",
            marker={
                "symbol": "star", "size": 26, "color": CLASSES[letter].colour, "line": {"width": 2, "color": ink()},
            },
        )  # fmt: skip


def _attention(chart: go.Figure, told: Mapping[str, Any], asked: int) -> None:
    """From the case asked about to every labelled case, as thick as what it has to say."""
    at = told["points"][asked]
    for case, weight in told["attention"]:
        point = told["points"][int(case)]
        chart.add_scatter(
            x=[at["x"], point["x"]], y=[at["y"], point["y"]], mode="lines", hoverinfo="skip",
            line={"color": CLASSES[told["labels"][str(int(case))]].colour, "width": 1 + 14 * weight},
        )  # fmt: skip
    chart.add_scatter(
        x=[at["x"]], y=[at["y"]], mode="markers", hoverinfo="skip",
        marker={"symbol": "circle-open", "size": 56, "color": ink(), "line": {"width": 3}},
    )  # fmt: skip


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    return {"right": result.get("right", 0), "asked": result.get("asked", 0), "labelled": len(result["labels"])}


def right(result: Mapping[str, Any]) -> int:
    """One wrong label drags the mean: always the second guess, which the engine's test holds."""
    return 2


LESSON = Lesson("prototypes", 3, draw, controls, right, values)
