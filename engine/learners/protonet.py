"""Prototypical networks (Snell, Swersky & Zemel, NeurIPS 2017, arXiv 1703.05175).

A class is the mean of its labelled cases (eq. 1); a new case is the more likely of a class, the nearer it lies to
that mean: p(k|x) = softmax_k(-|f(x) - c_k|^2 / t) (eq. 2; t = 1 in the paper, where f is trained to fit it).

Two additions, both off with `plain=True`. f comes frozen here, so t is measured from the labelled cases. And the mean
of n cases misses the true centre by (spread within the class)^2 / n, which lengthens every distance to it: without
correcting for that, a class with two labelled cases loses against one with ten.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.learners.protocol import Adapted, Learner, OnStep, Support, Trace, class_means, class_weights, spread

# One temperature for squared distances in units of the support's own mean squared spread; chosen on the training
# sets' log-loss (docs/learners.md), then moved per task by leave-one-out (engine.evidence.uncertainty).
TEMPERATURE = 0.2


class ProtoNet(Learner):
    """Nearest class mean, with probabilities. `plain` is the paper's eq. 1-2 to the letter."""

    name = "protonet"
    paper = "Snell, Swersky & Zemel 2017, Prototypical Networks for Few-shot Learning, arXiv 1703.05175"

    def __init__(self, plain: bool = False):
        self.plain = plain

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        trace = Trace(on_step)
        scale = torch.ones(()) if self.plain else spread(support.embeddings)
        shift = torch.zeros(()) if self.plain else support.embeddings.mean(0)

        def space(embeddings: Tensor) -> Tensor:
            return (embeddings - shift) / scale

        cases = space(support.embeddings)
        prototypes = class_means(cases, support.targets, len(support.classes))
        bias = torch.zeros(len(support.classes)) if self.plain else lengthening(cases, support, prototypes)
        temperature = 1.0 if self.plain else TEMPERATURE

        def score(embeddings: Tensor) -> Tensor:
            return -(squared_distances(space(embeddings), prototypes) - bias) / temperature

        loss = torch.nn.functional.cross_entropy(score(support.embeddings), support.targets, reduction="none")
        trace.add(0, float((loss * class_weights(support)).sum()))
        return Adapted(self.name, support.classes, score, space, prototypes, tuple(trace.steps), notes=support.notes)


def squared_distances(points: Tensor, centres: Tensor) -> Tensor:
    """(m, e), (c, e) -> (m, c) by |a|^2 - 2 a.b + |b|^2: no (m, c, e) in memory, and a gradient at distance 0 too."""
    return points.square().sum(1, keepdim=True) - 2 * points @ centres.T + centres.square().sum(1)


def lengthening(cases: Tensor, support: Support, prototypes: Tensor) -> Tensor:
    """(c,) expected extra squared distance to a mean of n_k cases: pooled within-class variance / n_k.

    With one case a class the variance can't be seen; then all classes are equal and nothing needs correcting unless
    the counts differ, where the spread of all cases is the best guess left.
    """
    counts = support.counts.to(cases)
    inside = (cases - prototypes[support.targets]).square().sum()
    freedom = len(cases) - len(prototypes)
    variance = inside / freedom if freedom > 0 else (cases - cases.mean(0)).square().sum(1).mean()
    return variance / counts
