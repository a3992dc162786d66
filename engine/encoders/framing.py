"""Which slices of a case the encoder looks at, and which square of each: body without table and air, or a region.

A frame is chosen in mm, so that a finding has the same size in the picture whatever the scanner's field of view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from engine.nouns import Geometry, Place, Volume

MOST_SLICES = 28  # of a whole case; more add nothing measurable and cost time (docs/encoder.md)
MOST_REGION_SLICES = 5  # of a region
POINT_MM = 40.0  # square around a bare point: 24-40 mm tells nodules apart best (docs/encoder.md)
# Slices on both sides of the middle of a region. The middle slice alone tells findings apart better than all slices
# through them (0.87 against 0.79, docs/encoder.md): the others show less of the finding and more of its surroundings.
CORE_MM = 2.5
CORE_SHARE = 1 / 6  # of the region's depth, where that is more
BODY_HU = -400  # between lung and fat: the skin is above, air and most of a table's foam below
MARGIN_MM = 4.0  # kept around the body
COARSE = 128  # rows and columns of the thinned-out slices on which the body is found


@dataclass(frozen=True)
class Frame:
    """The part of a volume that becomes pictures: the slices and a box of voxels, which may reach past the edges.

    Picture row r (0..size-1) of a view covers volume rows `row0 + r * (row1 - row0) / size` and on; columns alike.
    """

    slices: tuple[int, ...]
    row0: float
    row1: float
    col0: float
    col1: float

    def paste(self, maps: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """Put maps (k, size, size) over the views back: (slices, rows, columns) float32, NaN where nobody looked."""
        out = np.full(shape, np.nan, np.float32)
        rows = _source(np.arange(shape[1]), self.row0, self.row1, maps.shape[1])
        cols = _source(np.arange(shape[2]), self.col0, self.col1, maps.shape[2])
        inside_r = (rows > -0.5) & (rows < maps.shape[1] - 0.5)
        inside_c = (cols > -0.5) & (cols < maps.shape[2] - 0.5)
        grid = np.meshgrid(rows[inside_r], cols[inside_c], indexing="ij")
        for k, s in enumerate(self.slices):
            patch = ndimage.map_coordinates(maps[k].astype(np.float32), grid, order=1, mode="nearest")
            out[s][np.ix_(inside_r, inside_c)] = patch
        return out

    def view_to_mm(self, geometry: Geometry, k: int, row: float, column: float, size: int) -> np.ndarray:
        """(3,) patient mm of pixel (row, column) of the k-th view."""
        r = self.row0 + (row + 0.5) * (self.row1 - self.row0) / size - 0.5
        c = self.col0 + (column + 0.5) * (self.col1 - self.col0) / size - 0.5
        return geometry.to_mm(np.array([self.slices[k], r, c]))


def _source(index: np.ndarray, first: float, last: float, size: int) -> np.ndarray:
    """Volume index -> fractional view index (both count pixel centres)."""
    return (index + 0.5 - first) * size / (last - first) - 0.5


def frame(volume: Volume, region: Place | None = None, most: int = MOST_SLICES) -> Frame:
    """The frame of a case, or of a region of it. Raises ValueError where the region lies outside the volume."""
    if region is not None:
        return _region_frame(volume, region)
    count = volume.voxels.shape[0]
    slices = evenly(0, count, most)
    rows, cols = volume.voxels.shape[1:3]
    box = body_box(volume, slices) if volume.is_hu else None
    box = box or (0, rows, 0, cols)
    return Frame(slices, *_square(box, volume.geometry.spacing_mm))


def evenly(first: int, last: int, most: int) -> tuple[int, ...]:
    """At most `most` indices of first..last-1, evenly spread and centred."""
    n = last - first
    k = min(n, most)
    return tuple(first + int((i + 0.5) * n / k) for i in range(k))


def _square(box: tuple[float, float, float, float], spacing: tuple[float, float, float]) -> tuple[float, ...]:
    """Widen (row0, row1, col0, col1) to a square in mm with the same centre."""
    row0, row1, col0, col1 = box
    side = max((row1 - row0) * spacing[1], (col1 - col0) * spacing[2])
    half_r, half_c = side / spacing[1] / 2, side / spacing[2] / 2
    r, c = (row0 + row1) / 2, (col0 + col1) / 2
    return r - half_r, r + half_r, c - half_c, c + half_c


def _region_frame(volume: Volume, region: Place) -> Frame:
    s, r, c = volume.geometry.to_voxel(np.array(region.centre_mm))
    depth, height, width = volume.geometry.spacing_mm
    shape = volume.voxels.shape
    if not (-0.5 - 1e-6 <= s <= shape[0] and -0.5 - 1e-6 <= r <= shape[1] and -0.5 - 1e-6 <= c <= shape[2]):
        raise ValueError(f"the region's centre {region.centre_mm} lies outside the volume")
    if region.size_mm is None:
        side, core = _point_side(volume), CORE_MM
    else:
        side = max(region.size_mm[1], region.size_mm[2], _point_side(volume))
        core = max(CORE_MM, region.size_mm[0] * CORE_SHARE)
    near = np.arange(shape[0])[np.abs(np.arange(shape[0]) - s) * depth <= core]
    if len(near) == 0:
        near = np.array([int(np.clip(round(s), 0, shape[0] - 1))])
    slices = evenly(int(near[0]), int(near[-1]) + 1, MOST_REGION_SLICES)
    half_r, half_c = side / height / 2, side / width / 2
    return Frame(slices, r + 0.5 - half_r, r + 0.5 + half_r, c + 0.5 - half_c, c + 0.5 + half_c)


def _point_side(volume: Volume) -> float:
    """Side of the square around a point: 40 mm, or a quarter of a picture that has no mm."""
    if volume.geometry.measured:
        return POINT_MM
    return max(volume.voxels.shape[1:3]) / 4


def body_box(volume: Volume, slices: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """(row0, row1, col0, col1) that holds the body in all the slices, or None where no body is found."""
    step = coarse_step(volume)
    masks = [body_mask(np.asarray(volume.voxels[s, ::step, ::step])) for s in slices]
    seen = np.any(masks, axis=0)
    if not seen.any():
        return None
    rows, cols = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    pad_r = MARGIN_MM / volume.geometry.spacing_mm[1]
    pad_c = MARGIN_MM / volume.geometry.spacing_mm[2]
    height, width = volume.voxels.shape[1:3]
    return (
        int(max(rows[0] * step - pad_r, 0)),
        int(min((rows[-1] + 1) * step + pad_r, height)),
        int(max(cols[0] * step - pad_c, 0)),
        int(min((cols[-1] + 1) * step + pad_c, width)),
    )


def coarse_step(volume: Volume) -> int:
    """Every how many voxels the body is looked for."""
    return max(1, max(volume.voxels.shape[1:3]) // COARSE)


def body_mask(slice_hu: np.ndarray) -> np.ndarray:
    """(rows, columns) HU of one thinned-out slice -> bool mask of the largest body in it, lungs filled, no table."""
    solid = ndimage.binary_opening(slice_hu > BODY_HU, iterations=2)  # cuts the table's thin shells and lines off
    labels, count = ndimage.label(solid)
    if count == 0:
        return np.zeros(slice_hu.shape, bool)
    sizes = np.bincount(labels.ravel())[1:]
    keep = np.isin(labels, 1 + np.flatnonzero(sizes > 0.25 * sizes.max()))  # both legs, arms beside the chest
    return ndimage.binary_fill_holes(ndimage.binary_dilation(keep, iterations=1))
