"""Fine-tuning: a pre-trained start, everything adapts with a usual optimiser (Adam), nothing meta-learned.

What most people would do with a pre-trained network and a few cases, and a strong control (Chen et al. 2019, arXiv
1904.04232; Guo et al. 2020, arXiv 1912.07200). Works on any network (`fine_tune`).
"""

from __future__ import annotations

from engine.learners.adam import adam_descent
from engine.learners.descent import Guard, Loss, Parameters
from engine.learners.protocol import Trace


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
