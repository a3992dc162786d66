"""Picture -> numbers: mean and spread of every stage of the network, and texture; not the last layer alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.encoders.efficientnet import Lite0
from engine.encoders.texture import texture

TEXTURE_WEIGHT = 0.5  # length of the texture block beside 1 for each other block


class Embedder(nn.Module):
    """(n, 3, rows, columns) in 0..1 -> (n, d): per stage the L2-normalised mean and spread, then the texture block.

    Everything has a gradient with respect to the pixels. `block_sizes` names the parts in order.
    """

    def __init__(self, network: Lite0):
        super().__init__()
        self.network = network

    def forward(self, views: Tensor) -> Tensor:
        parts: list[Tensor] = []
        for features in self.network(views):
            features = features.float()
            parts.append(F.normalize(features.mean((2, 3)), dim=1))
            parts.append(F.normalize(spread(features), dim=1))
        with torch.autocast(views.device.type, enabled=False):
            parts.append(TEXTURE_WEIGHT * F.normalize(texture(views.float()), dim=1))
        return torch.cat(parts, 1)


def spread(features: Tensor) -> Tensor:
    """(n, c, rows, columns) -> (n, c) standard deviation over the map."""
    return (features.var((2, 3), correction=0) + 1e-8).sqrt()
