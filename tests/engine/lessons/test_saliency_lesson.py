"""Lesson 9: a model that learned nothing has a map too; the check tells the two apart, and tells a method off."""

from __future__ import annotations

from statistics import mean

import pytest

from engine.lessons import saliency
from engine.lessons.run import compute

CASES = (1, 4, 10)


@pytest.fixture(scope="module")
def told():
    return {(case, m): compute("saliency", {"case": case, "method": m}) for case in CASES for m in ("gradcam", "ig")}


def test_grad_cam_changes_when_the_knowledge_is_gone(told):
    assert all(told[case, "gradcam"]["likeness"] < 0.3 and not told[case, "gradcam"]["unspecific"] for case in CASES)


def test_integrated_gradients_follow_the_picture_and_the_check_says_so(told):
    assert all(told[case, "ig"]["likeness"] > 0.4 for case in CASES)
    assert any(told[case, "ig"]["unspecific"] for case in CASES)


def test_the_map_of_the_model_that_learned_lies_more_on_the_finding(told):
    energy = {which: mean(told[case, "gradcam"]["energy"][which] for case in CASES) for which in ("real", "random")}
    assert energy["real"] > energy["random"]


def test_the_sides_are_drawn_by_lot_and_both_come_up():
    sides = [saliency.side_of(case, seed) for case in range(16) for seed in range(10)]
    assert 60 <= sides.count("left") <= 100


def test_the_case_asked_about_taught_nothing():
    assert len(saliency.others(3).targets) == 15
    assert "patient 3" not in saliency.others(3).groups
