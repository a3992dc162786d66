"""A small forest that answers for many tables at once: bagged trees (Breiman 2001) whose splits are drawn at random
(Geurts et al. 2006, Extremely randomized trees), written as batched products so that it can be one more guess the
in-context network starts from, in training as at use.

Each tree sees a bootstrap of the labelled rows. On each level columns and thresholds are drawn, and each node takes
the one that parts its targets best. A labelled row is guessed by the trees that never saw it (out of bag), so its guess
is worth as much as a new row's. Columns and rows are put in an order of their own first: how they stood can't matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

TREES = 48
# Depth, and splits drawn a level: trees spread over the columns, and trees that find the one threshold that decides.
KINDS = ((3, 12), (4, 48))
SOFT = 0.0125  # of a column's places (-1 to 1): a threshold is passed smoothly, so that answers have a gradient


@dataclass(frozen=True)
class Forest:
    """Trees t of tables b: a split's `column` and `threshold` (b, t, levels, nodes), each leaf's target (b, t, leaves),
    and which labelled rows are in a tree's bag (t, n)."""

    column: Tensor
    threshold: Tensor
    leaf: Tensor
    bags: Tensor

    def trees(self, places: Tensor) -> Tensor:
        """(b, m, d) -> what each tree says (b, t, m)."""
        m, trees = places.shape[1], self.leaf.shape[1]
        across = places.mT.unsqueeze(1).expand(-1, trees, -1, -1)  # (b, t, d, m)
        reach = places.new_ones(len(places), trees, m, 1)
        for level in range(self.column.shape[2]):
            nodes = 2**level
            column, threshold = self.column[:, :, level, :nodes], self.threshold[:, :, level, :nodes]
            value = across.gather(2, column.unsqueeze(-1).expand(-1, -1, -1, m))  # (b, t, nodes, m)
            right = torch.sigmoid((value - threshold.unsqueeze(-1)) / SOFT).mT
            reach = torch.stack([reach * (1 - right), reach * right], -1).flatten(-2)
        return (reach @ self.leaf.unsqueeze(-1)).squeeze(-1)


@dataclass(frozen=True)
class Forests:
    """A forest of each kind, over the columns in this `order` (b, 1, d)."""

    order: Tensor
    grown: tuple[Forest, ...]

    def __call__(self, places: Tensor) -> Tensor:
        """(b, m, d) places of any rows -> guesses (b, m, kinds), each row by itself."""
        places = places.gather(2, self.order.expand_as(places))
        return torch.stack([forest.trees(places).mean(1) for forest in self.grown], -1)


def grow(places: Tensor, targets: Tensor, says: Tensor) -> tuple[Tensor, Forests]:
    """(b, n, d) places of labelled cells, (b, n) targets, (b, d) how much a column says of the target -> guesses out of
    bag (b, n, kinds), and the forests."""
    order = says.argsort(1, descending=True).unsqueeze(1)
    places = places.detach().gather(2, order.expand_as(places))
    rows = places.mean(2).argsort(1)
    places, targets = places.gather(1, rows.unsqueeze(-1).expand_as(places)), targets.gather(1, rows)
    left_out, grown = [], []
    for seed, (depth, drawn) in enumerate(KINDS):
        forest = fit(places, targets, depth, drawn, seed)
        own, out = forest.trees(places), (forest.bags == 0).to(places)
        mean = targets.mean(1, keepdim=True)
        unseen = torch.where(out.sum(0) > 0, (own * out).sum(1) / out.sum(0).clamp(min=1), mean)
        left_out.append(torch.zeros_like(unseen).scatter(1, rows, unseen))
        grown.append(forest)
    return torch.stack(left_out, -1), Forests(order, tuple(grown))


def fit(places: Tensor, targets: Tensor, depth: int, drawn: int, seed: int, trees: int = TREES) -> Forest:
    """(b, n, d), (b, n): each node takes the split by which the squared error falls most."""
    b, n, d = places.shape
    stream = torch.Generator().manual_seed(seed)
    draws = torch.randint(n, (trees, n), generator=stream)
    bags = torch.zeros(trees, n).scatter_add_(1, draws, torch.ones(trees, n)).to(places)
    mean = (targets @ bags.mT / n).unsqueeze(-1)  # (b, t, 1), of each bag: what is not in it has no say in it
    aim = targets.unsqueeze(1) - mean
    across = places.mT.unsqueeze(1).expand(-1, trees, -1, -1)  # (b, t, d, n)
    node = torch.zeros(b, trees, n, dtype=torch.long)
    columns, thresholds = [], []
    for level in range(depth):
        nodes = 2**level
        column = torch.randint(d, (trees, drawn), generator=stream).expand(b, -1, -1)
        value = across.gather(2, column.unsqueeze(-1).expand(-1, -1, -1, n))  # (b, t, drawn, n)
        ends = torch.randint(n, (2, trees, drawn, 1), generator=stream).unsqueeze(1).expand(-1, b, -1, -1, -1)
        low, high = (value.gather(3, end).squeeze(-1) for end in ends)
        threshold = low + torch.rand(trees, drawn, generator=stream).to(places) * (high - low)
        right = (value > threshold.unsqueeze(-1)).to(places)
        best = _best(right, one_hot(node, nodes).to(places) * bags.unsqueeze(-1), aim)  # (b, t, nodes)
        wide = (0, 2 ** (depth - 1) - nodes)
        columns.append(pad(column.gather(2, best), wide))
        thresholds.append(pad(threshold.gather(2, best), wide))
        node = 2 * node + right.mT.gather(3, best.gather(2, node).unsqueeze(-1)).squeeze(-1).long()
    inside = one_hot(node, 2**depth).to(places) * bags.unsqueeze(-1)
    leaf = (inside * aim.unsqueeze(-1)).sum(2) / inside.sum(2).clamp(min=1e-6) + mean
    return Forest(torch.stack(columns, 2), torch.stack(thresholds, 2), leaf, bags)


def _best(right: Tensor, inside: Tensor, aim: Tensor) -> Tensor:
    """(b, t, drawn, n) which rows go right, (b, t, n, nodes) a row's weight in each node, (b, t, n) -> (b, t, nodes)
    the split that lowers each node's squared error most."""
    both = torch.cat([inside, inside * aim.unsqueeze(-1)], -1)
    beyond, every = right @ both, both.sum(2, keepdim=True)
    (w1, s1), (w0, s0) = beyond.chunk(2, -1), (every - beyond).chunk(2, -1)
    gain = s1.square() / w1.clamp(min=1e-6) + s0.square() / w0.clamp(min=1e-6)
    return torch.where((w1 > 0.5) & (w0 > 0.5), gain, -1.0).argmax(2)
