"""Lesson: prototypes move as you label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.class_marks import NEUTRAL
from dashboard.steps.lessons.drawing import CLASSES, ink, plain, show
from dashboard.steps.lessons.scene import Lesson, Scene, put
from engine.lessons.plan import Labels

HEIGHT = 540
PICTURE = 0.17  # side of a case's picture, in units of the plane
GIVEN = "lesson-give"  # the class that a click gives, "look" for none


def controls(scene: Scene) -> None:
    scene.choose("learner")
    given = ["look", *CLASSES, "none"]
    st.segmented_control(
        scene.words("give"), given, key=GIVEN, default="a", required=True,
        format_func=lambda c: f"{CLASSES[c].shape} {scene.words(f'class_{c}')}" if c in CLASSES else scene.words(c),
    )  # fmt: skip
    left, right = st.columns(2)
    if left.button(scene.words("wrong"), key="lesson-wrong", width="stretch"):
        _wrong(scene)
    if right.button(scene.words("clear"), key="lesson-clear", width="stretch"):
        put(labels=scene.plan.settings["labels"].start)
        st.rerun()


def _wrong(scene: Scene) -> None:
    """Give one labelled case another class: the first case of class a becomes b."""
    labels = Labels.pairs(scene.now["labels"])
    mine = [i for i, c in labels.items() if c == "a"]
    if mine:
        labels[mine[0]] = "b"
        put(labels=_text(labels))
        st.rerun()


def draw(scene: Scene) -> None:
    if not scene.result.get("regions"):
        scene.say("two_classes")
    event = show(figure(scene), f"figure-plane-{len(scene.now['labels'])}-{scene.now['labels']}-{scene.now['asked']}",
                 on_select="rerun", selection_mode="points")  # fmt: skip
    for point in event.selection.points:
        if point.get("customdata"):
            _clicked(scene, int(point["customdata"][0]))
    told = scene.result
    if told.get("regions"):
        scene.say("told", right=told["right"], asked=told["asked"], labelled=len(told["labels"]),
                  share=round(100 * told["share"]))  # fmt: skip


def _clicked(scene: Scene, case: int) -> None:
    """A click gives the chosen class, or only looks."""
    labels, give = Labels.pairs(scene.now["labels"]), st.session_state.get(GIVEN, "a")
    if give == "look":
        put(asked=case)
    elif give == "none":
        labels.pop(case, None)
        put(labels=_text(labels))
    else:
        labels[case] = give
        put(labels=_text(labels))
    st.rerun()


def _text(labels: Mapping[int, str]) -> str:
    return "-".join(f"{i}{c}" for i, c in sorted(labels.items()))


def figure(scene: Scene) -> go.Figure:
    told, chart = scene.result, go.Figure()
    if told.get("regions"):
        _regions(chart, told)
    if scene.now["learner"] == "matching":
        _attention(chart, told, scene.now["asked"])
    else:
        _spokes(chart, told)
    for point in told["points"]:
        chart.add_layout_image(
            source=point["tile"], x=point["x"], y=point["y"], xref="x", yref="y", sizex=PICTURE, sizey=PICTURE,
            xanchor="center", yanchor="middle", layer="above", opacity=0.95,
        )  # fmt: skip
    _cases(chart, scene)
    if scene.now["learner"] == "protonet":
        _stars(chart, scene)
    plain(chart, HEIGHT, legend=False)
    chart.update_layout(margin={"l": 6, "r": 6, "t": 6, "b": 6})
    chart.update_xaxes(visible=False, range=[-1.25, 1.25])
    chart.update_yaxes(visible=False, scaleanchor="x")
    return chart


def _regions(chart: go.Figure, told: Mapping[str, Any]) -> None:
    """What the learner would say anywhere on the plane."""
    x0, x1, y0, y1 = told["extent"]
    cells = len(told["regions"])
    letters = "abc"
    scale = []
    for k, letter in enumerate(letters):
        scale += [(k / 3, CLASSES[letter].colour), ((k + 1) / 3, CLASSES[letter].colour)]
    chart.add_heatmap(
        z=[[letters.index(c) for c in row] for row in told["regions"]],
        x=[x0 + (k + 0.5) * (x1 - x0) / cells for k in range(cells)],
        y=[y0 + (k + 0.5) * (y1 - y0) / cells for k in range(cells)],
        zmin=-0.5, zmax=2.5, colorscale=scale, showscale=False, opacity=0.28, hoverinfo="skip",
    )  # fmt: skip


def _cases(chart: go.Figure, scene: Scene) -> None:
    """A frame a case: filled with its class where it is labelled, grey where not. A click lands on it."""
    told, labels = scene.result, scene.result["labels"]
    for labelled in (False, True):
        rows = [i for i in range(len(told["points"])) if (str(i) in labels) == labelled]
        colours = [CLASSES[labels[str(i)]].colour if labelled else NEUTRAL for i in rows]
        titles = []
        for i in rows:
            mine = scene.words(f"class_{labels[str(i)]}") if labelled else scene.words("unlabelled")
            titles.append(f"{scene.words('case', number=i + 1)} · {mine}")
        chart.add_scatter(
            x=[told["points"][i]["x"] for i in rows], y=[told["points"][i]["y"] for i in rows], mode="markers",
            customdata=[[i] for i in rows], text=titles, hovertemplate="%{text}<extra></extra>",
            marker={"symbol": "square-open", "size": 40, "color": colours, "line": {"width": 5 if labelled else 1.5}},
        )  # fmt: skip
    at = told["points"][scene.now["asked"]]
    if scene.now["learner"] == "matching":
        chart.add_scatter(
            x=[at["x"]], y=[at["y"]], mode="markers", hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 56, "color": ink(), "line": {"width": 2.5}},
        )  # fmt: skip


def _spokes(chart: go.Figure, told: Mapping[str, Any]) -> None:
    """A thin line from each labelled case to its class's mean."""
    for case, letter in told["labels"].items():
        point, mean = told["points"][int(case)], told["prototypes"][letter]
        chart.add_scatter(
            x=[point["x"], mean[0]], y=[point["y"], mean[1]], mode="lines", hoverinfo="skip",
            line={"color": CLASSES[letter].colour, "width": 1.5, "dash": "dot"},
        )  # fmt: skip


def _stars(chart: go.Figure, scene: Scene) -> None:
    for letter, (x, y) in scene.result["prototypes"].items():
        title = scene.words("typical", name=scene.words(f"class_{letter}"))
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


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    return {"right": result.get("right", 0), "asked": result.get("asked", 0), "labelled": len(result["labels"])}


def right(result: Mapping[str, Any]) -> int:
    """One wrong label drags the mean: always the second guess, which the engine's test holds."""
    return 2


LESSON = Lesson("prototypes", 3, draw, controls, right, values)
