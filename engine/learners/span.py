"""The classifier's inner loop for many tasks at once, without the embedding's thousands of numbers.

Every gradient with respect to a row is a weighted sum of the labelled cases, so the rows of a task stay
rows_c = sum_i A_ic z_i, and descent on the rows is descent on A (n, c) with the n x n products of the cases alone:

    scores = (Z Z^T) A + b,    A <- A - rate * w (softmax(scores) - y),    b <- b - rate * sum_i w_i (softmax - y)_i

This is `head.support_loss` under `maml.inner_loop` with the weighing at rest, exactly (test: 1e-10 in float64, and so
is its meta-gradient), but a step costs n^2 c instead of n d c, and tasks of any size share a batch: missing cases
weigh nothing, missing classes are never answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.learners.protocol import Support

NEVER = -1e4  # score of a class that a task doesn't have: finite, so that gradients are


@dataclass(frozen=True)
class Batch:
    """`t` tasks, padded: products of the labelled cases `inner` (t, n, n), and of queries with them `cross` (t, m, n);
    `member` (t, n, c) one-hot; `weight` (t, n) of a case in the loss, such that every class has the same say, 0 for
    padding; `absent` (t, 1, c) NEVER for classes that aren't there, else 0; `asked` (t, m) class of each query, -1 for
    padding."""

    inner: Tensor
    cross: Tensor
    member: Tensor
    weight: Tensor
    absent: Tensor
    asked: Tensor


def batch(tasks: Sequence[tuple[Support, Tensor, Tensor]]) -> Batch:
    """Supports with their queries (m, d) and the queries' classes (m,) -> one batch."""
    first = tasks[0][0].embeddings
    n = max(len(support.targets) for support, _, _ in tasks)
    m = max(len(asked) for _, _, asked in tasks)
    c = max(len(support.classes) for support, _, _ in tasks)
    t = len(tasks)
    products = first.new_zeros(t, n, n + m)
    known, asked_for = torch.full((t, n), -1), torch.full((t, m), -1)
    absent = first.new_zeros(t, 1, c)
    for i, (support, query, asked) in enumerate(tasks):
        k, q = len(support.targets), len(asked)
        found = products_of(support.embeddings, query)
        products[i, :k, :k], products[i, :k, n : n + q] = found.tensor_split([k], dim=1)
        known[i, :k], asked_for[i, :q] = support.targets, asked
        absent[i, :, len(support.classes) :] = NEVER
    there = (known >= 0).to(first)
    spread = products.diagonal(dim1=1, dim2=2).sum(1) / there.sum(1)  # squared, as `head.place` divides by
    inner, cross = (products / spread.clamp(min=1e-24)[:, None, None]).tensor_split([n], dim=2)
    member = (known.unsqueeze(-1) == torch.arange(c)).to(first)
    weight = (member / (member.sum(1, keepdim=True).clamp(min=1) * (absent == 0).sum(-1, keepdim=True))).sum(-1)
    return Batch(inner, cross.mT, member, weight, absent, asked_for)


def products_of(cases: Tensor, new: Tensor) -> Tensor:
    """(n, d), (m, d) -> (n, n + m): products of the cases with themselves and with others, about the cases' mean.

    `head.place` with the weighing at rest, but for its scale: placed implicitly, since going through the numbers of the
    embedding is most of the work. The few rows stand first: that product takes half as long as its transpose.
    """
    centred = torch.cat([cases, new]).sub_(cases.mean(0))
    return centred[: len(cases)] @ centred.T


def descend(tasks: Batch, pull: Tensor, rates: dict[str, Tensor], steps: int) -> tuple[Tensor, Tensor]:
    """`steps` steps of all tasks from `pull` times the class means: A (t, n, c) and biases (t, 1, c).

    `rates` of "rows" and "bias", a rate a step, the last one for all further. Differentiable in `pull` and `rates`.
    """
    coordinates = pull * tasks.member / tasks.member.sum(1, keepdim=True).clamp(min=1)
    bias = torch.zeros_like(tasks.absent)
    for step in range(steps):
        scores = torch.baddbmm(bias + tasks.absent, tasks.inner, coordinates)
        error = tasks.weight.unsqueeze(-1) * (scores.softmax(-1) - tasks.member)
        rows, shift = (rates[n][min(step, len(rates[n]) - 1)] for n in ("rows", "bias"))
        coordinates = coordinates - rows * error
        bias = bias - shift * error.sum(1, keepdim=True)
    return coordinates, bias


def query_losses(tasks: Batch, coordinates: Tensor, bias: Tensor) -> Tensor:
    """(t,) mean cross-entropy on each task's queries."""
    scores = torch.baddbmm(bias + tasks.absent, tasks.cross, coordinates)
    right = scores.log_softmax(-1).gather(-1, tasks.asked.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    there = (tasks.asked >= 0).to(right)
    return -(right * there).sum(1) / there.sum(1)
