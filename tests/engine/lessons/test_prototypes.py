"""Lesson 2: the typical case is the mean of what was labelled, and one wrong label drags it."""

from __future__ import annotations

import pytest
import torch

from engine.lessons import plane
from engine.lessons.plan import Labels
from engine.lessons.run import compute

ALL = "-".join(f"{i}{c}" for i, c in enumerate("aaaaaabbbbbbcccc"))


def moved(labels: str, case: int, wrong: str, of: str) -> float:
    """How far the mean of class `of` goes when one case gets a wrong label."""
    given = Labels.pairs(labels)
    before = torch.tensor(compute("prototypes", {"labels": labels})["prototypes"][of])
    text = "-".join(f"{i}{c}" for i, c in (given | {case: wrong}).items())
    return float((torch.tensor(compute("prototypes", {"labels": text})["prototypes"][of]) - before).norm())


def test_one_wrong_label_drags_the_mean_of_two_cases_more_than_that_of_six():
    assert moved("0a-1a-6b-7b", 12, "a", "a") > 2 * moved("0a-1a-2a-3a-4a-5a-6b-7b", 12, "a", "a")


def test_a_star_is_the_mean_of_its_labelled_cases():
    told = compute("prototypes", {"labels": "0a-1a-6b"})
    where = plane.plane()[0]
    assert told["prototypes"]["a"] == pytest.approx(where[:2].mean(0).tolist(), abs=1e-3)
    assert told["prototypes"]["b"] == pytest.approx(where[6].tolist(), abs=1e-3)


def test_the_regions_are_what_the_nearest_star_says():
    told = compute("prototypes", {"labels": ALL})
    stars = {c: torch.tensor(p) for c, p in told["prototypes"].items()}
    for point, answer in zip(told["points"], told["answers"], strict=True):
        at = torch.tensor([point["x"], point["y"]])
        assert answer == min(stars, key=lambda c: float((stars[c] - at).norm()))


def test_attention_gives_every_labelled_case_a_say_and_all_of_it():
    told = compute("prototypes", {"learner": "matching", "asked": 4})
    assert {case for case, _ in told["attention"]} == {0, 1, 6, 7, 12}
    assert sum(weight for _, weight in told["attention"]) == pytest.approx(1, abs=0.01)


def test_with_one_class_labelled_nothing_is_answered():
    assert compute("prototypes", {"labels": "0a-1a"})["regions"] is None
