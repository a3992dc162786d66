"""Texture in numbers, differentiable: what an ImageNet network throws away and contrast medium, noise and fat live on.

Alone, such numbers beat every network feature at telling contrast medium in chest CT (docs/encoder.md).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 16  # of the soft histogram
SCALES = (1, 2, 4)  # px between the pixels that are compared, and of the smoothing before gradients
ORIENTATIONS = 4
_EPS = 1e-6


def texture(views: Tensor, copies: int = 1) -> Tensor:
    """(n, channels, rows, columns) in 0..1 -> (n, d) numbers of order one.

    `copies` (with one channel): the numbers of that many equal channels, for the work of one.

    For each channel a soft histogram; for each channel and scale the spread of local contrast, co-occurrence
    contrast along rows and columns (the mean squared difference of GLCM, Haralick 1973) and gradient energy
    by orientation. Energies are taken as logarithms, since they span decades.
    """
    parts = [_moments(views)]
    for scale in SCALES:
        smooth = F.avg_pool2d(views, scale) if scale > 1 else views
        parts += [_contrast(smooth), _orientation(smooth)]
    each = [part.repeat_interleave(copies, 1) for part in parts]  # number by number, its channels in a row
    return torch.cat([_histogram(views).repeat(1, copies), *each], 1)  # the histogram channel by channel


def _histogram(views: Tensor) -> Tensor:
    """Share of pixels near each of BINS grey levels, triangular weights (a histogram that has a gradient), rooted.

    A pixel lies between two levels and is shared among them: one pass over the pixels instead of one a level.
    """
    place = views.flatten(2).clamp(0, 1) * (BINS - 1)
    below = place.detach().floor().clamp(max=BINS - 2)
    share, below = place - below, below.long()
    none = place.new_zeros(*place.shape[:2], BINS)
    counts = none.scatter_add(2, below, 1 - share).scatter_add(2, below + 1, share)
    return (counts / place.shape[2]).add(_EPS).sqrt().flatten(1)


def _moments(views: Tensor) -> Tensor:
    mean = views.mean((2, 3))
    apart = views - mean[..., None, None]
    squares = apart * apart
    spread = (squares.mean((2, 3)) + _EPS).sqrt()
    skew = (squares * apart).mean((2, 3)) / (spread**3 + 1e-3)
    return torch.cat([mean, spread, skew / 4], 1)


def _contrast(x: Tensor) -> Tensor:
    """Log of neighbour differences along both axes, and mean and spread of the local standard deviation (5 x 5)."""
    right = (x[..., 1:] - x[..., :-1]) ** 2
    down = (x[..., 1:, :] - x[..., :-1, :]) ** 2
    local = (F.avg_pool2d(x * x, 5, 2) - F.avg_pool2d(x, 5, 2) ** 2).clamp_min(0).add(_EPS).sqrt()
    usual = local.mean((2, 3), keepdim=True)
    uneven = ((local - usual) ** 2).mean((2, 3))
    energies = [right.mean((2, 3)), down.mean((2, 3)), usual.flatten(1) ** 2, uneven]
    return torch.cat([(e + _EPS).log10() / 2 for e in energies], 1)


def _orientation(x: Tensor) -> Tensor:
    """Log energy of the gradient along ORIENTATIONS directions, from its three second moments."""
    gx = x[..., 1:-1, 2:] - x[..., 1:-1, :-2]
    gy = x[..., 2:, 1:-1] - x[..., :-2, 1:-1]
    across, along, both = (gx * gx).mean((2, 3)), (gy * gy).mean((2, 3)), (gx * gy).mean((2, 3))
    parts = []
    for angle in torch.arange(ORIENTATIONS, device=x.device) * (torch.pi / ORIENTATIONS):
        cos, sin = angle.cos(), angle.sin()
        energy = (cos * cos * across + sin * sin * along + 2 * sin * cos * both).clamp_min(0)
        parts.append((energy + _EPS).log10() / 2)
    return torch.cat(parts, 1)
