"""Volume -> pictures for the network: crop, window, resample. After this step everything is differentiable."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.encoders.framing import Frame, body_mask, coarse_step
from engine.nouns import Volume

VIEW_PX = 128  # side of a view; 224 px gains nothing once every stage is pooled (docs/encoder.md)
AIR_HU = -1000
# Level and width in HU of the three channels that a CT slice becomes: lung, soft tissue, bone (the usual presets).
WINDOWS_HU = ((-600.0, 1500.0), (40.0, 400.0), (400.0, 1800.0))
GREY_PERCENTILES = (0.5, 99.5)  # of a whole study without HU (MR, radiographs), so that its slices stay comparable


def make_views(volume: Volume, at: Frame, *, px: int = VIEW_PX, bare: bool = False) -> Tensor:
    """The frame's slices as (k, 3, px, px) float32 in 0..1.

    HU: lung, soft-tissue and bone window as the three channels. Grey: the same picture thrice, between two percentiles
    of the study (16 bit) or as it is (8 bit). Colour: as it is. Past the edge: air, or black.
    With `bare`, what lies outside the body (table, blanket, tubes) is turned into air.
    """
    window = None if volume.is_hu or volume.voxels.dtype == np.uint8 else _grey_range(volume)
    pictures = []
    for s in at.slices:
        cut = _crop(volume, s, at, bare)
        pictures.append(_resize(_to_channels(cut, volume, window), px))
    return torch.stack(pictures)


def windowed(hu: Tensor, windows: tuple[tuple[float, float], ...] = WINDOWS_HU) -> Tensor:
    """(rows, columns) HU -> (windows, rows, columns) in 0..1."""
    return torch.stack([((hu - level) / width + 0.5).clamp(0, 1) for level, width in windows])


def _to_channels(cut: np.ndarray, volume: Volume, window: tuple[float, float] | None) -> Tensor:
    x = torch.from_numpy(np.ascontiguousarray(cut)).float()
    if volume.is_hu:
        return windowed(x)
    low, high = window or (0.0, 255.0)
    x = ((x - low) / max(high - low, 1e-6)).clamp(0, 1)
    return x.permute(2, 0, 1) if x.ndim == 3 else x.expand(3, *x.shape)


def _resize(channels: Tensor, px: int) -> Tensor:
    return F.interpolate(channels[None], (px, px), mode="bilinear", antialias=True, align_corners=False)[0].clamp(0, 1)


def _crop(volume: Volume, s: int, at: Frame, bare: bool) -> np.ndarray:
    """One slice cut to the frame's box, rounded to whole voxels, padded where the box reaches past the edges."""
    r0, r1 = round(at.row0), max(round(at.row1), round(at.row0) + 1)
    c0, c1 = round(at.col0), max(round(at.col1), round(at.col0) + 1)
    height, width = volume.voxels.shape[1:3]
    inside = np.asarray(volume.voxels[s, max(r0, 0) : min(r1, height), max(c0, 0) : min(c1, width)])
    if bare and volume.is_hu:
        inside = np.where(_body(inside, coarse_step(volume)), inside, np.int16(AIR_HU))
    pad = [(max(-r0, 0), max(r1 - height, 0)), (max(-c0, 0), max(c1 - width, 0))]
    pad += [(0, 0)] * (inside.ndim - 2)
    return np.pad(inside, pad, constant_values=AIR_HU if volume.is_hu else 0)


def _body(cut: np.ndarray, step: int) -> np.ndarray:
    """(rows, columns) bool: body on every `step`-th voxel, spread back to all."""
    return body_mask(cut[::step, ::step]).repeat(step, 0).repeat(step, 1)[: cut.shape[0], : cut.shape[1]]


def _grey_range(volume: Volume) -> tuple[float, float]:
    """Darkest and brightest grey of a study, spared by a few outliers; on every fourth pixel of at most 16 slices."""
    step = max(1, volume.voxels.shape[0] // 16)
    thin = max(1, min(volume.voxels.shape[1:3]) // 64)
    low, high = np.percentile(volume.voxels[::step, ::thin, ::thin], GREY_PERCENTILES)
    return float(low), float(high)
