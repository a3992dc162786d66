"""The record encoder: a row of any table -> ROW_NUMBERS numbers, without knowing what is asked.

Tables differ in columns, so a column is known by its values on the labelled rows alone (a set, as in Zaheer et al.
2017, arXiv 1703.06114); a cell is its value together with what its column is like; a row is what one more token gathers
from its cells by attention (column-then-row, as in Qu et al. 2025, TabICL, arXiv 2502.05564). Neither the order of
columns nor other query rows can matter. It was trained so that a linear classifier and class means on [these numbers,
the row's own] answer better than on the row's own alone (`engine/training/record_rows.py`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).resolve().parents[2] / "assets" / "weights"
FILE = "records.safetensors"
# How a row begins, which the in-context learner knows records by: so many numbers of mean 0 and mean square 1/4, a
# length that neither drowns the row's own numbers nor is drowned (docs/records.md).
ROW_NUMBERS, ROW_SQUARE = 32, 0.25
MOST_COLUMNS = 60  # are read; of more, evenly many over the table
COLUMN_FACTS = 16
CLIP = 6.0  # standard deviations, as in training
AT_ONCE = 2048  # rows


class RowNet(nn.Module):
    """`context` of the labelled rows' columns once, then `forward` for any rows."""

    def __init__(self, width: int = 48, heads: int = 4, hidden: int = 96, layers: int = 2):
        super().__init__()
        self.about = {"width": width, "heads": heads, "hidden": hidden, "layers": layers}
        self.each = nn.Sequential(nn.Linear(3, 32), nn.GELU(), nn.Linear(32, COLUMN_FACTS))
        self.cell = nn.Sequential(nn.Linear(3 + COLUMN_FACTS, width), nn.GELU(), nn.Linear(width, width))
        self.gather = nn.Parameter(torch.zeros(width))
        layer = nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.out = nn.Linear(width, ROW_NUMBERS)

    def context(self, support: Tensor) -> Tensor:
        """(..., n, d) labelled rows -> (..., d, COLUMN_FACTS): what each column is like."""
        return self.each(_bent(support)).mean(-3)

    def forward(self, rows: Tensor, context: Tensor) -> Tensor:
        """(..., m, d), (..., d, COLUMN_FACTS) -> (..., m, ROW_NUMBERS); each row by itself."""
        wide = context.unsqueeze(-3).expand(*rows.shape, -1)
        cells = self.cell(torch.cat([_bent(rows), wide], -1))
        tokens = torch.cat([cells, self.gather.expand(*cells.shape[:-2], 1, -1)], -2)
        last = self.layers(tokens.flatten(0, -3))[:, -1].unflatten(0, rows.shape[:-1])
        return nn.functional.layer_norm(self.out(last), (ROW_NUMBERS,)) * ROW_SQUARE**0.5


def _bent(values: Tensor) -> Tensor:
    """A z-scored value, bent in two ways, so that far and near both count: (...,) -> (..., 3)."""
    return torch.stack([values, torch.tanh(values), torch.tanh(values).square()], -1)


@dataclass(frozen=True)
class Columns:
    """The columns of one table as its labelled rows show them: what `embed` needs for any row of that table."""

    net: RowNet
    mean: Tensor
    spread: Tensor
    context: Tensor

    def embed(self, rows: Tensor) -> Tensor:
        """(m, d) own numbers of rows -> (m, ROW_NUMBERS); differentiable, each row by itself."""
        parts = [self.net(standard(part, self.mean, self.spread), self.context) for part in rows.split(AT_ONCE)]
        return torch.cat(parts) if parts else rows.new_zeros(0, ROW_NUMBERS)


def columns_of(support: Tensor) -> Columns:
    """(n, d) own numbers of the labelled rows -> what the encoder knows of their columns."""
    net, mean, spread = load_rows(), support.mean(0), support.std(0, correction=0)
    with torch.no_grad():
        return Columns(net, mean, spread, net.context(standard(support, mean, spread)))


def standard(rows: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Z-scored and clipped; a column that the labelled rows never change is 0."""
    there = spread > 1e-5
    scaled = (rows - mean) / torch.where(there, spread, 1.0)
    return torch.where(there, scaled, 0.0 * rows).clamp(-CLIP, CLIP)


def spread_over(count: int) -> list[int]:
    """Which of so many columns the network reads: all, or MOST_COLUMNS evenly over the table."""
    return sorted({round(i) for i in torch.linspace(0, count - 1, min(count, MOST_COLUMNS)).tolist()})


@lru_cache(maxsize=1)
def load_rows() -> RowNet:
    """The weights that ship. Raises FileNotFoundError where they are missing."""
    path = WEIGHTS / FILE
    with safe_open(path, "pt") as opened:
        net = RowNet(**json.loads(opened.metadata()["network"]))
    net.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return net.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def digest() -> str:
    """Of the weights, for cache keys."""
    return hashlib.sha256((WEIGHTS / FILE).read_bytes()).hexdigest()[:16]
