"""Ranges that hold, cases left out with all their patient's, likeness that knows a stranger."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom, binomtest

from engine.evidence.ranges import exact_interval
from engine.evidence.uncertainty import (
    TEMPERATURE_RANGE,
    calibrated,
    leave_one_patient_out,
    nearness,
    probability_ranges,
    unlike,
)
from engine.learners import Support, learner, protonet
from tests.engine.learners.test_learners import make_query, make_support


def test_the_exact_interval_is_scipys_and_the_papers_example():
    for right, count in [(0, 1), (4, 5), (5, 5), (7, 20), (400, 500)]:
        expected = binomtest(right, count).proportion_ci(0.95, "exact")
        assert exact_interval(right, count) == pytest.approx((expected.low, expected.high))
    assert [round(100 * x) for x in exact_interval(4, 5)] == [28, 99]
    assert exact_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("count", [1, 2, 5, 10])
@pytest.mark.parametrize("truth", [0.5, 0.7, 0.9, 0.99])
def test_the_interval_holds_the_truth_at_least_as_often_as_it_says(count, truth):
    covered = sum(
        binom.pmf(k, count, truth)
        for k in range(count + 1)
        if exact_interval(k, count)[0] <= truth <= exact_interval(k, count)[1]
    )
    assert covered >= 0.95


def with_groups(support: Support, groups) -> Support:
    return Support(support.embeddings, support.targets, support.classes, tuple(groups))


def test_a_patients_cases_are_left_out_together():
    """Pairs of identical cases labelled at random: 100 % right if a twin stays in, chance if it goes too."""
    draw = torch.Generator().manual_seed(0)
    single = torch.randn(24, 30, generator=draw)
    targets = torch.tensor([0, 1] * 12)[torch.randperm(24, generator=draw)]
    support = Support(
        single.repeat_interleave(2, 0),
        targets.repeat_interleave(2),
        ("a", "b"),
        tuple(f"p{i}" for i in range(24) for _ in range(2)),
    )
    together = leave_one_patient_out(learner("nearest"), support).tested(support.classes)
    leaked = with_groups(support, [f"case {i}" for i in range(48)])
    apart = leave_one_patient_out(learner("nearest"), leaked).tested(support.classes)
    assert together.right < 36 and together.count == 48
    assert apart.right >= 40  # 30 folds of 48 lone cases: now and then a twin is left out beside


def test_a_class_with_one_patient_is_not_tested_and_not_counted():
    support = with_groups(make_support((4, 3), apart=8.0), ["a", "b", "c", "d", "e", "e", "e"])
    tested = leave_one_patient_out(learner("protonet"), support).tested(support.classes)
    assert tested.count == 4 and tested.predicted[4:] == ("", "", "")
    assert tested.probability[4:] == (None, None, None)


@pytest.mark.parametrize("name", ["protonet", "maml", "nearest", "logistic"])
def test_shuffled_labels_test_at_chance(name):
    """30 supports whose labels mean nothing; within 4 standard errors. A leak would show as more."""
    right = []
    for seed in range(30):
        draw = torch.Generator().manual_seed(seed)
        targets = torch.randint(2, (14,), generator=draw)
        targets[:4] = torch.tensor([0, 0, 1, 1])
        support = Support(torch.randn(14, 20, generator=draw), targets, ("a", "b"), tuple(map(str, range(14))))
        tested = leave_one_patient_out(learner(name), support).tested(support.classes)
        right.append(tested.right / tested.count)
    # Leaving a case out makes its class a little rarer among the rest, so "chance" here lies below one half.
    assert np.mean(right) < 0.5 + 4 * np.std(right) / 30**0.5
    assert np.mean(right) > 0.25


def test_calibration_lowers_overconfidence_but_only_so_far(monkeypatch):
    monkeypatch.setattr(protonet, "TEMPERATURE", 0.05)
    support = make_support((10, 10), apart=0.3)
    adapted = learner("protonet").adapt(support)
    left_out = leave_one_patient_out(learner("protonet"), support)
    better = calibrated(adapted, left_out)
    assert 1.0 < better.temperature <= TEMPERATURE_RANGE + 1e-6
    query, _ = make_query(support)
    before, after = adapted.probabilities(query), better.probabilities(query)
    assert torch.equal(before.argmax(1), after.argmax(1))
    assert after.max(1).values.mean() < before.max(1).values.mean()


def test_two_cases_hardly_move_the_temperature():
    support = make_support((2, 2), apart=0.3)
    adapted = learner("protonet").adapt(support)
    moved = calibrated(adapted, leave_one_patient_out(learner("protonet"), support)).temperature
    assert 0.6 < moved < 1.7


def test_more_patients_narrow_the_range_of_a_probability():
    few, many = make_support((3, 3), apart=1.0), make_support((30, 30), apart=1.0)
    query, _ = make_query(many, 20)
    widths = []
    for support in (few, many):
        low, high = probability_ranges(learner("protonet"), support, query, 1.0)
        assert (low >= 0).all() and (high <= 1).all() and (low <= high).all()
        widths.append(float((high - low).mean()))
    assert widths[1] < widths[0]


def test_the_range_is_the_same_for_the_same_seed():
    support = make_support((4, 4))
    query, _ = make_query(support, 5)
    first, second = (probability_ranges(learner("protonet"), support, query, 1.0, seed=3) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


def test_a_stranger_is_flagged_and_a_case_of_the_same_kind_seldom():
    false_alarms, found, asked = 0, 0, 0
    for seed in range(40):
        draw = torch.Generator().manual_seed(seed)
        all_cases = torch.randn(30, 20, generator=draw)
        support = Support(all_cases[:10], torch.tensor([0, 1] * 5), ("a", "b"), tuple(map(str, range(10))))
        false_alarms += int(unlike(support, all_cases[10:])[1].sum())
        found += int(unlike(support, all_cases[10:] + 5)[1].sum())
        asked += 20
    assert found / asked > 0.99
    assert false_alarms / asked < 0.2  # 1 in 11 if the labelled cases knew as many fellows as a new one does


def test_rows_that_set_their_own_scale_flag_their_kind_as_seldom():
    """In a wide table the labelled rows lie nearer to each other than to any new one: they made the spreads."""
    flagged = {False: 0, True: 0}
    found, asked = 0, 0
    for seed in range(20):
        raw = torch.randn(30, 300, generator=torch.Generator().manual_seed(seed))
        rows = (raw - raw[:10].mean(0)) / raw[:10].std(0, correction=0)
        support = Support(rows[:10], torch.tensor([0, 1] * 5), ("a", "b"), tuple(map(str, range(10))))
        for scaled in flagged:
            flagged[scaled] += int(unlike(support, rows[10:], scaled)[1].sum())
        found += int(unlike(support, rows[10:] + 3, scaled=True)[1].sum())
        asked += 20
    assert flagged[False] / asked > 0.5  # what it was like
    assert flagged[True] / asked < 0.2  # 1 in 11, as above
    assert found / asked > 0.99


def test_a_patients_rows_are_scaled_without_each_other():
    rows = torch.randn(12, 40, generator=torch.Generator().manual_seed(0))
    support = Support(rows, torch.tensor([0, 1] * 6), ("a", "b"), tuple(str(i // 2) for i in range(12)))
    usual, _ = nearness(support, rows, scaled=True)
    assert np.isfinite(usual).all() and (usual > 0).all()


def test_likeness_is_not_said_with_too_few_patients():
    support = with_groups(make_support((4, 4)), ["a", "a", "b", "b", "c", "c", "d", "d"])
    assert unlike(support, support.embeddings) is None
