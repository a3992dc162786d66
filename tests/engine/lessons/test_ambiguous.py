"""Lesson 5: where few points leave it open, models of both kinds fit, and with more points they draw together."""

from __future__ import annotations

from statistics import mean

from engine.lessons.run import compute

SEEDS = range(12)


def test_three_points_leave_both_a_wave_and_a_line_possible():
    shares = [compute("ambiguous", {"seed": seed})["lines"] / 20 for seed in SEEDS]
    assert sum(0.1 <= share <= 0.9 for share in shares) >= 10


def test_more_points_draw_the_models_together():
    few, many = (mean(compute("ambiguous", {"seed": s, "points": n})["width"] for s in SEEDS) for n in (3, 12))
    assert many < 0.75 * few


def test_more_points_of_a_wave_leave_fewer_lines():
    few, many = (sum(compute("ambiguous", {"seed": s, "points": n})["lines"] for s in SEEDS) for n in (3, 12))
    assert many < 0.7 * few


def test_the_samples_are_no_guarantee_as_the_page_says():
    """The truth lies within the middle nine tenths of the models at well under nine tenths of the places."""
    inside = []
    for seed in SEEDS:
        told = compute("ambiguous", {"seed": seed, "points": 4, "models": 50})
        for k, truth in enumerate(told["truth"]):
            said = sorted(curve[k] for curve in told["curves"])
            inside.append(said[2] <= truth <= said[-3])
    assert 0.3 < mean(inside) < 0.8
