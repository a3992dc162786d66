"""The in-context network: a labelled table goes in, answers for other rows come out, nothing is fitted at use.

Every cell is a token, and so is every row's target, known or asked for. Each layer lets a row's tokens look at each
other (which columns belong together), then a column's tokens at those of the *labelled* rows (what this column says of
the target), as in Hollmann et al. 2025 (TabPFN v2, Nature 637) and nanoTabPFN. A column has no number, so their order
cannot matter; a query row looks at labelled rows and itself alone, so other queries cannot matter.

What is ours: a row's target token starts from guesses, closed-form ones (`guesses.py`) and a small forest's
(`forest.py`), and the answer is a mixture of them, weighed row by row by the network, plus its own correction.
Untrained it is the guesses' mean. A cell also knows its place in its column and what is near it (`places.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from engine.learners.forest import KINDS, Forests, grow
from engine.learners.guesses import COUNT as KERNELS
from engine.learners.guesses import Fitted, fit
from engine.learners.places import Places, read_places

CLIP = 6.0  # standard deviations
COUNT = KERNELS + len(KINDS)  # guesses
CELL_FACTS = 11
Shown = tuple[Tensor, Tensor]  # keys and values
CLASS_SCALE = 3.0  # a guess of +1 or -1 is worth about this logit


class Attention(nn.Module):
    """Multi-head attention of (..., q, width) tokens over (..., k, width)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.ask, self.show = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, query: Tensor, shown: tuple[Tensor, Tensor]) -> Tensor:
        """`shown`: what `showing` made of the tokens to look at."""
        keys, values = shown
        asked = self._split(self.ask(query)) * keys.shape[-1] ** -0.5
        # Written out: of so few tokens a head of 16 numbers, torch's own attention takes half as long again.
        mixed = (asked @ keys.mT).softmax(-1) @ values
        return self.out(mixed.transpose(-3, -2).flatten(-2))

    def showing(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(..., k, width) -> keys and values (..., heads, k, width / heads)."""
        k, v = self.show(tokens).chunk(2, -1)
        return self._split(k), self._split(v)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)


class Layer(nn.Module):
    """Across columns, across labelled rows, then each token by itself."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.columns, self.rows = Attention(width, heads), Attention(width, heads)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.wide, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, cells: Tensor, shown: Shown | None = None, last: bool = False) -> tuple[Tensor, Shown]:
        """(b, rows, columns, width) cells of labelled rows, or with `shown` of rows that look at the labelled ones ->
        the cells after this layer, and what the labelled rows show others in it. The last layer makes the targets'
        tokens alone (b, rows, 1, width): nobody looks at the others any more."""
        flat = self.norms[0](cells).flatten(0, 1)
        asking = flat[:, -1:] if last else flat
        cells = cells[:, :, -1:] if last else cells
        cells = cells + self.columns(asking, self.columns.showing(flat)).unflatten(0, cells.shape[:2])
        down = self.norms[1](cells).transpose(1, 2).flatten(0, 1)  # (b * columns, rows, width)
        shown = self.rows.showing(down) if shown is None else shown
        mixed = self.rows(down, shown)
        cells = cells + mixed.unflatten(0, (cells.shape[0], cells.shape[2])).transpose(1, 2)
        return cells + self.narrow(gelu(self.wide(self.norms[2](cells)))), shown


@dataclass(frozen=True)
class Memory:
    """Labelled tables (b) as the network keeps them, so that any rows can be asked about later without reading them
    again: how cells are scaled, what each column says of the target, the guesses, and what each layer shows."""

    mean: Tensor
    spread: Tensor
    facts: tuple[Tensor, ...]
    places: Places
    fitted: Fitted
    forests: Forests
    shown: tuple[Shown, ...]
    number: bool


class CellNet(nn.Module):
    """Tables (b) with n labelled and m asked rows and d columns, for classes (+1 against -1) or standard numbers."""

    def __init__(self, width: int = 64, heads: int = 4, hidden: int = 128, layers: int = 4):
        super().__init__()
        self.about = {"width": width, "heads": heads, "hidden": hidden, "layers": layers}
        self.cell = nn.Sequential(nn.Linear(CELL_FACTS, width), nn.GELU(), nn.Linear(width, width))
        self.target = nn.Sequential(nn.Linear(COUNT + 4, width), nn.GELU(), nn.Linear(width, width))
        self.layers = nn.ModuleList(Layer(width, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.answer = nn.Linear(width, 2 * (COUNT + 1))  # for classes and numbers: a weight a guess, and a correction
        nn.init.zeros_(self.answer.weight)
        with torch.no_grad():
            self.answer.bias.copy_(torch.tensor(([1 / COUNT] * COUNT + [0.0]) * 2))

    def forward(self, support: Tensor, targets: Tensor, query: Tensor, number: bool) -> tuple[Tensor, Tensor]:
        """(b, n, d), (b, n), (b, m, d) -> answers (b, m): logits of +1, or standard numbers; and the asked rows'
        last target tokens (b, m, width), in which likeness is measured."""
        return self.ask(self.remember(support, targets, number), query)

    def remember(self, support: Tensor, targets: Tensor, number: bool) -> Memory:
        """(b, n, d) labelled rows, (b, n) their targets."""
        mean, spread = support.mean(-2, keepdim=True), support.std(-2, correction=0, keepdim=True)
        cells = scaled(support, mean, spread)
        known = targets - targets.mean(1, keepdim=True)
        known = known / known.square().mean(1, keepdim=True).sqrt().clamp(min=1e-6)
        places, near = read_places(cells, known)
        tells = (near * known.unsqueeze(-1)).mean(1, keepdim=True)
        facts = (*column_facts(cells, known), 3 * tells)
        guessed, fitted = fit(cells, targets)
        by_trees, forests = grow(places.places, targets, tells.squeeze(1))
        rows = self._targets(torch.cat([guessed, by_trees], -1), targets, targets.shape[1], number)
        tokens = torch.cat([self._cells(cells, places.places, near, facts), rows], 2)
        shown = []
        for layer in self.layers:
            tokens, seen = layer(tokens, last=layer is self.layers[-1])
            shown.append(seen)
        return Memory(mean, spread, facts, places, fitted, forests, tuple(shown), number)

    def ask(self, memory: Memory, query: Tensor) -> tuple[Tensor, Tensor]:
        """(b, m, d) -> as `forward`; each row by itself."""
        cells = scaled(query, memory.mean, memory.spread)
        places = memory.places.of(cells)
        guessed = torch.cat([memory.fitted(cells), memory.forests(places)], -1)
        targets = self._targets(guessed, None, memory.fitted.support.shape[-2], memory.number)
        tokens = torch.cat([self._cells(cells, places, memory.places.near(places), memory.facts), targets], 2)
        for layer, shown in zip(self.layers, memory.shown, strict=True):
            tokens, _ = layer(tokens, shown, last=layer is self.layers[-1])
        last = self.norm(tokens[:, :, -1])
        parts = self.answer(last).chunk(2, -1)[int(memory.number)]
        mixed = (parts[..., :-1] * guessed).sum(-1) + parts[..., -1]
        return (mixed if memory.number else CLASS_SCALE * mixed), last

    def _cells(self, z: Tensor, places: Tensor, near: Tensor, facts: tuple[Tensor, ...]) -> Tensor:
        """(b, rows, d, width): each cell's value, and what its column says of the target by itself."""
        said, *others = (f.expand_as(z) for f in facts)
        return self.cell(torch.stack([z, torch.tanh(z), z * said, places, near, said, *others], -1))

    def _targets(self, guessed: Tensor, targets: Tensor | None, labelled: int, number: bool) -> Tensor:
        """(b, rows, 1, width): a row's target where it is known, and what was guessed without it."""
        there = torch.zeros_like(guessed[..., 0]) if targets is None else torch.ones_like(targets)
        value = there if targets is None else targets.clamp(-CLIP, CLIP)
        size = torch.full_like(there, labelled).log() / 3 - 1
        facts = torch.stack([value, there, size, torch.full_like(there, float(number))], -1)
        return self.target(torch.cat([guessed.clamp(-CLIP, CLIP), facts], -1)).unsqueeze(2)


def column_facts(support: Tensor, known: Tensor) -> tuple[Tensor, ...]:
    """(b, n, d) standardised cells, (b, n) standard targets -> facts (b, 1, d) of each column: correlation with the
    target, how sure that is, whether it has two values, how many rows and columns there are."""
    n = support.shape[1]
    said = (support * known.unsqueeze(-1)).mean(1, keepdim=True)
    highest, lowest = support.amax(1, keepdim=True), support.amin(1, keepdim=True)
    two = ((support - highest) * (support - lowest)).abs().amax(1, keepdim=True) < 1e-6
    size = torch.full_like(said, n).log() / 3 - 1
    wide = torch.full_like(said, support.shape[-1]).log() / 2 - 1
    return said, said * n**0.5 / 3, two.to(support), size, wide


def scaled(rows: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """By mean and spread of the labelled rows' columns, clipped; a column that never changes there is 0."""
    there = spread > 1e-5
    scale = torch.where(there, spread, torch.ones_like(spread))
    return torch.where(there, (rows - mean) / scale, 0.0 * rows).clamp(-CLIP, CLIP)


def standardised(support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Both by the labelled rows' columns."""
    mean, spread = support.mean(-2, keepdim=True), support.std(-2, correction=0, keepdim=True)
    return scaled(support, mean, spread), scaled(query, mean, spread)
