"""The small module that gradient learners adapt over a cached embedding, and where it starts.

    s_c(x) = rows_c . z(x) + bias_c,     z(x) = (exp(gate) * x - m) / r,

with m and r the mean and spread of exp(gate) * x over the labelled cases (never over the new ones). `gate` (d,)
weighs the numbers of the embedding; it is zero, so the identity, until meta-training or a task moves it.

Any number of classes from one set of weights: every class starts alike, from

    rows_c = pull * (mean of z over class c),

one meta-learned number `pull` for all classes (0: plain MAML; larger: Proto-MAML, Triantafillou et al. 2020, arXiv
1903.03096). A learned vector shared by all rows (Ye & Chao 2022, arXiv 2106.16245) would do nothing here: added to
every row it adds the same number to every score, which the softmax cancels, at the start, in each inner step and in
the meta-gradient. `test_a_row_shared_by_all_classes_cancels_in_the_softmax` proves it; so we start from zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine.learners.protocol import Support, class_means, class_weights, spread

# The start that nobody meta-learned: gradient descent on logistic regression from zero, in as many steps as a
# dashboard can wait for. With cases of spread 1 a rate of 2 is stable (the loss is 1/2-smooth in each row).
PLAIN_RATE = 2.0
PLAIN_STEPS = 20


@dataclass(frozen=True)
class Start:
    """Where adaptation starts and how far it steps: what meta-training learns.

    `gate` (d,), or empty for the identity on any embedding; `pull` scalar; `rates`: one rate a step (s,) for each of
    "rows", "bias", "gate"; a longer adaptation goes on with the last one. `meta_trained` is False for the plain start.
    """

    gate: Tensor
    pull: Tensor
    rates: dict[str, Tensor]
    meta_trained: bool = False

    @property
    def steps(self) -> int:
        return len(self.rates["rows"])

    def fitted(self, dimensions: int) -> Start:
        """The same for an embedding of another length: rates and pull carry over, the weighing only if it fits."""
        if len(self.gate) == dimensions:
            return self
        return replace(self, gate=self.pull.new_zeros(dimensions))


def plain_start(dimensions: int, dtype: torch.dtype = torch.float32) -> Start:
    """The identity: no weighing, rows from zero, the gate at rest."""
    rate = torch.full((PLAIN_STEPS,), PLAIN_RATE, dtype=dtype)
    return Start(
        torch.zeros(dimensions, dtype=dtype),
        torch.zeros((), dtype=dtype),
        {"rows": rate, "bias": rate.clone(), "gate": torch.zeros(PLAIN_STEPS, dtype=dtype)},
    )


def parameters_for(start: Start, support: Support) -> dict[str, Tensor]:
    """The start of one task: {"rows": (c, d), "bias": (c,), "gate": (d,)}, differentiable in `start`."""
    seen = place(start.gate, support.embeddings, support.embeddings)
    rows = start.pull * class_means(seen, support.targets, len(support.classes))
    return {"rows": rows, "bias": rows.new_zeros(len(rows)), "gate": start.gate}


def place(gate: Tensor, embeddings: Tensor, support: Tensor) -> Tensor:
    """z(x): (d,), (m, d), (n, d) -> (m, d)."""
    seen = gate.exp() * support  # (n, d)
    return (gate.exp() * embeddings - seen.mean(0)) / spread(seen)


def scores(parameters: dict[str, Tensor], embeddings: Tensor, support: Tensor) -> Tensor:
    """s(x): (m, d) -> (m, c); `support` (n, d) only fixes the mean and the spread."""
    return place(parameters["gate"], embeddings, support) @ parameters["rows"].T + parameters["bias"]


def support_loss(parameters: dict[str, Tensor], support: Support) -> Tensor:
    """Cross-entropy on the labelled cases, every class with the same say."""
    errors = cross_entropy(
        scores(parameters, support.embeddings, support.embeddings), support.targets, reduction="none"
    )
    return (errors * class_weights(support)).sum()
