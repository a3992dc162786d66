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
    """Share of pixels near each of BINS grey levels, triangular weights (a histogram that has a gradient), rooted."""
    flat = views.flatten(2)
    levels = torch.linspace(0, 1, BINS, device=views.device)
    shares = [(1 - (flat - level).abs() * (BINS - 1)).clamp_min(0).mean(2) for level in levels]
    return torch.stack(shares, 2).add(_EPS).sqrt().flatten(1)


def _moments(views: Tensor) -> Tensor:
    mean = views.mean((2, 3))
    spread = (views.var((2, 3), correction=0) + _EPS).sqrt()
    skew = ((views - mean[..., None, None]) ** 3).mean((2, 3)) / (spread**3 + 1e-3)
    return torch.cat([mean, spread, skew / 4], 1)


def _contrast(x: Tensor) -> Tensor:
    """Log of neighbour differences along both axes, and mean and spread of the local standard deviation (5 x 5)."""
    right = (x[..., 1:] - x[..., :-1]) ** 2
    down = (x[..., 1:, :] - x[..., :-1, :]) ** 2
    local = (F.avg_pool2d(x * x, 5, 2) - F.avg_pool2d(x, 5, 2) ** 2).clamp_min(0).add(_EPS).sqrt()
    energies = [right.mean((2, 3)), down.mean((2, 3)), local.mean((2, 3)) ** 2, local.var((2, 3), correction=0)]
    return torch.cat([(e + _EPS).log10() / 2 for e in energies], 1)


def _orientation(x: Tensor) -> Tensor:
    """Log energy of the gradient along ORIENTATIONS directions."""
    gx = x[..., 1:-1, 2:] - x[..., 1:-1, :-2]
    gy = x[..., 2:, 1:-1] - x[..., :-2, 1:-1]
    angles = torch.arange(ORIENTATIONS, device=x.device) * (torch.pi / ORIENTATIONS)
    parts = [((gx * a.cos() + gy * a.sin()) ** 2).mean((2, 3)) for a in angles]
    return torch.cat([(p + _EPS).log10() / 2 for p in parts], 1)
