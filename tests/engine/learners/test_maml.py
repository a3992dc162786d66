"""MAML: its gradient against finite differences, its behaviour against the paper's, its guards."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from engine.learners import Support, SupportError, head
from engine.learners.logistic import Logistic
from engine.learners.maml import MAML, inner_loop, meta_loss, module_loss
from engine.sentences import say
from tests.engine.learners.test_learners import make_query, make_support


def small_tasks(module: nn.Module, count: int = 3):
    draw = torch.Generator().manual_seed(0)
    for _ in range(count):
        x = torch.randn(12, 4, generator=draw, dtype=torch.float64)
        y = torch.randint(3, (12,), generator=draw)
        yield (
            module_loss(module, x[:6], y[:6], cross_entropy),
            module_loss(module, x[6:], y[6:], cross_entropy),
        )


@pytest.mark.parametrize("only_last_layer", [False, True])  # MAML, ANIL
@pytest.mark.parametrize("steps", [1, 3])
def test_the_second_order_meta_gradient_is_the_finite_difference(only_last_layer, steps):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 3)).double()
    start = {n: p.detach().clone().requires_grad_() for n, p in module.named_parameters()}
    rate = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    rates = {n: rate for n in start if not only_last_layer or n.startswith("3.")}

    def value() -> torch.Tensor:
        return meta_loss(small_tasks(module), start, rates, steps)

    value().backward()
    width = 1e-6  # error of a central difference here: about 1e-12 (width^2) + 1e-10 (rounding / width)
    for tensor in [*start.values(), rate]:
        for index in range(0, tensor.numel(), 7):
            flat = tensor.data.view(-1)
            before = float(flat[index])
            flat[index] = before + width
            above = value().item()
            flat[index] = before - width
            below = value().item()
            flat[index] = before
            assert float(tensor.grad.view(-1)[index]) == pytest.approx((above - below) / (2 * width), abs=1e-7)


def test_the_first_order_gradient_is_the_query_gradient_at_the_adapted_weights():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    start = {n: p.detach().clone().requires_grad_() for n, p in module.named_parameters()}
    rates = {n: torch.tensor([0.3], dtype=torch.float64) for n in start}
    tasks = list(small_tasks(module, 1))
    meta_loss(tasks, start, rates, 4, second_order=False).backward()
    adapted, _ = inner_loop(tasks[0][0], start, rates, 4, second_order=False)
    there = {n: t.detach().requires_grad_() for n, t in adapted.items()}
    expected = torch.autograd.grad(tasks[0][1](there), list(there.values()))
    for tensor, gradient in zip(start.values(), expected, strict=True):
        assert torch.allclose(tensor.grad, gradient, atol=1e-12)


def test_the_meta_gradient_of_the_dashboards_head_is_the_finite_difference():
    support = make_support((3, 4), dimensions=6)
    support = Support(support.embeddings.double(), support.targets, support.classes, support.groups)
    query, targets = make_query(support, 4)
    gate = (0.1 * torch.randn(6, dtype=torch.float64)).requires_grad_()
    pull = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    rates = {n: torch.full((3,), 0.8, dtype=torch.float64, requires_grad=True) for n in ("rows", "bias", "gate")}

    def value() -> torch.Tensor:
        start = head.Start(gate, pull, rates)
        theta, _ = inner_loop(lambda p: head.support_loss(p, support), head.parameters_for(start, support), rates, 3)
        return cross_entropy(head.scores(theta, query, support.embeddings), targets)

    value().backward()
    for tensor in (gate, pull, *rates.values()):
        for index in range(0, tensor.numel(), 2):
            flat = tensor.data.view(-1)
            before = float(flat[index])
            flat[index] = before + 1e-6
            above = value().item()
            flat[index] = before - 1e-6
            below = value().item()
            flat[index] = before
            assert float(tensor.grad.view(-1)[index]) == pytest.approx((above - below) / 2e-6, abs=1e-7)


def sinusoids(count: int, points: int, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Finn 2017, section 5.1: amplitude 0.1-5, phase 0-pi, x in [-5, 5] -> x, y (tasks, points, 1)."""
    amplitude = 0.1 + 4.9 * torch.rand(count, 1, 1, generator=draw)
    phase = math.pi * torch.rand(count, 1, 1, generator=draw)
    x = 10 * torch.rand(count, points, 1, generator=draw) - 5
    return x, amplitude * torch.sin(x + phase)


def forward(parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """An MLP 1-40-40-1 with its own weights for every task: x (tasks, points, 1), weights (tasks, in, out)."""
    for layer in (0, 1, 2):
        x = torch.baddbmm(parameters[f"b{layer}"], x, parameters[f"w{layer}"])
        x = torch.relu(x) if layer < 2 else x
    return x


def expand(start: dict[str, torch.Tensor], count: int) -> dict[str, torch.Tensor]:
    return {n: t.expand(count, *t.shape[1:]) for n, t in start.items()}


def per_task(x: torch.Tensor, y: torch.Tensor):
    """Summed over tasks, averaged over points: each task's weights see their own gradient only."""
    return lambda parameters: mse_loss(forward(parameters, x), y, reduction="none").mean((1, 2)).sum()


def test_maml_learns_to_fit_a_sinusoid_from_ten_points():
    """A hundredth of the published meta-steps. Untrained: error about 3.1 before, hardly less after a step.

    Measured with 10,000 steps (20 CPU-seconds): 3.11 / 0.46 / 0.16 / 0.13 after 0 / 1 / 5 / 10 steps.
    """
    draw = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    start = {}
    for layer, (fan_in, fan_out) in enumerate([(1, 40), (40, 40), (40, 1)]):
        linear = nn.Linear(fan_in, fan_out)
        start[f"w{layer}"] = linear.weight.detach().T[None].clone().requires_grad_()
        start[f"b{layer}"] = linear.bias.detach()[None, None].clone().requires_grad_()
    rates = {n: torch.tensor([0.01]) for n in start}
    optimiser = torch.optim.Adam(start.values(), 3e-3)
    for _ in range(600):
        x, y = sinusoids(25, 20, draw)
        theta, _ = inner_loop(per_task(x[:, :10], y[:, :10]), expand(start, 25), rates, 1)
        optimiser.zero_grad()
        (per_task(x[:, 10:], y[:, 10:])(theta) / 25).backward()
        optimiser.step()
    x, y = sinusoids(300, 110, draw)
    errors = []
    for steps in (0, 1, 5, 10):
        theta, _ = inner_loop(per_task(x[:, :10], y[:, :10]), expand(start, 300), rates, steps, second_order=False)
        errors.append(float(per_task(x[:, 10:], y[:, 10:])(theta)) / 300)
    assert errors[1] < 1.2 and errors[1] < errors[0] / 2
    assert errors[3] < errors[2] < errors[1]  # still falls though trained for one step


def test_a_step_that_goes_too_far_is_halved_and_said():
    support = make_support((5, 5))
    start = head.plain_start(40)
    wild = head.Start(start.gate, start.pull, {**start.rates, "gate": torch.full((20,), 1e6)})
    adapted = MAML(wild).adapt(support)
    query, targets = make_query(support)
    assert any("half the size" in say(note) for note in adapted.notes)
    assert all(math.isfinite(step.loss) for step in adapted.trace)
    assert torch.isfinite(adapted.logits(query)).all()


def test_a_loss_that_is_never_finite_is_refused_with_a_sentence():
    loss = module_loss(nn.Linear(1, 1), torch.ones(1, 1), torch.full((1, 1), float("nan")), mse_loss)
    start = dict(nn.Linear(1, 1).named_parameters())
    with pytest.raises(SupportError, match="Try another method"):
        inner_loop(loss, start, {"weight": torch.tensor([0.1])}, 2)


def test_with_zero_steps_and_a_plain_start_every_class_is_equally_likely():
    support = make_support((4, 6))
    probabilities = MAML().adapt(support, steps=0).probabilities(support.embeddings)
    assert torch.allclose(probabilities, torch.full_like(probabilities, 0.5))


def test_a_plain_start_with_many_steps_agrees_with_logistic_regression():
    """Gradient descent on separable classes goes where a weak penalty goes (both towards the widest margin)."""
    support = make_support((6, 6), apart=2.0)
    query, _ = make_query(support)
    ours = MAML().adapt(support, steps=500).probabilities(query).argmax(1)
    control = Logistic(c=1e3).adapt(support).probabilities(query).argmax(1)
    assert (ours == control).float().mean() > 0.97


def test_a_row_shared_by_all_classes_cancels_in_the_softmax():
    """Why the head starts from zero and not from a learned vector: at no step and in no gradient would it matter."""
    support = make_support((4, 5), dimensions=10)
    embeddings = support.embeddings.double()
    support = Support(embeddings, support.targets, support.classes, support.groups)
    start = head.plain_start(10, torch.float64)
    rates = {"rows": torch.tensor([0.5]), "bias": torch.tensor([0.5]), "gate": torch.tensor([0.5])}
    shared = torch.randn(10, dtype=torch.float64).requires_grad_()
    query, targets = make_query(support, 5)
    answers = []
    for row in (torch.zeros(10, dtype=torch.float64), shared):
        begin = head.parameters_for(start, support)
        begin["rows"] = begin["rows"] + row
        theta, _ = inner_loop(lambda p: head.support_loss(p, support), begin, rates, 5)
        answers.append(torch.log_softmax(head.scores(theta, query, embeddings), 1))
    assert torch.allclose(*answers, atol=1e-10)
    (gradient,) = torch.autograd.grad(answers[1][:, 0].sum(), shared)
    assert gradient.abs().max() < 1e-10
