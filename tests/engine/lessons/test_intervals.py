"""Lesson 8: what a few cases can prove."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from engine.lessons.intervals import HOLDS, needed, proof
from engine.lessons.run import compute


@pytest.mark.parametrize(("cases", "wrong", "low", "high"), [(5, 1, 28, 99), (100, 20, 71, 87)])
def test_four_of_five_says_little_and_the_same_share_of_many_says_much(cases, wrong, low, high):
    told = compute("intervals", {"cases": cases, "wrong": wrong})
    assert (round(100 * told["low"]), round(100 * told["high"])) == (low, high)
    oracle = binomtest(cases - wrong, cases).proportion_ci(method="exact")
    assert (told["low"], told["high"]) == (pytest.approx(oracle.low, abs=1e-4), pytest.approx(oracle.high, abs=1e-4))


def test_the_range_holds_the_truth_at_least_as_often_as_it_says():
    held = sum(compute("intervals", {"cases": 20, "wrong": 4, "seed": seed})["held"] for seed in range(3))
    assert held >= 0.95 * 600


def test_the_cases_needed_prove_the_claim_and_fewer_do_not():
    found = needed(0.9, 0.7)
    assert proof(0.9, 0.7, found) >= HOLDS > proof(0.9, 0.7, found - 1)
    assert needed(0.8, 0.8) is None


def test_every_doubling_narrows_the_range_by_about_three_tenths():
    widths = [told["high"] - told["low"] for told in compute("intervals", {})["ladder"]]
    assert all(a > b for a, b in zip(widths, widths[1:], strict=False))
    assert widths[4] / widths[3] == pytest.approx(0.5**0.5, abs=0.03)
