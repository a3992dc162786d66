"""Cases with known answers: every voxel's value and place can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.nouns import Case, Geometry, Volume
from engine.phantoms import make_phantom

ROT = np.deg2rad(20)
GEOMETRIES = {
    # slices to the head, rows to the back, columns to the left: the usual CT
    "plain": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    # slices to the feet, rows to the front, columns to the right: everything the other way round
    "flipped": ((0, 0, -1), (0, -1, 0), (-1, 0, 0)),
    # a sagittal series: slices to the left, rows to the feet, columns to the back
    "sagittal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    # a coronal series: slices to the back, rows to the feet, columns to the left
    "coronal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
    # turned 20 degrees about the head-foot axis
    "oblique": (
        (0, 0, 1),
        (-np.sin(ROT), np.cos(ROT), 0),
        (np.cos(ROT), np.sin(ROT), 0),
    ),
    # a gantry tilted by 20 degrees: the table moves to the head, the slices do not lie across it
    "tilted": ((0, 0, 1), (0, np.cos(ROT), -np.sin(ROT)), (1, 0, 0)),
}
SHAPE = (40, 96, 128)
SPACING = (2.5, 0.8, 0.8)
ORIGIN = (-51.2, -38.4, 120.0)


@dataclass(frozen=True)
class Known:
    case: Case
    volume: Volume
    synthetic: bool = False


def value_at(slice_: int, row: int, column: int) -> int:
    """The value of a voxel of the geometry cases: never the same at neighbours, within HU."""
    return -1000 + 7 * column + 3 * row + 11 * slice_


def _grid(axes: tuple[tuple[float, ...], ...], measured: bool = True) -> Volume:
    slices, rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    voxels = (-1000 + 7 * columns + 3 * rows + 11 * slices).astype(np.int16)
    axes = tuple(tuple(float(v) for v in axis) for axis in axes)
    return Volume(voxels, Geometry(ORIGIN, axes, SPACING, measured), is_hu=True)


@cache
def _big() -> Volume:
    """512x512x200, for the frame rate: a body, a lung that moves, and noise, so that nothing is constant."""
    rng = np.random.default_rng(1)
    rows, columns = np.ogrid[:512, :512]
    body = (rows - 256) ** 2 + (columns - 256) ** 2 < 200**2
    base = np.where(body, 40.0, -1000.0) + 30 * np.sin(rows / 20) * np.cos(columns / 25)
    voxels = np.empty((200, 512, 512), np.int16)
    for k in range(200):
        hole = (rows - 256) ** 2 + (columns - 170 - k // 4) ** 2 < 70**2
        voxels[k] = np.where(hole, -850, base) + rng.integers(-25, 26, (512, 512))
    return Volume(voxels, Geometry((-180.0, -180.0, 0.0), spacing_mm=(1.25, 0.7, 0.7)), is_hu=True)


def _picture(colour: bool, size: tuple[int, int] = (300, 400)) -> Volume:
    rows, columns = np.mgrid[: size[0], : size[1]]
    grey = ((columns * 255) // (size[1] - 1)).astype(np.uint8)
    geometry = Geometry(measured=False)
    if not colour:
        return Volume(grey[None], geometry, is_hu=False)
    rgb = np.stack([grey, ((rows * 255) // (size[0] - 1)).astype(np.uint8), np.full_like(grey, 40)], axis=-1)
    return Volume(rgb[None], geometry, is_hu=False)


@cache
def known(name: str) -> Known | None:
    """A case by its id, or None."""
    if name in GEOMETRIES:
        return _known(name, _grid(GEOMETRIES[name]))
    makers = {
        "unmeasured": lambda: _grid(GEOMETRIES["plain"], measured=False),
        "grey": lambda: _picture(False),
        "colour": lambda: _picture(True),
        "photo": lambda: _picture(True, (2000, 3000)),
    }
    if name.startswith("big"):
        return _known(name, _big())
    if name in makers:
        return _known(name, makers[name]())
    if name.startswith("phantom"):
        seed = int(name.removeprefix("phantom") or 1)
        return _known(name, make_phantom(seed, "spiculated", "A").volume, synthetic=True)
    return None


def _known(name: str, volume: Volume, synthetic: bool = False) -> Known:
    kind = "image" if len(volume.voxels) == 1 else "volume"
    case = Case(name, kind, name, volume.voxels.shape, volume.geometry, "p", is_hu=volume.is_hu, windows=volume.windows)
    return Known(case, volume, synthetic)


def overlay(one: Known) -> tuple[np.ndarray, Geometry]:
    """A map at a quarter of the resolution with one warm spot at a known place, and its grid."""
    slices, rows, columns = one.volume.voxels.shape[:3]
    step = (max(1, slices // 24), 4, 4)
    shape = tuple(max(1, n // s) for n, s in zip((slices, rows, columns), step, strict=True))
    grid = one.volume.geometry
    spacing = tuple(a * b for a, b in zip(grid.spacing_mm, step, strict=True))
    origin = tuple(grid.to_mm([(s - 1) / 2 for s in step]))
    k, r, c = np.ogrid[: shape[0], : shape[1], : shape[2]]
    at = [0.5 * shape[0], 0.5 * shape[1], 0.3 * shape[2]]
    far = ((k - at[0]) * spacing[0]) ** 2 + ((r - at[1]) * spacing[1]) ** 2 + ((c - at[2]) * spacing[2]) ** 2
    warm = (255 * np.exp(-far / (2 * 14.0**2))).astype(np.uint8)
    return warm, Geometry(origin, grid.axes, spacing)
