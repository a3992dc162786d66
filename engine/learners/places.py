"""A cell's place among the labelled rows of its column, and what the labelled rows near it there say of the target.

A place runs from -1 (below all) to 1 (above all), so skewed columns are spread out. What is near is a weighted mean of
the labelled rows' targets (Nadaraya 1964, Watson 1964), drawn towards 0 where few are near; a labelled row is told what
the others say, as if it had not been there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

STEP = 0.3  # of a column's typical difference: how sharply a place is told, so that it has a gradient
REACH = 0.25  # of a column's places: how far a labelled row's target speaks
PAIRS = 2**23  # of cells that are compared at once


@dataclass(frozen=True)
class Places:
    """Labelled tables' columns: cells and their places (b, n, d), targets (b, n) of mean 0, `sharp` (b, 1, 1, d)."""

    cells: Tensor
    places: Tensor
    known: Tensor
    sharp: Tensor

    def of(self, rows: Tensor) -> Tensor:
        """(b, m, d) cells -> places, each row by itself."""
        return _place(rows, self.cells, self.sharp)

    def near(self, places: Tensor) -> Tensor:
        """(b, m, d) places of other rows -> what is said near them."""
        parts = zip(*(x.split(_at_once(places, self.places), 2) for x in (places, self.places)), strict=True)
        return torch.cat([_mean(_alike(new, own), self.known) for new, own in parts], 2)


def read_places(cells: Tensor, known: Tensor) -> tuple[Places, Tensor]:
    """(b, n, d) labelled cells, (b, n) targets of mean 0 -> their columns; what the others near each say (b, n, d)."""
    n, size = cells.shape[1], _at_once(cells, cells)
    sharp = torch.cat([_typical(part) for part in cells.split(size, 2)], 3)
    places = _place(cells, cells, sharp)
    others = 1 - torch.eye(n).to(cells).unsqueeze(-1)
    own = (known / max(n - 1, 1)).unsqueeze(-1)  # by so much the others' mean lies below 0
    near = []
    for part in places.split(size, 2):
        alike = _alike(part, part) * others
        weight = alike.sum(2)
        near.append(_mean(alike, known) + own * weight / (weight + 1))
    return Places(cells, places, known, sharp), torch.cat(near, 2)


def placing(cells: Tensor) -> Callable[[Tensor], Tensor]:
    """(n, d) labelled cells of one table -> what gives any rows (m, d) their places, each row by itself."""
    sharp = _typical(cells[None])
    return lambda rows: _place(rows[None], cells[None], sharp)[0]


def _typical(cells: Tensor) -> Tensor:
    """(b, 1, 1, d) how far apart a column's cells are; what is far off counts little."""
    apart = cells.detach().unsqueeze(2) - cells.detach().unsqueeze(1)
    return (STEP * apart.abs().sqrt().mean((1, 2), keepdim=True).square()).clamp(min=1e-3)


def _place(rows: Tensor, cells: Tensor, sharp: Tensor) -> Tensor:
    size = _at_once(rows, cells)
    parts = zip(rows.split(size, 2), cells.split(size, 2), sharp.split(size, 3), strict=True)
    return torch.cat([torch.tanh((a.unsqueeze(2) - b.unsqueeze(1)) / s).mean(2) for a, b, s in parts], 2)


def _alike(places: Tensor, own: Tensor) -> Tensor:
    """(b, m, d), (b, n, d) -> (b, m, n, d)."""
    return torch.exp(-(places.unsqueeze(2) - own.unsqueeze(1)).abs() / REACH)


def _mean(alike: Tensor, known: Tensor) -> Tensor:
    return torch.einsum("bmnd,bn->bmd", alike, known) / (alike.sum(2) + 1)


def _at_once(rows: Tensor, cells: Tensor) -> int:
    """Columns."""
    return max(1, PAIRS // (len(rows) * max(rows.shape[1], 1) * cells.shape[1]))
