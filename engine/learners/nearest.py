"""Nearest neighbour (Fix & Hodges 1951; Cover & Hart 1967): the class of the most similar labelled case.

The control that asks whether a learner learned anything: it only remembers. Its probabilities are a softmax over the
squared distance to the nearest case of each class, so the class it names is always that of the nearest case.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Support, Trace, class_weights, spread
from engine.learners.protonet import squared_distances

TEMPERATURE = 0.32  # squared distances in units of the support's mean squared spread; as protonet's, from training sets


class Nearest(Learner):
    """One nearest neighbour by Euclidean distance."""

    name = "nearest"
    paper = "Cover & Hart 1967, Nearest neighbor pattern classification, IEEE Trans. Inf. Theory 13(1)"
    targets = (CLASSES, NUMBER)

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        trace = Trace(on_step)
        scale, shift = spread(support.embeddings), support.embeddings.mean(0)

        def space(embeddings: Tensor) -> Tensor:
            return (embeddings - shift) / scale

        cases = space(support.embeddings)
        members = [support.targets == k for k in range(len(support.classes))]

        def score(embeddings: Tensor) -> Tensor:
            apart = squared_distances(space(embeddings), cases)  # (m, n)
            nearest = [apart[:, member].min(1, keepdim=True).values for member in members]
            return -torch.cat(nearest, dim=1) / TEMPERATURE  # (m, c)

        loss = cross_entropy(score(support.embeddings), support.targets, reduction="none")
        trace.add(0, float((loss * class_weights(support)).sum()))
        return Adapted(self.name, support.classes, score, space, None, tuple(trace.steps), notes=support.notes)

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        """The number of the nearest case."""
        scale, shift, values = spread(support.embeddings), support.embeddings.mean(0), support.standard

        def space(embeddings: Tensor) -> Tensor:
            return (embeddings - shift) / scale

        cases = space(support.embeddings)

        def predict(embeddings: Tensor) -> Tensor:
            return values[squared_distances(space(embeddings), cases).argmin(1)]

        trace.add(0, float((predict(support.embeddings) - values).square().mean()))
        return NumberFit(predict, space)
