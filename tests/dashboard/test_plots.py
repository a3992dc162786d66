"""Figures are pure functions: what goes in can be read back from the figure."""

from __future__ import annotations

import pytest

from dashboard import plots
from dashboard.class_marks import MARKS, class_mark

CLASSES = ("smooth", "spiculated")


def _map(selected=None):
    points = [
        {"id": "a", "x": 0.0, "y": 0.0, "title": "Case 01", "label": "smooth", "unlike": False},
        {"id": "b", "x": 1.0, "y": 0.5, "title": "Case 02", "label": None, "unlike": True},
    ]
    prototypes = [{"name": "smooth", "x": 0.1, "y": 0.1, "title": "typical of smooth"}]
    return plots.embedding_map(points, prototypes, CLASSES, selected)


def test_every_point_of_the_map_carries_its_case():
    carried = {c[0] for trace in _map().data if trace.customdata is not None for c in trace.customdata}
    assert carried == {"a", "b"}


def test_a_labelled_point_has_the_colour_and_shape_of_its_class():
    trace = next(t for t in _map().data if t.name == "smooth")
    assert trace.marker.color == MARKS[0].colour
    assert trace.marker.symbol == (MARKS[0].symbol,)


def test_a_case_unlike_anything_labelled_is_hollow():
    trace = next(t for t in _map().data if t.customdata is not None and t.customdata[0][0] == "b")
    assert trace.marker.symbol == ("circle-open",)


def test_the_case_looked_at_has_a_ring():
    assert len(_map("b").data) == len(_map().data) + 1


def test_the_trace_shows_each_step_with_its_loss():
    figure = plots.trace([{"step": 0, "loss": 0.7}, {"step": 1, "loss": 0.4}], "step", "loss")
    assert list(figure.data[0].x) == [0, 1]
    assert list(figure.data[0].y) == [0.7, 0.4]


def test_the_trace_marks_the_step_that_is_looked_at():
    steps = [{"step": s, "loss": 1 / (s + 1)} for s in range(4)]
    figure = plots.trace(steps, "step", "loss", at=2)
    assert list(figure.data[1].x) == [2] and figure.data[1].y[0] == pytest.approx(1 / 3)
    assert figure.layout.shapes[0].x0 == 2


def test_a_path_has_its_classes_colour_and_the_case_looked_at_lies_on_top():
    cases = [
        {"id": "a", "title": "Case 01", "name": "spiculated", "values": [0.4, 0.8], "flips": True},
        {"id": "b", "title": "Case 02", "name": "smooth", "values": [0.5, 0.6], "flips": False},
    ]
    figure = plots.paths(cases, CLASSES, "step", 200, at=1, selected="b")
    assert [line.name for line in figure.data] == ["Case 01", "Case 02"]
    assert figure.data[0].line.color == MARKS[1].colour and list(figure.data[0].y) == [0.4, 0.8]
    assert figure.data[1].line.width > figure.data[0].line.width


def test_the_deletion_figure_tells_its_two_lines_apart_without_colour():
    words = {name: name for name in ("x", "y", "marked", "elsewhere")}
    figure = plots.deletion([0, 0.5, 1], [0.9, 0.2, 0.1], [0.9, 0.8, 0.1], words)
    assert [line.line.dash for line in figure.data] == ["solid", "dot"]
    assert list(figure.data[0].x) == [0, 50, 100]


def test_classes_differ_in_colour_and_in_shape():
    assert len({m.colour for m in MARKS}) == len({m.shape for m in MARKS}) == 9
    with pytest.raises(ValueError):
        class_mark(CLASSES, "cavity")
