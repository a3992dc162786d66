"""Lesson 3: a few small steps are enough, and steps too long undo each other."""

from __future__ import annotations

import pytest

from engine.lessons.plan import BY_NAME, Labels
from engine.lessons.steps import walk

OPENS = Labels.pairs(BY_NAME["steps"].read({})["labels"])


@pytest.fixture(scope="module")
def rows():
    return {factor: walk(OPENS, "maml", factor) for factor in (1.0, 16.0)}


def test_at_the_learned_rate_every_step_lowers_the_loss_and_most_of_it_falls_in_the_first_five(rows):
    losses = [row["loss"] for row in rows[1.0]]
    assert all(a > b for a, b in zip(losses, losses[1:], strict=False))
    assert losses[0] - losses[5] > 0.7 * (losses[0] - losses[-1])


def test_some_answers_flip_on_the_way_and_more_end_up_right(rows):
    assert sum(len(row["flips"]) for row in rows[1.0]) >= 2
    assert rows[1.0][-1]["right"] > rows[1.0][0]["right"]


def test_at_sixteen_times_the_rate_the_loss_ends_above_its_start_and_answers_never_settle(rows):
    wild = rows[16.0]
    assert wild[-1]["loss"] > wild[0]["loss"]
    assert all(len(row["flips"]) > 0 for row in wild[-5:])
