"""Multinomial logistic regression with an L2 penalty on the embedding: the control every meta-learner must beat.

"A good embedding and a linear classifier" is as good as most meta-learning (Tian et al. 2020, arXiv 2003.11539; Chen
et al. 2019, arXiv 1904.04232). It minimises, with classes weighted alike,

    sum_i w_i CE(W x_i + b, y_i) + |W|^2 / (2 C n),   w_i summing to 1.

n labelled cases span at most n directions, and the best W lies in that span; so the problem is solved exactly in n
coordinates instead of thousands, in float64, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from engine.learners.protocol import Adapted, Learner, OnStep, Support, SupportError, Trace, class_weights, spread
from engine.nouns import Note

# Inverse strength of the penalty for cases scaled to a mean squared distance of 1 from their mean; chosen on the
# training sets' log-loss at 5 and 10 cases a class (docs/learners.md).
C = 10.0
# For rows of tables (docs/records.md): 1 answers a little better, but so softly that it questions no wrong label.
C_RECORDS = 3.0
MAX_STEPS = 200
FLAT, SAME = 1e-9, 1e-14  # a slope, and a fall of the loss beside itself, at which it is the minimum
MOST_TURNS, MOST_HALVINGS = 200, 30
ENOUGH = 1e-4  # of the fall that the slope promises (Armijo's usual)


class Logistic(Learner):
    """Linear classifier on the frozen embedding. `c` as scikit-learn's C."""

    name = "logistic"
    paper = "Cox 1958; as a few-shot baseline: Tian et al. 2020, Rethinking Few-Shot Image Classification"

    def __init__(self, c: float = C):
        self.c = c

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        scale, shift = spread(support.embeddings), support.embeddings.mean(0)

        def space(embeddings: Tensor) -> Tensor:
            return (embeddings - shift) / scale

        cases = space(support.embeddings).double()
        basis = torch.linalg.svd(cases, full_matrices=False).Vh  # (min(n, d), d)
        trace = Trace(on_step)
        inside, bias = fit(cases @ basis.T, support, self.c, MAX_STEPS if steps is None else steps, trace)
        weights, bias = (inside @ basis).to(support.embeddings), bias.to(support.embeddings)  # (c, d), (c,)

        def score(embeddings: Tensor) -> Tensor:
            return space(embeddings) @ weights.T + bias

        return Adapted(self.name, support.classes, score, space, None, tuple(trace.steps), notes=support.notes)


def fit(cases: Tensor, support: Support, c: float, steps: int, trace: Trace) -> tuple[Tensor, Tensor]:
    """(n, r) float64 -> weights (classes, r) and bias (classes,) at the minimum, by Newton's method.

    Each step's equations are solved by conjugate gradients (Nocedal & Wright 2006, algorithm 7.1): the penalty keeps
    them well-conditioned, and nothing larger than (n, classes) is ever held. torch.optim's L-BFGS gave the same minimum
    but brings the whole compiler of torch along at its first use, a second and a half of CPU and 100 MB.
    """
    each, wanted = class_weights(support).double(), one_hot(support.targets, len(support.classes)).double()
    cases = torch.cat([cases, torch.ones_like(cases[:, :1])], 1)  # the last number is the bias
    penalty = torch.full_like(cases[:1], 1 / (c * len(cases)))
    penalty[:, -1] = 0.0
    at = cases.new_zeros(len(support.classes), cases.shape[1])

    def loss(where: Tensor) -> Tensor:
        errors = cross_entropy(cases @ where.T, support.targets, reduction="none")
        return (each * errors).sum() + 0.5 * (penalty * where.square()).sum()

    value, taken = loss(at), 0
    trace.add(0, float(value))
    while taken < steps:
        chances = (cases @ at.T).softmax(1)
        slope = (each[:, None] * (chances - wanted)).T @ cases + penalty * at
        if float(slope.abs().max()) < FLAT:
            break
        way = _newton(cases, each, chances, penalty, slope)
        taken += 1
        at, before = _downhill(loss, at, way, value, float((slope * way).sum())), value
        value = loss(at)
        if float(before - value) < SAME * max(float(value), SAME):
            break
    if not torch.isfinite(value):
        raise SupportError(Note("learners.diverged", {"name": Logistic.name}))
    trace.add(taken, float(value))
    return at[:, :-1], at[:, -1]


def _newton(cases: Tensor, each: Tensor, chances: Tensor, penalty: Tensor, slope: Tensor) -> Tensor:
    """(classes, r + 1) the way to the minimum of the loss's second-order expansion."""

    def curved(way: Tensor) -> Tensor:
        along = cases @ way.T
        along = chances * (along - (chances * along).sum(1, keepdim=True))
        return (each[:, None] * along).T @ cases + penalty * way

    found, left = torch.zeros_like(slope), -slope
    way, size = left, left.square().sum()
    enough = float(size) * min(0.25, float(size) ** 0.5)  # superlinear: finer as the minimum comes near
    for _ in range(MOST_TURNS):
        bent = curved(way)
        curvature = (way * bent).sum()
        if float(curvature) <= 0:
            break
        step = size / curvature
        found, left = found + step * way, left - step * bent
        size, last = left.square().sum(), size
        if float(size) <= enough:
            break
        way = left + (size / last) * way
    return found


def _downhill(loss: Callable[[Tensor], Tensor], at: Tensor, way: Tensor, value: Tensor, slope: float) -> Tensor:
    """A step that lowers the loss enough (Armijo), halved until it does."""
    length = 1.0
    for _ in range(MOST_HALVINGS):
        if float(loss(at + length * way)) <= float(value) + ENOUGH * length * slope:
            return at + length * way
        length /= 2
    return at
