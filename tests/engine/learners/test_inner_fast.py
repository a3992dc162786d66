"""The fast inner loops give the careful one's gradients to the last digits of float64."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from engine.learners.inner_fast import first_order_, head_only, meta_gradient
from engine.learners.maml import meta_loss, module_loss


def make_module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    ).double()


def make_tasks(module: nn.Module):
    draw = torch.Generator().manual_seed(1)
    tasks = []
    for _ in range(3):
        x = torch.randn(14, 1, 8, 8, generator=draw, dtype=torch.float64)
        y = torch.randint(3, (14,), generator=draw)
        tasks.append(
            (module_loss(module, x[:6], y[:6], cross_entropy), module_loss(module, x[6:], y[6:], cross_entropy))
        )
    return tasks


def make_start(module: nn.Module) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone().requires_grad_() for n, p in module.named_parameters()}


@pytest.mark.parametrize("second_order", [True, False])
@pytest.mark.parametrize("only_head", [False, True])
def test_the_gradient_is_the_careful_loops(second_order, only_head):
    module, steps = make_module(), 3
    tasks, careful, fast = make_tasks(module), make_start(module), make_start(module)
    rates = {n: torch.tensor([0.3, 0.2], dtype=torch.float64) for n in careful if not only_head or n.startswith("4.")}
    expected = meta_loss(tasks, careful, rates, steps, second_order=second_order)
    expected.backward()
    quick = meta_gradient if second_order else first_order_
    assert quick(tasks, fast, rates, steps) == pytest.approx(float(expected.detach()), rel=1e-12)
    for name in careful:
        assert torch.allclose(fast[name].grad, careful[name].grad, rtol=1e-10, atol=1e-14)


def test_a_second_call_adds_to_the_gradient():
    module = make_module()
    tasks, start = make_tasks(module), make_start(module)
    rates = {n: torch.tensor([0.3], dtype=torch.float64) for n in start}
    first_order_(tasks, start, rates, 2)
    once = {n: t.grad.clone() for n, t in start.items()}
    first_order_(tasks, start, rates, 2)
    for name, tensor in start.items():
        assert torch.allclose(tensor.grad, 2 * once[name])


def test_anil_over_features_computed_once_is_anil():
    module = make_module()
    body, head = module[:4], module[4]
    draw = torch.Generator().manual_seed(2)
    x, y = torch.randn(14, 1, 8, 8, generator=draw, dtype=torch.float64), torch.randint(3, (14,), generator=draw)
    rates = {n: torch.tensor([0.3], dtype=torch.float64) for n in ("weight", "bias")}
    features = body(x)
    cross_entropy(head_only(head, features[:6], y[:6], features[6:], rates, 4, cross_entropy), y[6:]).backward()
    start = make_start(module)
    pair = (module_loss(module, x[:6], y[:6], cross_entropy), module_loss(module, x[6:], y[6:], cross_entropy))
    meta_loss([pair], start, {f"4.{n}": r for n, r in rates.items()}, 4).backward()
    for name, parameter in module.named_parameters():
        assert torch.allclose(parameter.grad, start[name].grad, rtol=1e-10, atol=1e-14)


def test_a_loss_that_is_not_finite_is_refused():
    module = make_module()
    start = make_start(module)
    rates = {n: torch.tensor([1e200], dtype=torch.float64) for n in start}
    for quick in (meta_gradient, first_order_):
        with pytest.raises(FloatingPointError, match="lower the rate"):
            quick(make_tasks(module), start, rates, 3)
