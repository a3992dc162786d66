"""Which cases would teach most if somebody labelled them next, and why in words.

A case stands for those that lie nearer to it than to anything labelled. Its gain is how much nearer they come, each
counted by how unsure the model is of it; the best is taken, counts as labelled, and the next is looked for. That is
greedy facility location (Wei, Iyer & Bilmes 2015, "Submodularity in data subset selection and active learning", ICML)
weighted by the margin of the two best classes, so that both what is unclear and what is common has a say.
Unlike a prediction, a proposal depends on which other cases there are: that is its purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.nouns import Note

COUNT = 3
SURE = 0.1  # what a case counts at least that the model is sure of: it may be sure and wrong
TORN = 0.35  # a margin below this is called torn


@dataclass(frozen=True)
class Proposal:
    """A case to label next: its position among those asked about, and the reason."""

    index: int
    reason: Note


def teach_next(
    probabilities: Tensor,
    classes: Sequence[str],
    query: Tensor,
    groups: Sequence[str],
    labelled: Tensor,
    *,
    strange: Sequence[bool] | None = None,
    count: int = COUNT,
) -> tuple[Proposal, ...]:
    """At most `count` of the unlabelled cases `query` (m, d), best first, each of another patient.

    `probabilities` (m, c) over `classes`, `groups` the patients of the m, `labelled` (n, d) what is labelled already,
    `strange` which of the m are unlike anything labelled.
    """
    margins = _margins(probabilities)
    weight = (1 - margins).clamp(min=SURE)
    between = torch.cdist(query.double(), query.double())
    uncovered = torch.cdist(query.double(), labelled.double()).min(1).values
    free = torch.ones(len(query), dtype=torch.bool)
    chosen: list[Proposal] = []
    while len(chosen) < count and bool(free.any()):
        nearer = (uncovered[None, :] - between).clamp(min=0)  # (asked, brought nearer)
        gain = (nearer * weight[None, :]).sum(1).masked_fill(~free, -1.0)
        best = int(gain.argmax())
        stands_for = int((nearer[best] > 0).sum()) - 1
        chosen.append(Proposal(best, _reason(best, stands_for, margins, probabilities, classes, strange)))
        uncovered = torch.minimum(uncovered, between[best])
        free &= torch.tensor([g != groups[best] for g in groups])
    return tuple(chosen)


def _margins(probabilities: Tensor) -> Tensor:
    """(m,) how far the likeliest class is ahead of the second."""
    two = probabilities.topk(2, dim=1).values
    return (two[:, 0] - two[:, 1]).double()


def _reason(
    best: int,
    stands_for: int,
    margins: Tensor,
    probabilities: Tensor,
    classes: Sequence[str],
    strange: Sequence[bool] | None,
) -> Note:
    if strange is not None and strange[best]:
        return Note("evidence.next_unlike")
    if float(margins[best]) < TORN:
        first, second = (classes[i] for i in probabilities[best].topk(2).indices.tolist())
        return Note("evidence.next_torn", {"first": first, "second": second})
    return Note("evidence.next_typical", {"count": stands_for}) if stands_for > 1 else Note("evidence.next_apart")
