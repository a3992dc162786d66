"""A method that starts elsewhere for rows of tables than for images: how far a step should go hangs on the embedding.

Both are the same method with a meta-learned start each; which of them adapts is read off the labelled cases.
"""

from __future__ import annotations

from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import Adapted, Learner, OnStep, Support, Trace
from engine.learners.rows import are_records


class ByKind(Learner):
    """`images` for images, `records` for rows of tables and molecules; name, paper and targets are those of both."""

    name = paper = ""

    def __init__(self, images: Learner, records: Learner):
        self.images, self.records = images, records
        self.name, self.paper, self.targets = images.name, images.paper, images.targets

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        return self._for(support).adapt(support, steps=steps, seed=seed, on_step=on_step)

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        return self._for(support).fit_number(support, steps, seed, trace)

    def _for(self, support: Support | NumberSupport) -> Learner:
        return self.records if are_records(support.embeddings) else self.images
