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

import math
from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from engine.learners import head
from engine.learners.descent import Guard, Loss, Parameters, module_loss
from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Support, Trace
from engine.nouns import Note

__all__ = ["ANIL", "MAML", "FirstOrderMAML", "Loss", "Parameters", "inner_loop", "meta_loss", "module_loss"]


def inner_loop(
    loss: Loss,
    start: Parameters,
    rates: Mapping[str, Tensor],
    steps: int,
    *,
    second_order: bool = True,
    trace: Trace | None = None,
    name: str = "MAML",
    most: float = math.inf,
) -> tuple[Parameters, int]:
    """`steps` gradient steps from `start`; only the names in `rates` move.

    `rates[name]` (s,) holds a rate a step, the last one for all further steps. With `second_order` the result is
    differentiable through the steps. A step after which the loss isn't finite is taken back and tried at half the
    rate, which stays halved (`descent.py`; `most`: of the loss at the start). Returns the adapted tensors and how often
    that happened; raises SupportError if it never becomes finite. Tasks with tensors of their own (tasks, ...) can
    share one call: sum their losses.
    """
    theta, guard = dict(start), Guard(name, most)
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

    All of the head adapts: the classifier and, where the start has rates for it, the weighing of the embedding.
    """

    name = "maml"
    paper = "Finn, Abbeel & Levine 2017, Model-Agnostic Meta-Learning, arXiv 1703.03400"
    targets = (CLASSES, NUMBER)
    adapts: ClassVar[tuple[str, ...]] = ("rows", "bias", "gate")

    def __init__(self, start: head.Start | None = None):
        self.start = start

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        trace = Trace(on_step)
        theta, notes = self._descend(support, steps, trace)
        return head.adapted(self.name, support, theta, trace, notes)

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        return head.fitted(support, *self._descend(support, steps, trace))

    def _descend(
        self, support: Support | NumberSupport, steps: int | None, trace: Trace
    ) -> tuple[Parameters, tuple[Note, ...]]:
        dimensions, notes = support.embeddings.shape[1], ()
        start = self.start and self.start.fitted(dimensions)
        if start is None:
            start, notes = head.plain_start(dimensions), (Note("learners.plain_start"),)
        rates = {n: start.rates[n] for n in self.adapts if start.rates[n].any()}
        theta, halvings = inner_loop(
            lambda parameters: head.support_loss(parameters, support),
            head.parameters_for(start, support),
            rates,
            start.steps if steps is None else steps,
            second_order=False,
            trace=trace,
            name=self.name,
            most=head.most_loss(support),
        )
        if halvings:
            notes += (Note("learners.step_halved", {"count": halvings}),)
        return theta, notes


class FirstOrderMAML(MAML):
    """The same, meta-trained without second derivatives: the gradient at the adapted weights moves the start."""

    name = "maml-first-order"
    paper = "Finn, Abbeel & Levine 2017, section 5.2, arXiv 1703.03400"


class ANIL(MAML):
    """Almost no inner loop: the classifier alone adapts, what lies below stays as meta-learned."""

    name = "anil"
    paper = "Raghu, Raghu, Bengio & Vinyals 2020, Rapid Learning or Feature Reuse?, arXiv 1909.09157"
    adapts = ("rows", "bias")
