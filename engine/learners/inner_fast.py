"""MAML's inner loop for meta-training, where nobody watches each step: the same gradients with less work.

`maml.inner_loop` looks at the loss after every step, to take back one that went too far and to show it. Meta-training
needs neither, and saves by leaving it out:

    meta_gradient        no loss is computed after the last step, one task's graph at a time
    first_order_         weights are moved in place, without a graph through the steps (Finn et al. 2017, section 5.2)
    head_only            ANIL (Raghu et al. 2020): the body runs once a task, the inner loop is over its features

`test_inner_fast.py` holds each against `maml.meta_loss` in float64. Where a loss isn't finite FloatingPointError is
raised: the caller can go the careful way with `maml.inner_loop`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from engine.learners.descent import Loss, Parameters


def adapt(loss: Loss, start: Parameters, rates: Mapping[str, Tensor], steps: int) -> Parameters:
    """`steps` gradient steps from `start`, differentiable through them (second order). Only names in `rates` move."""
    theta = dict(start)
    for step in range(steps):
        moving = [theta[n] for n in rates]
        gradients = torch.autograd.grad(loss(theta), moving, create_graph=True)
        for (name, rate), gradient in zip(rates.items(), gradients, strict=True):
            theta[name] = theta[name] - rate[min(step, len(rate) - 1)] * gradient
    return theta


def meta_gradient(
    tasks: Iterable[tuple[Loss, Loss]], start: Parameters, rates: Mapping[str, Tensor], steps: int
) -> float:
    """Second order: adds the gradient of the mean query loss to `.grad` of `start` (and of `rates` that want one).

    Each task's graph is freed before the next one is built, so memory is that of one task. Returns the mean loss.
    """
    tasks, total = list(tasks), 0.0
    for on_support, on_query in tasks:
        loss = on_query(adapt(on_support, start, rates, steps)) / len(tasks)
        total += _finite(loss)
        loss.backward()
        del loss  # what is left of this graph, before the next one is built
    return total


def first_order_(
    tasks: Iterable[tuple[Loss, Loss]], start: Parameters, rates: Mapping[str, Tensor], steps: int
) -> float:
    """First order: as `meta_gradient`, with the query's gradient at the adapted weights taken for the start's.

    One copy of the weights, moved in place; rates get no gradient.
    """
    tasks, total = list(tasks), 0.0
    theta = {name: tensor.detach().clone().requires_grad_() for name, tensor in start.items()}
    for on_support, on_query in tasks:
        with torch.no_grad():
            for name, tensor in start.items():
                theta[name].copy_(tensor)
        for step in range(steps):
            gradients = torch.autograd.grad(on_support(theta), [theta[n] for n in rates])
            with torch.no_grad():
                for (name, rate), gradient in zip(rates.items(), gradients, strict=True):
                    theta[name].sub_(rate[min(step, len(rate) - 1)] * gradient)
        loss = on_query(theta) / len(tasks)
        total += _finite(loss)
        for tensor, gradient in zip(start.values(), torch.autograd.grad(loss, list(theta.values())), strict=True):
            tensor.grad = gradient if tensor.grad is None else tensor.grad.add_(gradient)
    return total


def head_only(
    head: nn.Module,
    support: Tensor,
    targets: Tensor,
    query: Tensor,
    rates: Mapping[str, Tensor],
    steps: int,
    error: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """ANIL: scores of `query` (m, d) by a head adapted to the features `support` (n, d); all of it differentiable.

    Give features that the body computed once, with its graph: its gradient comes through them.
    """
    own = dict(head.named_parameters())
    theta = adapt(lambda p: error(functional_call(head, p, (support,)), targets), own, rates, steps)
    return functional_call(head, theta, (query,))


def _finite(loss: Tensor) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise FloatingPointError("a task's loss is not finite after its inner steps: lower the rate")
    return value
