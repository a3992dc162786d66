"""Adam (Kingma & Ba 2015, arXiv 1412.6980, Algorithm 1) over named tensors, its state a value that can be kept.

torch.optim.Adam hides its state in an object that changes; Reptile must carry it on from task to task in training and
put it back after each task in testing, which is plain where a state is a value. `test_reptile.py` holds it against
torch's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.learners.descent import Guard, Loss, Parameters, leaves
from engine.learners.protocol import Trace

EPSILON = 1e-8


@dataclass(frozen=True)
class AdamState:
    """Running means of the gradient (`first`) and of its square (`second`), and the number of steps they saw."""

    first: dict[str, Tensor] = field(default_factory=dict)
    second: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0


def adam_step(
    theta: Parameters, gradients: Parameters, state: AdamState, rate: float, betas: tuple[float, float]
) -> tuple[Parameters, AdamState]:
    """One update of the names in `gradients`; nothing given is changed."""
    count, moved, first, second = state.count + 1, dict(theta), dict(state.first), dict(state.second)
    for name, gradient in gradients.items():
        zero = torch.zeros_like(gradient)
        first[name] = betas[0] * state.first.get(name, zero) + (1 - betas[0]) * gradient
        second[name] = betas[1] * state.second.get(name, zero) + (1 - betas[1]) * gradient.square()
        mean = first[name] / (1 - betas[0] ** count)
        size = (second[name] / (1 - betas[1] ** count)).sqrt() + EPSILON
        moved[name] = theta[name] - rate * mean / size
    return moved, AdamState(first, second, count)


def adam_descent(
    loss: Loss | list[Loss],
    start: Parameters,
    names: tuple[str, ...],
    rate: float,
    steps: int,
    *,
    state: AdamState | None = None,
    betas: tuple[float, float] = (0.9, 0.999),
    trace: Trace | None = None,
    guard: Guard | None = None,
) -> tuple[Parameters, AdamState]:
    """`steps` updates of the named tensors from `start`, none of them differentiable (first order).

    `loss`: one loss, or a list of them (mini-batches) taken in turn. `state`: None begins afresh. Returns the adapted
    tensors and the state after them.
    """
    losses = loss if isinstance(loss, list) else [loss]
    guard, state = guard or Guard("Adam"), state or AdamState()
    theta = {n: t.detach() for n, t in start.items()}
    free = leaves({n: theta[n] for n in names})
    value = guard.begin(losses[0]({**theta, **free}))
    if trace:
        trace.add(0, float(value.detach()))
    for step in range(steps):
        gradients = dict(zip(names, torch.autograd.grad(value, [free[n] for n in names]), strict=True))
        fixed = {**theta, **{n: t.detach() for n, t in free.items()}}
        after: AdamState = state

        def move(size: float, fixed=fixed, gradients=gradients, state=state) -> Parameters:
            nonlocal after
            moved, after = adam_step(fixed, gradients, state, rate * size, betas)
            return {**moved, **leaves({n: moved[n] for n in names})}

        moved, value = guard.step(losses[(step + 1) % len(losses)], move)
        theta, free, state = moved, {n: moved[n] for n in names}, after
        if trace:
            trace.add(step + 1, float(value.detach()))
    return {n: t.detach() for n, t in theta.items()}, state
