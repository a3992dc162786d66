"""Fine-tuning: a pre-trained start, everything adapts with a usual optimiser (Adam), nothing meta-learned.

What most people would do with a pre-trained network and a few cases, and a strong control (Chen et al. 2019, arXiv
1904.04232; Guo et al. 2020, arXiv 1912.07200). Works on any network (`fine_tune`).
"""

from __future__ import annotations

import torch

from engine.learners import head
from engine.learners.adam import adam_descent
from engine.learners.descent import Guard, Loss, Parameters
from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Support, Trace
from engine.nouns import Note

RATE, STEPS = 0.003, 50
PULL = 1.0  # rows start at the classes' means, as a pre-trained cosine or prototype head would


def fine_tune(
    loss: Loss | list[Loss],
    start: Parameters,
    rate: float,
    steps: int,
    *,
    trace: Trace | None = None,
    guard: Guard | None = None,
) -> Parameters:
    """`steps` of Adam on all tensors of `start`. A list of losses is taken in turn (mini-batches)."""
    guard = guard or Guard("fine-tuning")
    return adam_descent(loss, start, tuple(start), rate, steps, trace=trace, guard=guard)[0]


class FineTune(Learner):
    """The head over the cached embedding of a pre-trained encoder, all of it adapting: rows, biases, the weighing."""

    name = "finetune"
    paper = "Chen et al. 2019, A Closer Look at Few-shot Classification, arXiv 1904.04232"
    targets = (CLASSES, NUMBER)

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        trace = Trace(on_step)
        theta, notes = self._tune(support, steps, trace)
        return head.adapted(self.name, support, theta, trace, notes)

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        return head.fitted(support, *self._tune(support, steps, trace))

    def _tune(
        self, support: Support | NumberSupport, steps: int | None, trace: Trace
    ) -> tuple[Parameters, tuple[Note, ...]]:
        guard, gate = Guard(self.name), support.embeddings.new_zeros(support.embeddings.shape[1])
        start = head.parameters_for(head.Start(gate, torch.tensor(PULL).to(gate), {}), support)
        steps = STEPS if steps is None else steps
        theta = fine_tune(
            lambda parameters: head.support_loss(parameters, support), start, RATE, steps, trace=trace, guard=guard
        )
        return theta, guard.notes
