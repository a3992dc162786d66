"""Lesson 4: the learned rule lengthens its steps and forgets next to nothing, on one task as on another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.learners.lstm_meta import LSTMMetaLearner
from engine.learners.starts import shipped_start
from engine.lessons import optimiser, plane, scans
from engine.lessons.plan import Labels
from engine.lessons.run import compute

TASKS = ("1a-4a-6b-10b-12c-14c", "0a-3a-12c-14c", "6b-9b-12c-15c")


@pytest.fixture(scope="module")
def told():
    return {labels: compute("optimiser", {"labels": labels}) for labels in TASKS}


def test_it_begins_with_small_steps_lengthens_them_and_keeps_what_it_had(told):
    for each in told.values():
        rates = [row[0] for row in each["rates"]]
        assert rates[-1] > 1.5 * rates[0]
        assert all(b > a - 0.01 for a, b in zip(rates, rates[1:], strict=False))
        assert min(row[1] for row in each["keeps"]) > 0.99


def test_it_is_the_same_schedule_on_every_task(told):
    ends = [each["rates"][-1][0] for each in told.values()]
    assert max(ends) - min(ends) < 0.05


def test_on_tasks_like_those_it_was_trained_on_it_needs_no_hand_set_rate(told):
    for each in told.values():
        assert all(b < a for a, b in zip(each["lstm"], each["lstm"][1:], strict=False))
        assert each["lstm"][-1] < each["sgd"][-1]


def test_on_two_numbers_which_it_never_saw_its_steps_are_too_long():
    losses = compute("optimiser", {"labels": TASKS[0], "numbers": "two"})["lstm"]
    assert losses[-1] > 1.5 * min(losses)


def test_the_watched_rule_takes_the_learners_own_steps(told):
    """Oracle: the shipped learner's trace on the same cases."""
    support = plane.support(Labels.pairs(TASKS[0]))
    support = replace(support, embeddings=scans.embeddings()[[1, 4, 6, 10, 12, 14]])
    adapted = LSTMMetaLearner(shipped_start("lstm")).adapt(support, steps=optimiser.STEPS)
    assert told[TASKS[0]]["lstm"] == pytest.approx([step.loss for step in adapted.trace], abs=2e-4)
