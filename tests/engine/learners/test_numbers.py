"""Numeric targets: every method that takes them learns them, and the intervals hold what they promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as SklearnRidge

from engine.learners import NUMBER, NumberSupport, SupportError, adapt_number, learner, learners
from engine.learners.maml import inner_loop
from engine.learners.protocol import spread
from engine.learners.ridge import STRENGTHS, hat, missed
from engine.sentences import say

NAMES = [each.name for each in learners(NUMBER)]


def line(count: int, noise: float = 0.3, dimensions: int = 30, seed: int = 0, unit: str = "mm") -> NumberSupport:
    """y = 40 + 10 * (the widest direction of x) + noise; two cases a patient."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(count, dimensions, generator=draw) * torch.tensor([3.0] + [0.3] * (dimensions - 1))
    y = 40 + 10 * (x[:, 0] / 3 + noise * torch.randn(count, generator=draw))
    return NumberSupport(x, y, unit, tuple(f"p{i // 2}" for i in range(count)))


@pytest.mark.parametrize("name", NAMES)
def test_every_method_that_takes_numbers_predicts_better_than_the_mean(name):
    support, query = line(20), line(200, seed=1)
    adapted = adapt_number(learner(name), support)
    mean = adapted.mean(query.embeddings)
    assert mean.shape == (200,) and adapted.unit == "mm"
    error = (mean - query.targets).square().mean()
    assert error < 0.5 * (support.targets.mean() - query.targets).square().mean()
    assert adapted.trace and all(np.isfinite(step.loss) for step in adapted.trace)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [12, 24])
def test_no_method_swings_away_again_from_the_labelled_numbers(name, count):
    """Rates learned on classes can be too long for a parabola after some steps; the LSTM's were, after fifteen."""
    losses = [step.loss for step in adapt_number(learner(name), line(count, dimensions=500)).trace]
    assert losses[-1] <= 2 * min(losses) + 0.005


@pytest.mark.parametrize("name", NAMES)
def test_units_and_order_of_cases_do_not_matter_and_one_answer_does_not_depend_on_the_others(name):
    support, query = line(12), line(9, seed=1).embeddings
    first = adapt_number(learner(name), support).mean(query)
    alone = torch.cat([adapt_number(learner(name), support).mean(query[i : i + 1]) for i in range(3)])
    assert torch.allclose(first[:3], alone, atol=1e-3)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(first, adapt_number(learner(name), support.take(order)).mean(query), atol=2e-2)
    inches = NumberSupport(support.embeddings, support.targets / 25.4 + 100, "in", support.groups)
    assert torch.allclose((first / 25.4) + 100, adapt_number(learner(name), inches).mean(query), atol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_of_a_number_is_differentiable(name):
    if name == "nearest":
        pytest.skip("the number of the nearest case is a step function: its gradient is zero by nature")
    query = line(4, seed=3).embeddings[:1].clone().requires_grad_()
    adapt_number(learner(name), line(10)).mean(query).sum().backward()
    assert torch.isfinite(query.grad).all() and query.grad.abs().sum() > 0


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_intervals_hold_new_patients_about_as_often_as_they_say(level):
    held = []
    for seed in range(25):
        support, query = line(16, seed=seed), line(50, seed=1000 + seed)
        low, high = adapt_number(learner("ridge"), support).interval(query.embeddings, level)
        held.append(float(((low <= query.targets) & (query.targets <= high)).float().mean()))
    assert level - 0.08 < np.mean(held) < level + 0.12


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_an_interval_around_its_answers(name):
    low, high = adapt_number(learner(name), line(10)).interval(line(20, seed=2).embeddings, 0.8)
    assert (low < high).all()


def test_too_few_patients_for_the_level_give_no_interval():
    adapted = adapt_number(learner("ridge"), line(6))  # 3 patients, 6 cases: at most 6 / 7
    assert adapted.interval(line(2, seed=2).embeddings, 0.9) is None
    assert adapted.interval(line(2, seed=2).embeddings, 0.8) is not None
    assert len(adapted.tested()) == 6


@pytest.mark.parametrize("name", NAMES)
def test_two_patients_with_several_cases_each_are_enough(name):
    support = replace(line(8), groups=("a",) * 4 + ("b",) * 4)
    adapted = adapt_number(learner(name), support)
    assert torch.isfinite(adapted.mean(support.embeddings)).all()
    assert len(adapted.tested()) == 8  # each patient left out in turn, though that leaves a single one


def test_where_all_cases_are_of_one_patient_ridge_leaves_out_each_case_by_itself():
    cases = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    cases = cases - cases.mean(0)
    targets = torch.tensor([1.0, 4.0, 2.0, 8.0, 5.0, 7.0], dtype=torch.float64)
    for strength in STRENGTHS:
        h = hat(cases @ cases.T, strength)
        assert torch.equal(missed(h, targets, ("a",) * 6), missed(h, targets, tuple("abcdef")))
        assert missed(h, targets, ("a",) * 6).abs().max() < 100


def test_platipus_models_spread_less_the_more_cases_there_are():
    query = line(50, seed=5).embeddings
    spreads = []
    for count in (4, 16, 60):
        adapted = adapt_number(learner("platipus"), line(count))
        samples = adapted.samples(query)
        assert torch.allclose(samples.mean(0), adapted.mean(query), atol=1e-3)
        spreads.append(float((samples.std(0) / adapted.support.scale).mean()))
    assert spreads[0] > max(spreads[1:]) and min(spreads) > 0
    assert adapt_number(learner("ridge"), line(4)).samples(query) is None


@pytest.mark.parametrize("strength", STRENGTHS[::3])
def test_ridge_is_scikit_learns_and_leaves_patients_out_exactly(strength):
    support = line(15)
    scale, shift = spread(support.embeddings), support.embeddings.mean(0)
    z, y = ((support.embeddings - shift) / scale).double(), support.standard.double()
    h = hat(z @ z.T, strength)
    oracle = SklearnRidge(alpha=strength * 15).fit(z.numpy(), y.numpy())
    assert np.abs((h @ y).numpy() - oracle.predict(z.numpy())).max() < 1e-6
    found = missed(h, y, support.groups)
    groups = np.array(support.groups)
    for group in set(support.groups):
        kept = groups != group
        without = SklearnRidge(alpha=strength * 15).fit(z.numpy()[kept], y.numpy()[kept])
        expected = y.numpy()[~kept] - without.predict(z.numpy()[~kept])
        assert np.abs(found.numpy()[~kept] - expected).max() < 1e-6


@pytest.mark.parametrize("name", ["ridge", "maml", "platipus"])
def test_days_are_never_fewer_than_none_and_temperatures_may_be(name):
    """A straight line through stays of 0 to 3 days goes below 0 somewhere; no answer, model or interval may."""
    steep = line(16, noise=0.05)
    far = line(60, seed=1).embeddings * 3
    for shift, least in ((steep.targets.min(), 0.0), (steep.targets.mean(), -torch.inf)):
        adapted = adapt_number(learner(name), NumberSupport(steep.embeddings, steep.targets - shift, "d", steep.groups))
        low, high = adapted.interval(far, 0.8)
        answers = [adapted.mean(far), low, high, *filter(lambda s: s is not None, [adapted.samples(far)])]
        assert all((answer >= least).all() for answer in answers)
        assert (low <= high).all()
        assert (adapted.mean(far) <= 0).any() and (adapted.mean(far) < 0).any() == (least < 0)


def test_shuffled_numbers_are_not_predicted():
    """Numbers thrown as dice: on average no method beats the mean of the labelled cases."""
    for name in ("maml", "reptile", "ridge", "matching"):
        gains = []
        for seed in range(30):
            draw = torch.Generator().manual_seed(seed)
            x, y = torch.randn(40, 20, generator=draw), torch.randn(40, generator=draw)
            support = NumberSupport(x[:12], y[:12], "mm", tuple(map(str, range(12))))
            mean = adapt_number(learner(name), support).mean(x[12:])
            gains.append(float((y[:12].mean() - y[12:]).square().mean() - (mean - y[12:]).square().mean()))
        assert np.mean(gains) < 2 * np.std(gains) / 30**0.5, name


def test_what_cannot_be_learned_is_refused_in_a_sentence():
    x = torch.randn(4, 5)
    with pytest.raises(SupportError, match="the same number"):
        NumberSupport(x, torch.ones(4), "mm", tuple("abcd"))
    with pytest.raises(SupportError, match="1 labelled case.* no usable number"):
        NumberSupport(x, torch.tensor([1.0, 2.0, torch.nan, 3.0]), "mm", tuple("abcd"))
    with pytest.raises(SupportError, match="learns classes, not numbers"):
        adapt_number(learner("protonet"), line(5))
    with pytest.raises(SupportError) as refused:
        from tests.engine.learners.test_learners import make_support

        learner("ridge").adapt(make_support())
    assert "不能学习类别" in say(refused.value.note, "zh")


@pytest.mark.parametrize("most", [1.0, float("inf")])
def test_a_rate_too_large_for_a_parabola_is_halved_where_no_step_may_be_worse_than_none(most):
    """Curvature 1, so a rate of 3 doubles the distance at each step; half of it shrinks the distance."""
    start, rates = {"w": torch.tensor(1.0)}, {"w": torch.tensor([3.0])}
    theta, halvings = inner_loop(lambda p: p["w"] ** 2 / 2, start, rates, 6, second_order=False, most=most)
    assert (halvings, float(theta["w"].detach())) == ((1, 0.5**6) if most == 1 else (0, 64.0))
