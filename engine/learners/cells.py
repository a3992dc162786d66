"""The in-context network: a labelled table goes in, answers for other rows come out, nothing is fitted at use.

Every cell is a token, and so is every row's target, known or asked for. Each layer lets a row's tokens look at each
other (which columns belong together), then a column's tokens at those of the *labelled* rows (what this column says of
the target), as in Hollmann et al. 2025 (TabPFN v2, Nature 637) and nanoTabPFN. A column has no number, so their order
cannot matter; a query row looks at labelled rows and itself alone, so other queries cannot matter.

What is ours: a row's target token starts from closed-form guesses (`guesses.py`), and the answer is a mixture of them,
weighed row by row by the network, plus its own correction. Untrained it is the guesses' mean.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from engine.learners.guesses import COUNT, guesses

CLIP = 6.0  # standard deviations
CELL_FACTS = 8
CLASS_SCALE = 3.0  # a guess of +1 or -1 is worth about this logit


class Attention(nn.Module):
    """Multi-head attention of (..., q, width) tokens over (..., k, width)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.ask, self.show = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, query: Tensor, shown: Tensor) -> Tensor:
        q = self._split(self.ask(query))
        k, v = self.show(shown).chunk(2, -1)
        mixed = scaled_dot_product_attention(q, self._split(k), self._split(v))
        return self.out(mixed.transpose(-3, -2).flatten(-2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)


class Layer(nn.Module):
    """Across columns, across labelled rows, then each token by itself."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.columns, self.rows = Attention(width, heads), Attention(width, heads)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.wide, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, cells: Tensor, labelled: int, last: bool = False) -> Tensor:
        """(b, rows, columns, width), the first `labelled` rows are the labelled ones. The last layer makes the targets'
        tokens alone (b, rows, 1, width): nobody looks at the others any more."""
        flat = self.norms[0](cells).flatten(0, 1)
        asking = flat[:, -1:] if last else flat
        cells = cells[:, :, -1:] if last else cells
        cells = cells + self.columns(asking, flat).unflatten(0, cells.shape[:2])
        down = self.norms[1](cells).transpose(1, 2).flatten(0, 1)  # (b * columns, rows, width)
        mixed = self.rows(down, down[:, :labelled])
        cells = cells + mixed.unflatten(0, (cells.shape[0], cells.shape[2])).transpose(1, 2)
        return cells + self.narrow(gelu(self.wide(self.norms[2](cells))))


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
        cells, asked = standardised(support, query)
        known, guessed = guesses(cells, targets, asked)
        tokens = torch.cat([self._cells(cells, asked, targets), self._targets(known, guessed, targets, number)], 2)
        for layer in self.layers:
            tokens = layer(tokens, targets.shape[1], last=layer is self.layers[-1])
        last = self.norm(tokens[:, targets.shape[1] :, -1])
        parts = self.answer(last).chunk(2, -1)[int(number)]
        mixed = (parts[..., :-1] * guessed).sum(-1) + parts[..., -1]
        return (mixed if number else CLASS_SCALE * mixed), last

    def _cells(self, support: Tensor, query: Tensor, targets: Tensor) -> Tensor:
        """(b, n + m, d, width): each cell's value, and what its column says of the target by itself."""
        z = torch.cat([support, query], 1)
        n = support.shape[1]
        known = targets - targets.mean(1, keepdim=True)
        known = known / known.square().mean(1, keepdim=True).sqrt().clamp(min=1e-6)
        said = (support * known.unsqueeze(-1)).mean(1, keepdim=True)  # (b, 1, d) correlation
        two = ((support - support.amax(1, keepdim=True)) * (support - support.amin(1, keepdim=True))).abs().amax(
            1, keepdim=True
        ) < 1e-6
        sure = said * n**0.5 / 3
        size = torch.full_like(said, n).log() / 3 - 1
        wide = torch.full_like(said, z.shape[-1]).log() / 2 - 1
        facts = [z, torch.tanh(z), z * said, *(f.expand_as(z) for f in (said, sure, two.to(z), size, wide))]
        return self.cell(torch.stack(facts, -1))

    def _targets(self, known: Tensor, guessed: Tensor, targets: Tensor, number: bool) -> Tensor:
        """(b, n + m, 1, width): a row's target where it is known, and what was guessed without it."""
        rows = torch.cat([known, guessed], 1).clamp(-CLIP, CLIP)
        there = torch.cat([torch.ones_like(targets), torch.zeros_like(guessed[..., 0])], 1)
        value = torch.cat([targets.clamp(-CLIP, CLIP), torch.zeros_like(guessed[..., 0])], 1)
        size = torch.full_like(there, targets.shape[1]).log() / 3 - 1
        facts = torch.stack([value, there, size, torch.full_like(there, float(number))], -1)
        return self.target(torch.cat([rows, facts], -1)).unsqueeze(2)


def standardised(support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Both by mean and spread of the labelled rows' columns, clipped; a column that never changes there is 0."""
    mean, spread = support.mean(-2, keepdim=True), support.std(-2, correction=0, keepdim=True)
    there = spread > 1e-5
    scale = torch.where(there, spread, torch.ones_like(spread))
    return tuple(torch.where(there, ((x - mean) / scale), 0.0 * x).clamp(-CLIP, CLIP) for x in (support, query))
