"""Lesson: the shortcut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from dashboard.class_marks import NEUTRAL
from dashboard.steps.lessons.drawing import ink, plain, show
from dashboard.steps.lessons.pictures import pictures
from dashboard.steps.lessons.scene import Lesson, Scene

HEIGHT = 190


def controls(scene: Scene) -> None:
    scene.choose("mark")
    scene.choose("taught")
    scene.choose("learner")
    scene.slider("rise")


def draw(scene: Scene) -> None:
    told = scene.result
    shown = []
    for case in told["cases"]:
        place, truth = scene.words(f"place_{case['place']}"), scene.words("sick" if case["sick"] else "healthy")
        shown.append(([case["picture"]], f"{place}: {truth}"))
        if scene.told:
            said = scene.words("said", probability=f"{case['probability']:.2f}")
            shown.append(([case["map"]], said))
    pictures(shown, columns=len(shown))
    if not scene.told:
        scene.say("home", **_counts(told["home"]), labelled=told["labelled"])
        return
    show(bars(scene), "figure-shortcut")
    scene.say("both", home=told["home"]["right"], home_count=told["home"]["count"], abroad=told["abroad"]["right"],
              abroad_count=told["abroad"]["count"])  # fmt: skip
    if scene.now["mark"] == "on":
        scene.say("energy", energy=round(100 * told["energy"]), even=round(100 * told["even"]))
    else:
        scene.say("no_mark")


def bars(scene: Scene) -> go.Figure:
    """Right answers at home and abroad with their exact intervals."""
    told, chart = scene.result, go.Figure()
    rows = [told["abroad"], told["home"]]
    shares = [100 * row["right"] / row["count"] for row in rows]
    chart.add_scatter(
        x=shares, y=[scene.words("place_abroad"), scene.words("place_home")], mode="markers+text",
        text=[f"{row['right']} / {row['count']}" for row in rows], textposition="top center",
        marker={"size": 16, "color": ink()}, cliponaxis=False,
        error_x={
            "type": "data", "symmetric": False, "color": ink(), "thickness": 3,
            "array": [100 * row["high"] - share for row, share in zip(rows, shares, strict=True)],
            "arrayminus": [share - 100 * row["low"] for row, share in zip(rows, shares, strict=True)],
        },
    )  # fmt: skip
    chart.add_vline(x=50, line={"color": NEUTRAL, "width": 2, "dash": "dash"})
    chart.update_xaxes(range=[-2, 106], ticksuffix=" %")
    chart.update_yaxes(range=[-0.6, 1.7])
    plain(chart, HEIGHT, legend=False)
    return chart.update_layout(margin={"l": 130, "r": 26, "t": 8, "b": 36})


def _counts(score: Mapping[str, Any]) -> dict[str, int]:
    return {"right": score["right"], "count": score["count"]}


def values(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{f"home_{k}": v for k, v in _counts(result["home"]).items()},
        **{f"abroad_{k}": v for k, v in _counts(result["abroad"]).items()},
        "energy": round(100 * result["energy"]),
    }


def right(result: Mapping[str, Any]) -> int:
    """How it does abroad: 1 as good as at home, 2 worse, 3 as a coin."""
    home, abroad = (result[place]["right"] / result[place]["count"] for place in ("home", "abroad"))
    return 1 if abroad >= home - 0.05 else 2 if abroad > 0.6 else 3


LESSON = Lesson("shortcut", 3, draw, controls, right, values)
