"""Multinomial logistic regression with an L2 penalty on the embedding: the control every meta-learner must beat.

"A good embedding and a linear classifier" is as good as most meta-learning (Tian et al. 2020, arXiv 2003.11539; Chen
et al. 2019, arXiv 1904.04232). It minimises, with classes weighted alike,

    sum_i w_i CE(W x_i + b, y_i) + |W|^2 / (2 C n),   w_i summing to 1.

n labelled cases span at most n directions, and the best W lies in that span; so the problem is solved exactly in n
coordinates instead of thousands, in float64, in milliseconds.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine.learners.protocol import Adapted, Learner, OnStep, Support, SupportError, Trace, class_weights, spread
from engine.nouns import Note

# Inverse strength of the penalty for cases scaled to a mean squared distance of 1 from their mean; chosen on the
# training sets' log-loss at 5 and 10 cases a class (docs/learners.md).
C = 10.0
MAX_STEPS = 200


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
        inside, bias = fit(cases @ basis.T, support, self.c, steps or MAX_STEPS, trace)
        weights, bias = (inside @ basis).to(support.embeddings), bias.to(support.embeddings)  # (c, d), (c,)

        def score(embeddings: Tensor) -> Tensor:
            return space(embeddings) @ weights.T + bias

        return Adapted(self.name, support.classes, score, space, None, tuple(trace.steps), notes=support.notes)


def fit(cases: Tensor, support: Support, c: float, steps: int, trace: Trace) -> tuple[Tensor, Tensor]:
    """(n, r) float64 -> weights (classes, r) and bias (classes,) at the minimum, by L-BFGS with a line search."""
    count = len(support.classes)
    weights = torch.zeros(count, cases.shape[1], dtype=cases.dtype, requires_grad=True)
    bias = torch.zeros(count, dtype=cases.dtype, requires_grad=True)
    each = class_weights(support).double()
    strength = 0.5 / (c * len(cases))

    def loss() -> Tensor:
        errors = cross_entropy(cases @ weights.T + bias, support.targets, reduction="none")
        return (each * errors).sum() + strength * weights.square().sum()

    def closure() -> Tensor:
        search.zero_grad()
        value = loss()
        value.backward()
        return value

    trace.add(0, float(loss().detach()))
    search = torch.optim.LBFGS(
        [weights, bias], max_iter=steps, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )
    search.step(closure)
    final = float(loss().detach())
    if not torch.isfinite(torch.tensor(final)):
        raise SupportError(Note("learners.diverged", {"name": Logistic.name}))
    trace.add(search.state[weights]["n_iter"], final)
    return weights.detach(), bias.detach()
