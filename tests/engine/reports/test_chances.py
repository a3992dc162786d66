"""A probability on paper and on the page: a handful never makes sure, so nothing rounds to all or nothing."""

from __future__ import annotations

import pytest

from dashboard.steps.score import score
from engine.reports.chances import chance


@pytest.mark.parametrize(
    ("value", "page", "paper"),
    [
        (1.0, ">.99", "> 0.99"),
        (0.9951, ">.99", "> 0.99"),
        (0.994, ".99", "0.99"),
        (0.5, ".50", "0.50"),
        (0.006, ".01", "0.01"),
        (0.0, "<.01", "< 0.01"),
    ],
)
def test_what_would_round_to_certain_is_said_as_more_or_less_than(value, page, paper):
    assert (score(value), chance(value)) == (page, paper)
