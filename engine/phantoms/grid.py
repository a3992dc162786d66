"""The grid a phantom is painted on, and the brushes: every edge is painted with the covered fraction of its voxel.

Two frames, both in mm with LPS directions. The patient frame stands straight: x = 0 is the midline, z = 0 the top of
the right dome of the diaphragm. The table frame is the scanner's: the patient lies in it rolled, shifted and leaning
(`Pose`). Brushes take patient coordinates; the grid's axes are the table's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AIR_HU = -1000.0


@dataclass(frozen=True)
class Pose:
    """How a patient lies: nobody lies straight, and a symmetric patient looks drawn."""

    roll: float  # radians about z
    lean: float  # mm to the left for every mm to the head
    shift_mm: float

    def matrix(self) -> np.ndarray:
        """(2, 2) float32: patient (x, y) to table (x, y), before the shift."""
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.array([[c, -s], [s, c]], np.float32)

    def shift(self, z: np.ndarray | float) -> np.ndarray | float:
        """Shift to the left at a level, mm; none by leaning at mid chest (60 mm above the diaphragm)."""
        return self.shift_mm + self.lean * (z - 60)

    def to_table(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) patient mm to table mm."""
        points = np.asarray(points, dtype=float)
        out = points.copy()
        out[..., :2] = points[..., :2] @ self.matrix().T
        out[..., 0] += self.shift(points[..., 2])
        return out

    def to_patient(self, x: np.ndarray, y: np.ndarray, z: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Table x, y at level z to patient x, y (broadcasting)."""
        moved, m = x - self.shift(z), self.matrix()
        return m[0, 0] * moved + m[1, 0] * y, m[0, 1] * moved + m[1, 1] * y


@dataclass(frozen=True)
class Tube:
    """A pipe along patient points (n, 3): inner radius and wall in mm, HU of both."""

    points: np.ndarray
    radius: float
    hu: float
    wall_mm: float
    wall_hu: float


class Grid:
    """Thin levels of `size` x `size` pixels. `hu` and `lung` (share of lung in a voxel) are (levels, rows, columns).

    Levels are `level_mm` thick but need not touch: a scan with gaps paints only what it measures.
    """

    def __init__(self, size: int, pixel_mm: float, levels_mm: np.ndarray, level_mm: float, pose: Pose):
        self.size, self.pixel_mm, self.level_mm, self.pose = size, float(pixel_mm), float(level_mm), pose
        self.x = ((np.arange(size) - size / 2 + 0.5) * pixel_mm).astype(np.float32)
        self.z = np.asarray(levels_mm, np.float32)
        self.hu = np.full((len(self.z), size, size), AIR_HU, np.float32)
        self.lung = np.zeros_like(self.hu)

    def cover(self, distance: np.ndarray, softness: float | None = None) -> np.ndarray:
        """Share of a voxel inside a surface at signed `distance` mm; the edge is one pixel or `softness` mm wide."""
        return np.clip(0.5 - distance / (softness or self.pixel_mm), 0, 1)

    def box(self, low: np.ndarray, high: np.ndarray) -> tuple[tuple[slice, ...], list[np.ndarray]]:
        """Voxels between two table points: their slices, and x, y, z axes that broadcast to the box."""
        ends = [np.searchsorted(axis, (a, b)) for axis, a, b in zip((self.x, self.x, self.z), low, high, strict=True)]
        sx, sy, sz = (slice(int(a), int(b)) for a, b in ends)
        return (sz, sy, sx), [self.x[None, None, sx], self.x[None, sy, None], self.z[sz, None, None]]

    def paint(self, where: tuple, cover: np.ndarray, hu: np.ndarray | float, keep_lung: bool = False) -> None:
        """Blend `hu` in by `cover`; what is painted is no longer lung unless `keep_lung`."""
        self.hu[where] += cover * (hu - self.hu[where])
        if not keep_lung:
            self.lung[where] *= 1 - cover

    def ball(self, centre: np.ndarray, reach: float) -> tuple[tuple[slice, ...], np.ndarray]:
        """The box round a patient point: slices and offsets (3, levels, rows, columns) in patient mm, float32."""
        at = self.pose.to_table(centre)
        where, (x, y, z) = self.box(at - reach, at + reach)
        m = self.pose.matrix()
        dx = x - (at[0] + self.pose.lean * (z - at[2])).astype(np.float32)
        dy = y - np.float32(at[1])
        offset = np.broadcast_arrays(m[0, 0] * dx + m[1, 0] * dy, m[0, 1] * dx + m[1, 1] * dy, z - np.float32(at[2]))
        return where, np.stack(offset).astype(np.float32)

    def ellipsoid(
        self,
        centre: np.ndarray,
        radii: np.ndarray,
        hu: np.ndarray | float,
        *,
        axes: np.ndarray | None = None,
        warp: np.ndarray | None = None,
        keep_lung: bool = False,
    ) -> None:
        """Paint an ellipsoid; `axes` (3, 3) are its unit axes in rows, `warp` (the grid's shape) pushes its surface in
        by mm."""
        radii = np.asarray(radii, float)
        where, q = self.ball(centre, radii.max() * 1.15 + 6)
        if 0 in q.shape:
            return
        if axes is not None:
            q = np.tensordot(axes.astype(np.float32), q, 1)
        f = np.sqrt(sum((q[i] / np.float32(radii[i])) ** 2 for i in range(3))) + np.float32(1e-6)
        distance = np.sqrt((q**2).sum(0)) * (1 - 1 / f)
        if warp is not None:
            distance = distance + warp[where]
        self.paint(where, self.cover(distance), hu, keep_lung)

    def tube(
        self,
        points: np.ndarray,
        radius: np.ndarray | float,
        hu: float,
        *,
        keep_lung: bool = False,
        only: np.ndarray | None = None,
    ) -> None:
        """Paint a pipe along patient points (n, 3); `radius` may change along it.

        `only` (the grid's shape, 0..1) limits where it appears.
        """
        points = self.pose.to_table(points)
        radius = np.broadcast_to(np.asarray(radius, float), len(points))
        margin = radius.max() + 2 * max(self.pixel_mm, 1)
        where, axes = self.box(points.min(0) - margin, points.max(0) + margin)
        if any(s.stop <= s.start for s in where):
            return
        cover = self.cover(_pipe_distance(points, radius, *axes))
        if only is not None:
            cover *= only[where]
        self.paint(where, cover, hu, keep_lung)

    def walled_tubes(self, tubes: list[Tube], keep_lung: bool = False) -> None:
        """Paint pipes with walls: all walls first, so that pipes that meet share one inside."""
        for tube in tubes:
            self.tube(tube.points, tube.radius + tube.wall_mm, tube.wall_hu, keep_lung=keep_lung)
        for tube in tubes:
            self.tube(tube.points, tube.radius, tube.hu, keep_lung=keep_lung)

    def threads(self, points: np.ndarray, radius: np.ndarray, step_mm: np.ndarray) -> np.ndarray:
        """Share of each voxel filled by pipes thinner than a pixel, given as patient points every `step_mm`.

        Each point carries the volume of its piece of pipe and shares it among four pixels of the level that holds it:
        volume is kept, so a thin vessel has the right mean density. Returns the grid's shape, 0..1.
        """
        p = self.pose.to_table(points).astype(np.float32)
        level = np.clip(np.searchsorted(self.z, p[:, 2]), 1, max(len(self.z) - 1, 1))
        if len(self.z) > 1:
            level -= (p[:, 2] - self.z[level - 1]) < (self.z[level] - p[:, 2])
        else:
            level[:] = 0
        column, row = ((p[:, k] - self.x[0]) / self.pixel_mm for k in (0, 1))
        c0, r0 = np.floor(column).astype(np.int32), np.floor(row).astype(np.int32)
        inside = np.abs(p[:, 2] - self.z[level]) <= self.level_mm / 2
        inside &= (c0 >= 0) & (r0 >= 0) & (c0 < self.size - 1) & (r0 < self.size - 1)
        level, c0, r0 = level[inside], c0[inside], r0[inside]
        fc, fr = column[inside] - c0, row[inside] - r0
        share = (np.pi * radius**2 * step_mm)[inside] / (self.pixel_mm**2 * self.level_mm)
        base = (level * self.size + r0) * self.size + c0
        index = np.concatenate([base, base + 1, base + self.size, base + self.size + 1])
        weight = np.concatenate([(1 - fc) * (1 - fr), fc * (1 - fr), (1 - fc) * fr, fc * fr]) * np.tile(share, 4)
        filled = np.bincount(index, weight, self.hu.size).astype(np.float32)
        return np.minimum(filled, 1).reshape(self.hu.shape)


def _pipe_distance(points: np.ndarray, radius: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Distance to the surface of a chain of capsules, float32, in the broadcast shape of the axes."""
    best = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), 1e3, np.float32)
    for a, b, ra, rb in zip(points[:-1], points[1:], radius[:-1], radius[1:], strict=True):
        ax, ay, az = a.tolist()
        dx, dy, dz = (b - a).tolist()
        t = np.clip(((x - ax) * dx + (y - ay) * dy + (z - az) * dz) / (dx * dx + dy * dy + dz * dz + 1e-9), 0, 1)
        gap = np.sqrt((x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2 + (z - az - t * dz) ** 2)
        np.minimum(best, gap - (float(ra) + t * float(rb - ra)), out=best)
    return best
