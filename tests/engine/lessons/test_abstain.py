"""Lesson 10: after few labels a probability is worth less than it says; silence buys accuracy."""

from __future__ import annotations

from statistics import mean

import pytest

from engine.lessons.run import compute

SEEDS = range(6)


@pytest.fixture(scope="module")
def told():
    return {(n, seed): compute("abstain", {"labelled": n, "seed": seed}) for n in (2, 5, 20) for seed in SEEDS}


def row(result: dict, threshold: int) -> dict:
    return next(each for each in result["curve"] if each["threshold"] == threshold)


def test_after_two_labels_a_class_the_probability_is_farther_off_than_after_twenty(told):
    few, many = (mean(told[n, seed]["gap"] for seed in SEEDS) for n in (2, 20))
    assert few > 1.5 * many


def test_as_the_lesson_opens_it_is_less_often_right_than_it_says():
    top = compute("abstain", {})["bins"][-1]
    assert top["right"] / top["count"] < top["stated"] - 0.03


def test_a_higher_threshold_answers_less_and_is_right_more_often(told):
    for seed in SEEDS:
        all_of_them, sure = (row(told[5, seed], t) for t in (50, 85))
        assert sure["answered"] < all_of_them["answered"] == 400
        assert sure["right"] / sure["answered"] > all_of_them["right"] / all_of_them["answered"]


def test_a_probability_does_not_notice_strangers_and_the_distance_does(told):
    assert mean(row(told[5, seed], 90)["strangers"] for seed in SEEDS) > 20
    assert all(told[5, seed]["flagged"] >= 95 for seed in SEEDS)
