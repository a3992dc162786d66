"""Small pictures of lung with and without a faint finding, some with a scanner's mark: what the shortcut lesson shows.

The lung is that of the demo's 24 synthetic patients of two hospitals; the finding and the mark are painted here, so
that where they are is known to the pixel. A patient gives two pictures, one with the finding and one without.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.encoders.views import VIEW_PX, windowed
from engine.lessons.scans import cut
from engine.phantoms.demo import SLICES, DemoSeries, demo_mask, demo_series

SIDE_MM = 40.0
LUNG_MEAN_HU = (-880.0, -700.0)  # of a square that is lung with its vessels and nothing else
DENSE_HU, DENSE_SHARE = -400.0, 0.06  # at most so much of it may be chest wall or heart
RADIUS_MM = 7.0
EDGE = 0.35  # of the radius over which the finding fades out
MARK = (6, 6, 26, 20)  # row, column, height, width of the mark's box in a view of 128 px
STROKE = 5


@dataclass(frozen=True)
class Picture:
    """`view` (3, 128, 128) in 0..1 as the encoder takes it; `sick`: it shows the finding; `marked`: the mark too."""

    view: Tensor
    patient: str
    hospital: str
    sick: bool
    marked: bool


@cache
def patches() -> tuple[tuple[str, str, tuple[np.ndarray, np.ndarray]], ...]:
    """(patient, hospital, two squares of lung in HU) of every demo patient, away from any finding."""
    found = []
    for series in demo_series():
        squares = _squares(series)
        if len(squares) == 2:
            found.append((series.patient, series.truth.hospital, (squares[0], squares[1])))
    return tuple(found)


def _squares(series: DemoSeries) -> list[np.ndarray]:
    """Two squares of lung, one of each half of the picture, from the slices nearest to the middle that have one."""
    mask, side = demo_mask(series.uid), round(SIDE_MM / series.geometry.spacing_mm[1])
    found: list[np.ndarray] = []
    for s in sorted(range(2, SLICES - 2, 3), key=lambda k: abs(k - SLICES // 2)):
        hu = cut(series.file, s).astype(np.float32)
        square = _square(hu, mask[s - 1 : s + 2].any(0), side, len(found))
        if square is not None:
            found.append(square)
        if len(found) == 2:
            break
    return found


def _square(hu: np.ndarray, sick: np.ndarray, side: int, half: int) -> np.ndarray | None:
    """A square of lung of one half of a slice (0: the picture's left), the emptiest there is; None without any."""
    best, best_dense = None, DENSE_SHARE
    height, width = hu.shape
    columns = range(side, width // 2 - side, 6) if half == 0 else range(width // 2, width - 2 * side, 6)
    for r in range(side, height - 2 * side, 6):
        for c in columns:
            box = hu[r : r + side, c : c + side]
            dense = float((box > DENSE_HU).mean())
            lung = LUNG_MEAN_HU[0] < box.mean() < LUNG_MEAN_HU[1]
            if lung and dense < best_dense and not sick[r : r + side, c : c + side].any():
                best, best_dense = box, dense
    return best


def make(rise: float, hospital: str, marks: str, first: int = 0, last: int | None = None) -> list[Picture]:
    """Two pictures of each patient of a hospital, one with the finding, `rise` HU denser than the lung.

    `marks`: "sick" marks those with the finding, "healthy" those without, "all", "none". `first`, `last`: which
    of the hospital's patients.
    """
    mine = [each for each in patches() if each[1] == hospital][first:last]
    made = []
    for number, (patient, _, squares) in enumerate(mine):
        for k, square in enumerate(squares):
            sick = (k + number) % 2 == 0
            marked = {"sick": sick, "healthy": not sick, "all": True, "none": False}[marks]
            made.append(Picture(view(square, rise if sick else 0.0, marked, number), patient, hospital, sick, marked))
    return made


def view(square: np.ndarray, rise: float, marked: bool, number: int = 0) -> Tensor:
    """(3, 128, 128): the square with a finding of `rise` HU a little off its middle, and with the mark or without."""
    hu = square + rise * ball(square.shape[0], number)
    channels = windowed(torch.from_numpy(hu.astype(np.float32)))
    grown = F.interpolate(channels[None], (VIEW_PX, VIEW_PX), mode="bilinear", antialias=True, align_corners=False)[0]
    grown = grown.clamp(0, 1)
    if marked:
        r, c, height, width = MARK
        grown[:, r : r + height, c : c + STROKE] = 1.0  # an L, as technicians place it
        grown[:, r + height - STROKE : r + height, c : c + width] = 1.0
    return grown


def ball(side: int, number: int) -> np.ndarray:
    """(side, side) in 0..1: a disc with a soft edge; its place differs from patient to patient."""
    rng = np.random.default_rng(number)
    radius = RADIUS_MM / SIDE_MM * side
    row, column = side * (0.58 + 0.08 * rng.uniform(-1, 1, 2))
    r, c = np.mgrid[:side, :side]
    away = np.hypot(r - row, c - column)
    return np.clip((radius - away) / (EDGE * radius) + 0.5, 0, 1)


def on_mark(grid: np.ndarray) -> np.ndarray:
    """Bool mask of the mark's box, with a margin of a map's blur, on a map (n, n) over the view."""
    n = grid.shape[-1]
    r, c, height, width = MARK
    margin, scale = 8, n / VIEW_PX
    mask = np.zeros((n, n), bool)
    mask[: round((r + height + margin) * scale), : round((c + width + margin) * scale)] = True
    return mask
