"""Reptile (Nichol, Achiam & Schulman 2018, arXiv 1803.02999): move the start towards where each task ended.

    W      <- k steps of an optimiser on one task, from theta            (Algorithm 1, line 4; Adam with beta1 = 0)
    theta  <- theta + epsilon * mean over tasks of (W - theta)           (Algorithm 2; epsilon falls linearly to 0)

No derivative of a derivative is taken; that a start from which k steps lead far is found all the same is their
section 5. Rules of the optimiser's state, from their code (openai/supervised-reptile): Adam's second moments carry
over from task to task in training, and after each task in testing everything is put back as it was. Here a state is a
value, so nothing needs to be put back.

Functions take losses of named tensors, as those of `maml.py`. A task's loss may be a list of losses, one a
mini-batch, as in the paper's Omniglot runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.learners.adam import AdamState, adam_descent
from engine.learners.descent import Guard, Loss, Parameters
from engine.learners.protocol import Trace

BETAS = (0.0, 0.999)  # no momentum: steps of one task must not go on in the direction of the last


def inner(
    loss: Loss | list[Loss],
    start: Parameters,
    rate: float,
    steps: int,
    state: AdamState | None = None,
    *,
    trace: Trace | None = None,
    guard: Guard | None = None,
) -> tuple[Parameters, AdamState]:
    """Adapt to one task: `steps` updates of all tensors. Returns them and the optimiser's state afterwards."""
    guard = guard or Guard("Reptile")
    return adam_descent(loss, start, tuple(start), rate, steps, state=state, betas=BETAS, trace=trace, guard=guard)


def reptile_step(
    tasks: Sequence[Loss | list[Loss]],
    start: Parameters,
    rate: float,
    steps: int,
    epsilon: float,
    state: AdamState | None = None,
) -> tuple[Parameters, AdamState]:
    """One meta-step over `tasks`, each from the same start; the optimiser's state goes on through them.

    Returns the new start and the state to hand to the next meta-step.
    """
    ends: list[Parameters] = []
    for task in tasks:
        end, state = inner(task, start, rate, steps, state)
        ends.append(end)
    moved = {}
    for name, tensor in start.items():
        direction = torch.stack([end[name] for end in ends]).mean(0) - tensor.detach()
        moved[name] = tensor.detach() + epsilon * direction
    return moved, state or AdamState()


def epsilon(step: int, steps: int, first: float = 1.0) -> float:
    """The outer step size: `first`, falling linearly to 0 at the end of training."""
    return first * (1 - step / steps)


def towards(start: Parameters, ends: Sequence[Parameters]) -> Tensor:
    """A loss whose gradient is Reptile's, theta - mean(W), for an outer optimiser other than plain steps (their
    section 3: "treat it as a gradient and plug it into Adam")."""
    halves = [(start[n] - torch.stack([end[n] for end in ends]).mean(0)).square().sum() / 2 for n in start]
    return torch.stack(halves).sum()
