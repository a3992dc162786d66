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

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import Adapted, Support, Trace, class_means, class_weights, spread
from engine.nouns import Note

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


def parameters_for(start: Start, support: Support | NumberSupport) -> dict[str, Tensor]:
    """The start of one task: {"rows": (c, d), "bias": (c,), "gate": (d,)}, differentiable in `start`.

    For a number there is one row, from `pull` times the mean of (standard target) * z, which is what the means of two
    classes are for two classes.
    """
    seen = place(start.gate, support.embeddings, support.embeddings)
    if isinstance(support, NumberSupport):
        rows = start.pull * (support.standard @ seen / len(seen))[None]
    else:
        rows = start.pull * class_means(seen, support.targets, len(support.classes))
    return {"rows": rows, "bias": rows.new_zeros(len(rows)), "gate": start.gate}


def place(gate: Tensor, embeddings: Tensor, support: Tensor) -> Tensor:
    """z(x): (d,), (m, d), (n, d) -> (m, d)."""
    seen = gate.exp() * support  # (n, d)
    return (gate.exp() * embeddings - seen.mean(0)) / spread(seen)


def scores(parameters: dict[str, Tensor], embeddings: Tensor, support: Tensor) -> Tensor:
    """s(x): (m, d) -> (m, c); `support` (n, d) only fixes the mean and the spread."""
    return linear(place(parameters["gate"], embeddings, support), parameters)


def linear(placed: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    """z(x) -> s(x): (m, e) -> (m, c); rows of several models (s, c, e) give (s, m, c)."""
    return placed @ parameters["rows"].transpose(-1, -2) + parameters["bias"].unsqueeze(-2)


def error(scores: Tensor, support: Support | NumberSupport) -> Tensor:
    """Loss of scores (n, c) on the labelled cases: cross-entropy, every class with the same say; for a number an eighth
    of the mean squared error, whose curvature is that of the cross-entropy of two classes at even odds, so that rates
    learned for classes fit. Scores of several models (s, n, c): the sum of their losses."""
    if isinstance(support, NumberSupport):
        return (scores[..., 0] - support.standard).square().mean(-1).sum() / 8
    right = scores.log_softmax(-1)[..., torch.arange(len(support.targets)), support.targets]  # (..., n)
    return -(right * class_weights(support)).sum()


def support_loss(parameters: dict[str, Tensor], support: Support | NumberSupport) -> Tensor:
    return error(scores(parameters, support.embeddings, support.embeddings), support)


def most_loss(support: Support | NumberSupport) -> float:
    """What a step may leave of the loss, in units of that at the start (`descent.Guard`). Rates are learned on classes,
    where a softmax can't run away; the parabola of a number can, so there no step may be worse than none."""
    return 1.0 if isinstance(support, NumberSupport) else math.inf


def number_of_rows(support: Support | NumberSupport) -> int:
    return 1 if isinstance(support, NumberSupport) else len(support.classes)


def axes(placed: Tensor) -> Tensor:
    """(n, d) -> (r, d) orthonormal, r < n: the directions in which the labelled cases differ, widest first.

    Gradients with respect to rows lie in them, so descent in r coordinates a row is descent in d, exactly. Which way an
    axis points is arbitrary; a method must not depend on it.
    """
    _, sizes, found = torch.linalg.svd(placed.double(), full_matrices=False)
    return found[sizes > 1e-6 * sizes[0].clamp(min=1e-12)].to(placed)


def by_name(support: Support | NumberSupport, drawn: Tensor) -> Tensor:
    """Random rows (c, ...) given out by the classes' names, so that the order of classes doesn't matter."""
    if isinstance(support, NumberSupport):
        return drawn
    rank = {name: i for i, name in enumerate(sorted(support.classes))}
    return drawn[[rank[name] for name in support.classes]]


def adapted(
    name: str,
    support: Support,
    theta: dict[str, Tensor],
    trace: Trace,
    notes: tuple[Note, ...],
) -> Adapted:
    """The adapted head as a model of classes."""
    theta = {n: tensor.detach() for n, tensor in theta.items()}
    embeddings = support.embeddings

    def score(new: Tensor) -> Tensor:
        return scores(theta, new, embeddings)

    def space(new: Tensor) -> Tensor:
        return place(theta["gate"], new, embeddings)

    return Adapted(name, support.classes, score, space, None, tuple(trace.steps), support.notes + notes)


def fitted(support: NumberSupport, theta: dict[str, Tensor], notes: tuple[Note, ...]) -> NumberFit:
    """The adapted head as a model of a number."""
    theta = {n: tensor.detach() for n, tensor in theta.items()}
    embeddings = support.embeddings

    def predict(new: Tensor) -> Tensor:
        return scores(theta, new, embeddings)[:, 0]

    return NumberFit(predict, lambda new: place(theta["gate"], new, embeddings), notes)
