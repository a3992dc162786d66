"""The plane of the demo's cases as a figure: what a model says all over it, the cases' pictures, their labels."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from dashboard.class_marks import NEUTRAL
from dashboard.steps.lessons.drawing import CLASSES, ink, plain
from dashboard.steps.lessons.scene import Scene

PICTURE = 0.19  # side of a case's picture, in units of the plane
FRAME_SHARE = 0.92  # of a picture: the frame lies on its rim
SHADE = 72  # of 255: how strongly a region is tinted
LETTERS = "abc"


def sheet(scene: Scene, told: Mapping[str, Any], regions: Sequence[str] | None, height: int) -> go.Figure:
    """Regions and pictures as layers below, so that whatever is drawn on top stays to be clicked."""
    chart = go.Figure()
    x0, x1, y0, y1 = told["extent"]
    if regions:
        chart.add_layout_image(
            source=_tint(regions), x=x0, y=y0, xref="x", yref="y", sizex=x1 - x0, sizey=y1 - y0, xanchor="left",
            yanchor="bottom", sizing="stretch", layer="below",
        )  # fmt: skip
    for point in told["points"]:
        chart.add_layout_image(
            source=point["tile"], x=point["x"], y=point["y"], xref="x", yref="y", sizex=PICTURE, sizey=PICTURE,
            xanchor="center", yanchor="middle", layer="below",
        )  # fmt: skip
    plain(chart, height, legend=False)
    chart.update_layout(margin={"l": 4, "r": 4, "t": 4, "b": 4})
    chart.update_xaxes(visible=False, range=[x0, x1], constrain="domain")
    chart.update_yaxes(visible=False, range=[y0, y1], scaleanchor="x", constrain="domain")
    return chart


def add_cases(chart: go.Figure, scene: Scene, told: Mapping[str, Any], answers: Sequence[str] | None = None) -> None:
    """A frame round each case: thick in its class's colour where it is labelled; thin where not, in the colour of the
    answer where there is one. `customdata` is the case's number."""
    labels, (_, _, y0, y1) = told["labels"], told["extent"]
    size = round(FRAME_SHARE * PICTURE * chart.layout.height / (y1 - y0))
    for labelled in (False, True):
        rows = [i for i in range(len(told["points"])) if (str(i) in labels) == labelled]
        colours, titles = [], []
        for i in rows:
            letter = labels[str(i)] if labelled else answers[i] if answers else None
            colours.append(CLASSES[letter].colour if letter else NEUTRAL)
            said = scene.page.words(f"lessons.class_{letter}") if letter else scene.page.words("lessons.unlabelled")
            kind = scene.page.words("lessons.labelled_as" if labelled else "lessons.answered_as", name=said)
            titles.append(f"{scene.page.words('lessons.case', number=i + 1)} · {kind if letter else said}")
        chart.add_scatter(
            x=[told["points"][i]["x"] for i in rows], y=[told["points"][i]["y"] for i in rows], mode="markers",
            customdata=[[i] for i in rows], text=titles, hovertemplate="%{text}<extra></extra>",
            marker={"symbol": "square-open", "size": size, "color": colours, "line": {"width": 5 if labelled else 2}},
        )  # fmt: skip


def add_numbers(chart: go.Figure, told: Mapping[str, Any]) -> None:
    """Each case's number over its picture, for those who name a case instead of clicking it. It takes no click."""
    points = told["points"]
    chart.add_scatter(
        x=[p["x"] for p in points], y=[p["y"] + 0.46 * PICTURE for p in points], mode="text", hoverinfo="skip",
        text=[str(i + 1) for i in range(len(points))], textposition="top center", textfont={"size": 12, "color": ink()},
    )  # fmt: skip


def legend(scene: Scene) -> str:
    """The classes in words, with their colours and shapes (HTML)."""
    parts = [
        f'<span class="hf-pill" style="--c:{CLASSES[c].colour}">{CLASSES[c].shape} '
        f"{scene.page.words(f'lessons.class_{c}')}</span>"
        for c in LETTERS
    ]
    return " ".join(parts)


def _tint(regions: Sequence[str]) -> str:
    """Rows of letters, from below, as a transparent picture."""
    colours = {c: [int(CLASSES[c].colour[k : k + 2], 16) for k in (1, 3, 5)] + [SHADE] for c in LETTERS}
    grid = np.array([[colours[c] for c in row] for row in reversed(regions)], np.uint8)
    out = io.BytesIO()
    grown = Image.fromarray(grid, "RGBA").resize((grid.shape[1] * 12, grid.shape[0] * 12), Image.Resampling.NEAREST)
    grown.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
