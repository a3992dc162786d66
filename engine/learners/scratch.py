"""From scratch: a random start, gradient descent until it stands still, nothing meta-learned.

The control of every paper on few-shot learning: what the labelled cases teach by themselves. Works on any network
(`descend`).
"""

from __future__ import annotations

import torch

from engine.learners.descent import Guard, Loss, Parameters, leaves
from engine.learners.protocol import Trace

RATE = 1.0
MOST_STEPS = 500
STILL = 1e-3  # norm of the gradient at which descent stands still


def descend(
    loss: Loss,
    start: Parameters,
    rate: float,
    most_steps: int = MOST_STEPS,
    still: float = STILL,
    *,
    trace: Trace | None = None,
    guard: Guard | None = None,
) -> Parameters:
    """Plain gradient descent from `start` until the gradient's norm falls below `still`, or `most_steps`."""
    guard, theta = guard or Guard("scratch"), leaves(start)
    value = guard.begin(loss(theta))
    if trace:
        trace.add(0, float(value.detach()))
    for step in range(most_steps):
        gradients = torch.autograd.grad(value, list(theta.values()))
        if torch.stack([g.square().sum() for g in gradients]).sum().sqrt() < still:
            break

        def move(size: float, theta=theta, gradients=gradients) -> Parameters:
            return leaves({n: t - size * rate * g for (n, t), g in zip(theta.items(), gradients, strict=True)})

        theta, value = guard.step(loss, move)
        if trace:
            trace.add(step + 1, float(value.detach()))
    return {n: t.detach() for n, t in theta.items()}
