"""Picture -> numbers: mean and spread of every stage of the network, and texture; not the last layer alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.encoders.efficientnet import Lite, SideBySide
from engine.encoders.texture import texture

# Length of each block of the embedding, (mean, spread) a stage, shallow to deep. Any lengths near 1 do as well within
# half a point of AUROC; these lean to the deep stages for the sake of the smallest set (docs/encoder.md).
SHALLOW_WEIGHTS = ((0.7, 0.7), (0.7, 0.7), (1.0, 1.0))
DEEP_WEIGHTS = ((1.0, 1.0), (1.5, 1.5), (2.5, 2.0))
# Where two networks stand side by side, the untouched one keeps half of each deep block's say: the least for which no
# set of the table falls by more than 0.01 below it (docs/encoder.md).
UNTOUCHED_SHARE = 1 / 2
TEXTURE_WEIGHT = 2.5
CLIP = 5.0  # standard deviations; an odd picture may not dominate every distance
SCALE_FLOOR = 0.1  # of the mean scale: dimensions that never vary are not blown up


class Embedder(nn.Module):
    """(n, 3, rows, columns) in 0..1 -> (n, d), with a gradient with respect to the pixels.

    Per stage the mean and the spread of its map, each L2-normalised, then the texture numbers; each dimension is
    centred and scaled by `centre` and `scale` (d,), fixed numbers measured once on many kinds of medical
    picture; each block weighted and divided by the root of its size, so that no block counts by its length.
    """

    def __init__(self, network: Lite | SideBySide):
        super().__init__()
        self.network = network
        with torch.inference_mode():
            textures = texture(torch.zeros(1, 3, 32, 32)).shape[1]
        sizes = [channels for channels in network.channels for _ in range(2)] + [textures]
        lengths = [w for pair in stage_weights(len(network.channels)) for w in pair] + [TEXTURE_WEIGHT]
        weights = [torch.full((n,), w / n**0.5) for n, w in zip(sizes, lengths, strict=True)]
        self.sizes = sizes
        self.register_buffer("weights", torch.cat(weights), persistent=False)
        self.register_buffer("centre", torch.zeros(sum(sizes)))
        self.register_buffer("scale", torch.ones(sum(sizes)))

    @property
    def dimensions(self) -> int:
        return len(self.weights)

    def forward(self, views: Tensor, grey: bool = False) -> Tensor:
        """`grey`: the caller knows that the three channels are equal; texture is then measured once."""
        return self.standardise(self.raw(views, grey))

    def raw(self, views: Tensor, grey: bool = False) -> Tensor:
        """The numbers before centring, scaling and weighting: (n, d)."""
        return self.raw_of_maps(self.network(views), views, grey)

    def raw_of_maps(self, maps: list[Tensor], views: Tensor, grey: bool = False) -> Tensor:
        """`raw` from the network's maps; evidence attributes to these maps as well as to the pixels."""
        return with_texture(of_maps(maps), views, grey)

    def standardise(self, raw: Tensor) -> Tensor:
        return ((raw - self.centre) / self.scale).clamp(-CLIP, CLIP) * self.weights


def of_maps(maps: list[Tensor]) -> Tensor:
    """Mean and spread of every map, each of length one: (n, d without texture)."""
    parts: list[Tensor] = []
    for features in maps:
        mean = features.mean((2, 3), keepdim=True)
        parts += [F.normalize(mean.flatten(1), dim=1), F.normalize(spread(features, mean), dim=1)]
    return torch.cat(parts, 1)


def with_texture(known: Tensor, views: Tensor, grey: bool) -> Tensor:
    return torch.cat([known, texture(views[:, :1], 3) if grey else texture(views)], 1)


def stage_weights(maps: int) -> list[tuple[float, float]]:
    """(mean, spread) of each of the network's maps: 6 of one network, 9 of two side by side."""
    if maps == len(SHALLOW_WEIGHTS) + len(DEEP_WEIGHTS):
        return [*SHALLOW_WEIGHTS, *DEEP_WEIGHTS]
    shares = (UNTOUCHED_SHARE**0.5, (1 - UNTOUCHED_SHARE) ** 0.5)
    return [*SHALLOW_WEIGHTS, *((m * share, s * share) for share in shares for m, s in DEEP_WEIGHTS)]


def spread(features: Tensor, mean: Tensor) -> Tensor:
    """(n, c, rows, columns) and its mean (n, c, 1, 1) -> (n, c) standard deviation over the map.

    In two passes: `var` takes three times as long where channels lie last.
    """
    return ((features - mean).square().mean((2, 3)) + 1e-8).sqrt()


def measure(raw: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Centre and scale from the raw numbers of several sets, each (n_i, d); every set counts the same."""
    centre = torch.stack([r.mean(0) for r in raw]).mean(0)
    square = torch.stack([((r - centre) ** 2).mean(0) for r in raw]).mean(0)
    return centre, square.sqrt()


def floored(scale: Tensor, sizes: list[int]) -> Tensor:
    """Raise the scales of each block to at least SCALE_FLOOR of the block's root mean square scale."""
    return torch.cat([part.clamp_min(SCALE_FLOOR * part.square().mean().sqrt()) for part in scale.split(sizes)])
