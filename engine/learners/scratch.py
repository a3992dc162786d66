"""From scratch: a random start, gradient descent until it stands still, nothing meta-learned.

The simplest control: what the labelled cases teach by themselves. Works on any network (`descend`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.learners import head
from engine.learners.descent import Guard, Loss, Parameters, leaves
from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Support, Trace
from engine.nouns import Note

MOST_STEPS = 300
STILL = 0.01  # norm of the gradient at which descent stands still


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


class Scratch(Learner):
    """A classifier over the cached embedding from random rows, as torch.nn.Linear starts them. Nothing holds the rows
    back, so it goes on until the labelled cases are told apart with certainty, or 300 steps."""

    name = "scratch"
    paper = "Cauchy 1847 (gradient descent), Comptes rendus 25; nothing is learned beforehand"
    targets = (CLASSES, NUMBER)

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        trace = Trace(on_step)
        theta, notes = self._descend(support, steps, seed, trace)
        return head.adapted(self.name, support, theta, trace, notes)

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        return head.fitted(support, *self._descend(support, steps, seed, trace))

    def _descend(
        self, support: Support | NumberSupport, steps: int | None, seed: int, trace: Trace
    ) -> tuple[Parameters, tuple[Note, ...]]:
        """In the coordinates of the cases' axes, where all gradients lie; what else the random rows hold, stays."""
        count, dimensions = head.number_of_rows(support), support.embeddings.shape[1]
        draw = torch.Generator().manual_seed(seed)
        random = (2 * torch.rand(count, dimensions + 1, generator=draw) - 1) / dimensions**0.5
        random = head.by_name(support, random).to(support.embeddings)
        rows, bias = random[:, :-1], random[:, -1]
        gate = rows.new_zeros(dimensions)
        placed = head.place(gate, support.embeddings, support.embeddings)
        found = head.axes(placed)
        inside = placed @ found.T

        def loss(theta: Parameters) -> Tensor:
            return head.error(head.linear(inside, theta), support)

        guard, start = Guard(self.name), {"rows": rows @ found.T, "bias": bias}
        steps = MOST_STEPS if steps is None else steps
        theta = descend(loss, start, head.PLAIN_RATE, steps, trace=trace, guard=guard)
        moved = rows + (theta["rows"] - start["rows"]) @ found
        return {"rows": moved, "bias": theta["bias"], "gate": gate}, guard.notes
