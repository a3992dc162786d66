"""Model-agnostic meta-learning (Finn, Abbeel & Levine, ICML 2017, arXiv 1703.03400).

Find weights from which a few gradient steps on a handful of cases go far:

    inner (eq. 1)  theta_i' = theta - alpha grad L_i^support(theta)                    k times, for task i
    outer          theta   <- theta - beta grad_theta sum_i L_i^query(theta_i')        (Algorithm 1, line 8)

The outer gradient runs *through* the inner one (second order). `second_order=False` takes the gradient at theta_i'
and applies it to theta (their section 5.2). ANIL (Raghu et al. 2020, arXiv 1909.09157) adapts the last layer only:
give rates for those names alone. Rates a step that are learned too are from MAML++ (Antoniou et al. 2019).

Functions here take a loss of named tensors, so the same file trains a convolution net on characters, a small network
on sinusoids, or the dashboard's head over a cached embedding (`engine/learners/head.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from engine.learners import head
from engine.learners.descent import Guard, Loss, Parameters, module_loss
from engine.learners.protocol import Adapted, Learner, OnStep, Support, Trace
from engine.nouns import Note

__all__ = ["MAML", "Loss", "Parameters", "inner_loop", "meta_loss", "module_loss"]


def inner_loop(
    loss: Loss,
    start: Parameters,
    rates: Mapping[str, Tensor],
    steps: int,
    *,
    second_order: bool = True,
    trace: Trace | None = None,
    name: str = "MAML",
) -> tuple[Parameters, int]:
    """`steps` gradient steps from `start`; only the names in `rates` move.

    `rates[name]` (s,) holds a rate a step, the last one for all further steps. With `second_order` the result is
    differentiable through the steps. A step after which the loss isn't finite is taken back and tried at half the
    rate, which stays halved (`descent.py`). Returns the adapted tensors and how often that happened; raises
    SupportError if it never becomes finite. Tasks with tensors of their own (tasks, ...) can share one call: sum
    their losses.
    """
    theta, guard = dict(start), Guard(name)
    for moving in rates:
        if not theta[moving].requires_grad:
            theta[moving] = theta[moving].detach().requires_grad_()
    value = guard.begin(loss(theta))
    if trace:
        trace.add(0, float(value.detach()))
    for step in range(steps):
        gradients = torch.autograd.grad(value, [theta[n] for n in rates], create_graph=second_order)

        def move(size: float, theta=theta, gradients=gradients, step=step) -> Parameters:
            moved = dict(theta)
            for (moving, rate), gradient in zip(rates.items(), gradients, strict=True):
                moved[moving] = theta[moving] - size * rate[min(step, len(rate) - 1)] * gradient
            return moved

        theta, value = guard.step(loss, move)
        if trace:
            trace.add(step + 1, float(value.detach()))
    return theta, guard.halvings


def meta_loss(
    tasks: Iterable[tuple[Loss, Loss]],
    start: Parameters,
    rates: Mapping[str, Tensor],
    steps: int,
    *,
    second_order: bool = True,
) -> Tensor:
    """Mean query loss after adapting to each task's support loss; `.backward()` gives the meta-gradient.

    tasks: (support loss, query loss) pairs. Gradients reach `start` and `rates`, through the inner steps if
    `second_order`.
    """
    losses = []
    for on_support, on_query in tasks:
        adapted, _ = inner_loop(on_support, start, rates, steps, second_order=second_order)
        losses.append(on_query(adapted))
    return torch.stack(losses).mean()


class MAML(Learner):
    """MAML over a cached embedding. `start` is what meta-training found; None is the plain, unlearned start.

    `anil`: only the classifier adapts, the weighing of the embedding stays as meta-learned. `first_order` matters in
    meta-training alone (`engine.training.maml`): adapting needs no second derivatives.
    """

    name = "maml"
    paper = "Finn, Abbeel & Levine 2017, Model-Agnostic Meta-Learning, arXiv 1703.03400"

    def __init__(self, start: head.Start | None = None, anil: bool = False):
        self.start, self.anil = start, anil

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        dimensions, notes = support.embeddings.shape[1], support.notes
        start = self.start and self.start.fitted(dimensions)
        if start is None:
            start = head.plain_start(dimensions)
            notes += (Note("learners.plain_start"),)
        rates = {n: rate for n, rate in start.rates.items() if rate.any() and not (self.anil and n == "gate")}
        trace = Trace(on_step)
        theta, halvings = inner_loop(
            lambda parameters: head.support_loss(parameters, support),
            head.parameters_for(start, support),
            rates,
            start.steps if steps is None else steps,
            second_order=False,
            trace=trace,
        )
        if halvings:
            notes += (Note("learners.step_halved", {"count": halvings}),)
        theta = {name: tensor.detach() for name, tensor in theta.items()}
        embeddings = support.embeddings

        def score(new: Tensor) -> Tensor:
            return head.scores(theta, new, embeddings)

        def space(new: Tensor) -> Tensor:
            return head.place(theta["gate"], new, embeddings)

        return Adapted(self.name, support.classes, score, space, None, tuple(trace.steps), notes)
