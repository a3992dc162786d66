"""The proposer: a small 3D network that says where in a scan something stands out, and describes it.

It is class-agnostic: trained on the masks of synthetic scans (`engine.training.proposer`), it marks the centre of
whatever looks like a finding, and its features feed the finder (`engine.encoders.finder`), which learns from a
task's clicks what is meant. Heat map of centres with quality focal loss: Zhou et al. 2019, "Objects as Points",
§3, and Li et al. 2020, "Generalized Focal Loss", eq. 2; the shape is a U-Net cut off at a quarter of the input's
resolution (Ronneberger et al. 2015).
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.nouns import Volume

WEIGHTS = Path(__file__).resolve().parents[2] / "assets" / "weights" / "proposer.safetensors"
GRID_MM = (3.0, 1.5, 1.5)  # what the network sees: slice, row, column
CELL = (2, 4, 4)  # grid steps a place spans: 6 mm each way
CELL_MM = 6.0
WINDOWS = ((-1350.0, 150.0), (-160.0, 240.0))  # lung and soft tissue, HU
AIR = -1000.0
SLAB = 144  # grid slices worked on at once (432 mm): bounds memory on whole-body scans
HALO = 16  # grid slices of context on both sides of a slab; a multiple of 4
KINDS = ("smooth", "spiculated", "ground_glass", "consolidation", "cavity")
TRAITS = 2 + len(KINDS)  # log radius, density, then a logit a kind


class _Block(nn.Module):
    """Two 3x3x3 convolutions with a shortcut where the width allows it."""

    def __init__(self, wide_in: int, wide: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv3d(wide_in, wide, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm3d(wide)
        self.second = nn.Conv3d(wide, wide, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm3d(wide)

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.first_norm(self.first(x)))
        return F.relu(first + self.second_norm(self.second(first)))


@dataclass(frozen=True)
class Proposed:
    """What the network says at every cell of 6 mm: b scans, d x h x w cells.

    `features` (b, f, d, h, w); `logit` (b, d, h, w), the log-odds that a finding's centre lies here; `offset`
    (b, 3, d, h, w), the step from the cell's middle to that centre in cells (slice, row, column); `traits`
    (b, TRAITS, d, h, w): log radius in mm, mean density in 500 HU, and a logit for each of `KINDS`.
    """

    features: Tensor
    logit: Tensor
    offset: Tensor
    traits: Tensor


class Proposer(nn.Module):
    """(b, 2, z, y, x) windows on the grid of `GRID_MM` -> `Proposed`; z a multiple of 4, y and x of 8 (`padded`)."""

    def __init__(self, widths: tuple[int, int, int] = (16, 32, 48)) -> None:
        super().__init__()
        low, middle, deep = widths
        self.width = middle
        self.stem = nn.Conv3d(2, low, (3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2), bias=False)
        self.stem_norm = nn.BatchNorm3d(low)
        self.fine = _Block(low, low)
        self.middle = _Block(low, middle, stride=2)
        self.deep = _Block(middle, deep, stride=2)
        self.narrow = nn.Conv3d(deep + middle, middle, 1, bias=False)
        self.narrow_norm = nn.BatchNorm3d(middle)
        self.merge = _Block(middle, middle)
        self.heads = nn.Conv3d(middle, 1 + 3 + TRAITS, 1)
        nn.init.zeros_(self.heads.weight)
        nn.init.zeros_(self.heads.bias)
        nn.init.constant_(self.heads.bias[:1], -4.6)  # a finding in one cell of a hundred to begin with
        self.register_buffer("place_mean", torch.zeros(middle + TRAITS))  # of features and traits where findings lie
        self.register_buffer("place_spread", torch.ones(middle + TRAITS))

    def forward(self, x: Tensor) -> Proposed:
        fine = self.fine(F.relu(self.stem_norm(self.stem(x))))
        middle = self.middle(fine)
        deep = F.interpolate(self.deep(middle), size=middle.shape[2:], mode="nearest")
        features = self.merge(F.relu(self.narrow_norm(self.narrow(torch.cat([deep, middle], 1)))))
        heads = self.heads(features)
        return Proposed(features, heads[:, 0], heads[:, 1:4], heads[:, 4:])


@dataclass(frozen=True)
class Grid:
    """A volume resampled to `GRID_MM`: `hu` (z, y, x) float32; `scale` voxels a grid step, along each axis."""

    hu: Tensor
    scale: tuple[float, float, float]

    def to_voxel(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) grid coordinates -> (..., 3) voxel coordinates of the volume; both count from middles."""
        return (np.asarray(points, dtype=float) + 0.5) * np.array(self.scale) - 0.5

    def from_voxel(self, voxels: np.ndarray) -> np.ndarray:
        """The inverse of `to_voxel`."""
        return (np.asarray(voxels, dtype=float) + 0.5) / np.array(self.scale) - 0.5


def to_grid(volume: Volume) -> Grid:
    """The volume on the network's grid, in HU or mapped to HU-like values; reads a few slices at a time."""
    voxels, spacing = volume.voxels, volume.geometry.spacing_mm
    shape = [max(1, round(n * s / g)) for n, s, g in zip(voxels.shape[:3], spacing, GRID_MM, strict=True)]
    slices = []
    for start in range(0, len(voxels), 16):
        part = torch.from_numpy(np.array(voxels[start : start + 16], dtype=np.float32))
        if volume.colour:
            part = part.mean(-1)
        if volume.is_hu:
            part = part.clamp(AIR - 24, 3071.0)  # padding outside the field of view counts as air
        slices.append(_resized(part[:, None], shape[1:])[:, 0])
    planes = torch.cat(slices)
    hu = _resized(planes.reshape(1, 1, len(planes), -1), [shape[0], shape[1] * shape[2]]).reshape(shape)
    return Grid(
        hu if volume.is_hu else _like_hu(hu),
        tuple(n / m for n, m in zip(voxels.shape[:3], shape, strict=True)),
    )


def _resized(pictures: Tensor, shape: list[int]) -> Tensor:
    if list(pictures.shape[2:]) == list(shape):
        return pictures
    return F.interpolate(pictures, size=shape, mode="bilinear", antialias=True)


def _like_hu(values: Tensor) -> Tensor:
    """Grey values of MR or pictures spread so that background is air and the middle of the rest soft tissue."""
    low, top = (float(v) for v in np.quantile(values.numpy(), (0.01, 0.995)))
    if top <= low:
        return torch.full_like(values, AIR)
    inside = values[values > low + 0.1 * (top - low)]
    middle = float(inside.median()) if len(inside) else (low + top) / 2
    middle = min(max(middle, low + 0.05 * (top - low)), top - 0.05 * (top - low))
    mapped = np.interp(values.numpy(), (low, middle, top), (AIR, 40.0, 400.0))
    return torch.from_numpy(mapped.astype(np.float32))


def windowed(hu: Tensor) -> Tensor:
    """(..., z, y, x) HU -> (..., 2, z, y, x), each of `WINDOWS` spread over -1..1."""
    return torch.stack([((hu - low) / (high - low)).clamp(0, 1) * 2 - 1 for low, high in WINDOWS], -4)


def padded(hu: Tensor) -> Tensor:
    """(z, y, x) filled up with air at the far ends so that the strides divide it."""
    z, y, x = (-n % m for n, m in zip(hu.shape[-3:], (4, 8, 8), strict=True))
    return F.pad(hu, (0, x, 0, y, 0, z), value=AIR)


@torch.inference_mode()
def look(network: Proposer, hu: Tensor) -> Proposed:
    """The network over a whole grid (z, y, x), slab by slab; cells as in `Proposed` with b = 1, padding cut off."""
    cells = [-(-n // c) for n, c in zip(hu.shape, CELL, strict=True)]
    full = padded(hu)
    parts = []
    for start in range(0, len(full), SLAB):
        low, high = max(0, start - HALO), min(len(full), start + SLAB + HALO)
        seen = windowed(full[low:high])[None].contiguous(memory_format=torch.channels_last_3d)
        out = network(seen)
        keep = slice((start - low) // CELL[0], (min(start + SLAB, len(full)) - low) // CELL[0])
        parts.append([out.features[:, :, keep], out.logit[:, keep], out.offset[:, :, keep], out.traits[:, :, keep]])
    whole = [torch.cat(p, -3)[..., : cells[0], : cells[1], : cells[2]] for p in zip(*parts, strict=True)]
    return Proposed(*whole)


@functools.lru_cache(maxsize=1)
def load_proposer(path: Path = WEIGHTS) -> Proposer:
    """The network with its shipped weights, in evaluation mode, on the CPU."""
    tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    widths = tuple(len(tensors[f"{part}.first_norm.weight"]) for part in ("fine", "middle", "deep"))
    network = Proposer(widths)
    network.load_state_dict(tensors, strict=False)  # the count of batches seen is not shipped
    return network.eval().to(memory_format=torch.channels_last_3d)


@functools.lru_cache(maxsize=1)
def weights_hash(path: Path = WEIGHTS) -> str:
    """The first 16 hex digits of the weights' SHA-256: what cached places are valid for."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
