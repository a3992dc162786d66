"""The network of the Omniglot experiments: four 3x3 convolutions of stride 2, as in MAML's original code.

No bias before a normalisation: its gradient is rounding noise, which Adam turns into a random walk.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FILTERS = 64
LAYERS = 4


class TaskNorm(nn.Module):
    """Batch normalisation without memory: statistics of the batch at hand, in training and at test.

    `rows` None: of all of it. Asked about several cases at once, one's answer then depends on the others
    (transductive; MAML's and Reptile's published figures). `rows` n: of the first n, the labelled cases, so that each
    new case is judged alone.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.rows: int | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.rows is None or self.rows == len(x):
            return nn.functional.batch_norm(x, None, None, self.weight, self.bias, training=True)
        taught = x[: self.rows]
        variance, mean = torch.var_mean(taught, (0, 2, 3), correction=0)
        scale = self.weight * (variance + 1e-5).rsqrt()
        return x * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]


def norm(kind: str, channels: int) -> nn.Module:
    if kind == "group":
        return nn.GroupNorm(8, channels)
    return nn.BatchNorm2d(channels) if kind == "running" else TaskNorm(channels)


class Body(nn.Sequential):
    """(n, 1, 28, 28) -> (n, 256), or (n, 64) where `average` (as MAML's code does)."""

    def __init__(self, kind: str = "task", average: bool = False, filters: int = FILTERS):
        layers: list[nn.Module] = []
        for i in range(LAYERS):
            layers.append(nn.Conv2d(filters if i else 1, filters, 3, 2, 1, bias=False))
            layers += [norm(kind, filters), nn.ReLU()]
        super().__init__(*layers, *([nn.AdaptiveAvgPool2d(1)] if average else []), nn.Flatten())


class Classifier(nn.Module):
    """Body and a linear layer; `rows` sets whose statistics normalise (`TaskNorm`)."""

    def __init__(self, ways: int, kind: str = "task", filters: int = FILTERS):
        super().__init__()
        self.body, self.head = Body(kind, True, filters), nn.Linear(filters, ways)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def normalise_by(module: nn.Module, rows: int | None) -> None:
    """From now on, statistics of the first `rows` of a batch; None: of all of it."""
    for part in module.modules():
        if isinstance(part, TaskNorm):
            part.rows = rows
