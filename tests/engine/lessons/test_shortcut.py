"""Lesson 6: perfect at home, a coin abroad, the mark in the map; labels of both hospitals mend it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.learners import learner
from engine.lessons import marked, shortcut
from engine.lessons.run import compute


@pytest.fixture(scope="module")
def told():
    return compute("shortcut", {})


def share(score: dict) -> float:
    return score["right"] / score["count"]


def test_at_home_it_is_right_and_abroad_it_is_a_coin(told):
    assert share(told["home"]) >= 0.95
    assert share(told["abroad"]) <= 0.6


def test_the_map_lies_on_the_mark(told):
    assert told["energy"] >= 0.5
    assert told["energy"] > 5 * told["even"]


def test_a_healthy_picture_from_abroad_is_called_sick(told):
    case = next(case for case in told["cases"] if case["place"] == "abroad")
    assert not case["sick"] and case["said"] and case["probability"] > 0.9


def test_labels_of_both_hospitals_mend_it():
    taught, home, abroad = shortcut.groups(250, "both", True)
    model = learner("maml").adapt(shortcut.support(taught))
    assert share(shortcut.score(model, home)) >= 0.95
    assert share(shortcut.score(model, abroad)) >= 0.9


def test_no_patient_is_labelled_and_asked():
    for taught in ("home", "both"):
        parts = [{p.patient for p in part} for part in shortcut.groups(250, taught, True)]
        assert not parts[0] & parts[1] and not parts[0] & parts[2]


def test_the_mark_is_where_the_mask_says_and_nowhere_else():
    clean, bearing = (marked.make(250, "A", marks, 0, 1) for marks in ("none", "all"))
    changed = (clean[0].view != bearing[0].view).any(0).numpy()
    assert changed.any() and not (changed & ~marked.on_mark(np.zeros(changed.shape))).any()
