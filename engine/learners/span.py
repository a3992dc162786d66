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

from engine.learners.protocol import Support, class_weights

NEVER = -1e4  # score of a class that a task doesn't have: finite, so that gradients are


@dataclass(frozen=True)
class Batch:
    """`t` tasks, padded: products of the labelled cases `inner` (t, n, n), and of queries with them `cross` (t, m, n);
    `member` (t, n, c) one-hot; `weight` (t, n) of a case in the loss, 0 for padding; `absent` (t, 1, c) NEVER for
    classes that aren't there, else 0; `asked` (t, m) class of each query, -1 for padding."""

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
    inner, cross = first.new_zeros(t, n, n), first.new_zeros(t, m, n)
    member, weight = first.new_zeros(t, n, c), first.new_zeros(t, n)
    absent, targets = first.new_zeros(t, 1, c), torch.full((t, m), -1)
    for i, (support, query, asked) in enumerate(tasks):
        k, q = len(support.targets), len(asked)
        products = products_of(support.embeddings, query)
        inner[i, :k, :k], cross[i, :q, :k] = products.tensor_split([k])
        member[i, torch.arange(k), support.targets] = 1
        weight[i, :k] = class_weights(support)
        absent[i, :, len(support.classes) :] = NEVER
        targets[i, :q] = asked
    return Batch(inner, cross, member, weight, absent, targets)


def products_of(cases: Tensor, new: Tensor) -> Tensor:
    """(n, d), (m, d) -> (n + m, n): products with the cases, all placed as `head.place` does with the weighing at rest.

    Placed implicitly, since going through the numbers of the embedding is most of the work.
    """
    centred = torch.cat([cases, new]).sub_(cases.mean(0))
    products = centred @ centred[: len(cases)].T
    return products / products[: len(cases)].diagonal().mean().clamp(min=1e-24)  # by the spread, squared


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
