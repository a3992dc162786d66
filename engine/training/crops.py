"""Places in synthetic CT, cut out small and kept in HU, so that training can show each under another scanner.

One phantom gives the square round its finding and two places without one. `vary` then moves, turns, blurs or sharpens,
adds noise of any grain, shifts the HU a little and windows the square as the product does (`encoders.views`): to the
network every epoch comes from another hospital.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.encoders.framing import POINT_MM
from engine.encoders.views import AIR_HU, VIEW_PX, windowed
from engine.nouns import Volume
from engine.phantoms import FINDINGS, HOSPITALS, make_phantom
from engine.training.loop import Report

SIDE_PX = 56  # of what is kept; 72 mm at 1.3 mm a pixel, so that a 40 mm square may move and turn in it
LEVELS = 3  # slices kept: the middle one and its neighbours
NORMAL = 2  # places without a finding, of each phantom
AWAY_MM = 25.0  # between such a place and the finding's rim
LUNG_HU = (-950.0, -500.0)  # local mean at a place in the lung
MOVE_MM = 3.0  # standard deviation of a click round the centre


@dataclass(frozen=True)
class Crops:
    """`hu` (n, LEVELS, SIDE_PX, SIDE_PX) int16, `pixel_mm` (n,); `labels` by question: (n,) long, -1 where unknown."""

    hu: Tensor
    pixel_mm: Tensor
    labels: dict[str, Tensor]


def scanner_change(rng: np.random.Generator) -> dict:
    """Settings of one scan: half of the time the hospital's own, else anything between soft and sharp."""
    if rng.random() < 0.4:
        return {}
    return {
        "kernel": str(rng.choice(["soft", "medium", "sharp"])),
        "noise": float(rng.uniform(8, 42)),
        "thick": float(rng.uniform(1.5, 5)),
        "contrast": float(rng.random() < 0.35),
        "fov": float(rng.uniform(300, 420)),
    }


def make_crops(seed: int, folder: Path) -> None:
    """The crops of one phantom, as `folder`/SEED.safetensors; quick where they exist. Every third phantom is normal."""
    path = folder / f"{seed}.safetensors"
    if path.exists():
        return
    rng = np.random.default_rng([seed, 78])
    finding, hospital = str(rng.choice([f for f in FINDINGS if f != "normal"])), str(rng.choice(HOSPITALS))
    slices, cover = ((5, 25.0), (8, 24.0), (10, 25.0))[int(rng.integers(3))]
    phantom = make_phantom(
        seed, finding, hospital, slices=slices, cover_mm=cover, around_finding=True, **scanner_change(rng)
    )
    volume, truth = phantom.volume, phantom.truth
    assert truth.centre_mm is not None
    centre = np.array(volume.geometry.to_voxel(np.array(truth.centre_mm)))
    if not 0 <= round(centre[0]) < slices:  # cut off by the slab: nothing to show
        save_file({"hu": torch.zeros(0, LEVELS, SIDE_PX, SIDE_PX, dtype=torch.int16)}, path)
        return
    places = [(centre, FINDINGS.index(finding))]
    places += [(at, FINDINGS.index("normal")) for at in normal_places(volume, centre, truth.radius_mm, rng)]
    density = float(volume.voxels[phantom.mask].mean()) if phantom.mask.any() else 0.0
    save_file(
        {
            "hu": torch.stack([torch.from_numpy(cut(volume, at)) for at, _ in places]),
            "kind": torch.tensor([kind for _, kind in places]),
            "radius": torch.tensor([truth.radius_mm] + [0.0] * (len(places) - 1)),
            "density": torch.tensor([density] + [0.0] * (len(places) - 1)),
            "pixel": torch.full((len(places),), float(volume.geometry.spacing_mm[1])),
        },
        path,
    )


def normal_places(volume: Volume, centre: np.ndarray, radius_mm: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Up to NORMAL voxels in the lung, away from the finding."""
    middle = int(np.clip(round(centre[0]), 0, len(volume.voxels) - 1))
    hu = F.avg_pool2d(torch.from_numpy(volume.voxels[middle].astype(np.float32))[None, None], 9, 1, 4)[0, 0].numpy()
    rows, columns = np.indices(hu.shape)
    away = np.hypot(rows - centre[1], columns - centre[2]) * volume.geometry.spacing_mm[1]
    fits = (hu > LUNG_HU[0]) & (hu < LUNG_HU[1]) & (away > radius_mm + AWAY_MM)
    at = np.argwhere(fits)
    return [np.array([centre[0], *at[i]], float) for i in rng.permutation(len(at))[:NORMAL]]


def cut(volume: Volume, at: np.ndarray) -> np.ndarray:
    """(LEVELS, SIDE_PX, SIDE_PX) int16 round a voxel; air past the edge, the outermost slice again past the ends."""
    z, r, c = (int(round(v)) for v in at)
    half = SIDE_PX // 2
    padded = np.pad(volume.voxels, ((0, 0), (half, half), (half, half)), constant_values=AIR_HU)
    levels = np.clip(np.arange(z - LEVELS // 2, z + LEVELS // 2 + 1), 0, len(padded) - 1)
    return np.ascontiguousarray(padded[levels, r : r + SIDE_PX, c : c + SIDE_PX])


def load_crops(first_seed: int, count: int, folder: Path, report: Report) -> Crops:
    """Make what is missing, load all. Questions: kind of place, size and density of the finding (thirds)."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        make_crops(first_seed + i, folder)
        if (i + 1) % 50 == 0:
            report(i + 1, count, "synthetic places")
    parts = [p for i in range(count) if len((p := load_file(folder / f"{first_seed + i}.safetensors"))["hu"])]
    joined = {name: torch.cat([p[name] for p in parts]) for name in parts[0]}
    found = joined["kind"] != FINDINGS.index("normal")
    labels = {"kind": joined["kind"].long()}
    for name in ("radius", "density"):
        thirds = torch.quantile(joined[name][found].float(), torch.tensor([1 / 3, 2 / 3]))
        labels[name] = torch.where(found, torch.bucketize(joined[name].float(), thirds), -1)
    return Crops(joined["hu"], joined["pixel"], labels)


def vary(crops: Crops, index: Tensor, rng: np.random.Generator) -> Tensor:
    """(k,) chosen crops -> (k, 3, VIEW_PX, VIEW_PX) in 0..1, each as another scanner and another hand would have it."""
    level = torch.from_numpy(np.where(rng.random(len(index)) < 0.6, LEVELS // 2, rng.integers(0, LEVELS, len(index))))
    hu = crops.hu[index, level].float()
    hu = torch.stack([_rescanned(one, rng) for one in hu])[:, None]
    turn = torch.from_numpy(rng.uniform(-np.pi, np.pi, len(index))).float()
    zoom = torch.from_numpy(np.exp(rng.normal(0, 0.08, len(index)))).float()
    side = POINT_MM * zoom / (crops.pixel_mm[index] * SIDE_PX)  # of the kept square, that the view shows
    shift = torch.from_numpy(rng.normal(0, MOVE_MM, (len(index), 2))).float()
    shift = shift * 2 / (crops.pixel_mm[index] * SIDE_PX)[:, None]
    mirror = torch.from_numpy(rng.choice([-1.0, 1.0], len(index))).float()
    cos, sin = turn.cos() * side, turn.sin() * side
    theta = torch.stack(
        [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(theta, [len(index), 1, VIEW_PX, VIEW_PX], align_corners=False)
    seen = F.grid_sample(hu - AIR_HU, grid, align_corners=False)[:, 0] + AIR_HU
    return windowed(seen).transpose(0, 1)


def _rescanned(hu: Tensor, rng: np.random.Generator) -> Tensor:
    """Softer or sharper, more noise, a gain and an offset: (rows, columns) HU."""
    draw = rng.random()
    if draw < 0.4:
        hu = _blurred(hu, float(rng.uniform(0.3, 0.9)))
    elif draw < 0.65:
        hu = hu + float(rng.uniform(0.3, 1.2)) * (hu - _blurred(hu, 0.9))
    if rng.random() < 0.6:
        noise = _blurred(
            torch.from_numpy(rng.standard_normal(hu.shape, dtype=np.float32)), float(rng.uniform(0.2, 0.9))
        )
        hu = hu + noise * (float(rng.uniform(0, 40)) / noise.std())
    return (hu - AIR_HU) * float(rng.uniform(0.95, 1.05)) + AIR_HU + float(rng.uniform(-30, 30))


def _blurred(hu: Tensor, sigma: float) -> Tensor:
    """Gaussian of `sigma` pixels, edges repeated."""
    at = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    x = F.pad(hu[None, None], (3, 3, 3, 3), mode="replicate")
    x = F.conv2d(F.conv2d(x, kernel.view(1, 1, 7, 1)), kernel.view(1, 1, 1, 7))
    return x[0, 0]
