"""One level of the grid while the body is painted slice by slice, and the chest's own distances there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from engine.phantoms.grid import Grid
from engine.phantoms.person import Person, Relief
from engine.phantoms.shapes import ellipse, smooth_max, smooth_min, superellipse


@dataclass(frozen=True)
class Level:
    """A level, or a window of it: views of the grid with patient coordinates and random fields, all 2D.

    `angle` runs from 0 at the spine to pi at the sternum, the same on both sides.
    """

    person: Person
    z: float
    pixel: float
    x: np.ndarray
    y: np.ndarray
    hu: np.ndarray
    lung: np.ndarray
    low: np.ndarray
    mid: np.ndarray
    window: tuple[slice, slice] = (slice(None), slice(None))

    def cover(self, distance: np.ndarray, softness: float | None = None) -> np.ndarray:
        """Share of each pixel inside a surface at signed `distance` mm."""
        return np.clip(0.5 - distance / (softness or self.pixel), 0, 1)

    def put(self, distance: np.ndarray, hu: np.ndarray | float, softness: float | None = None) -> None:
        """Paint a shape given by its distance."""
        self.blend(self.cover(distance, softness), hu)

    def blend(self, cover: np.ndarray, hu: np.ndarray | float) -> None:
        """Paint by a given share of each pixel."""
        self.hu[:] += cover * (hu - self.hu)

    def part(self, low: tuple[float, float], high: tuple[float, float]) -> Level:
        """The window that holds the patient rectangle from `low` to `high` (x, y); small shapes are cheap there."""
        corners = np.array([[x, y, self.z] for x in (low[0], high[0]) for y in (low[1], high[1])])
        at = self.person.pose.to_table(corners)
        row = slice(*np.searchsorted(self._table_y, (at[:, 1].min() - 1, at[:, 1].max() + 1)).tolist())
        column = slice(*np.searchsorted(self._table_x, (at[:, 0].min() - 1, at[:, 0].max() + 1)).tolist())
        cut = {name: getattr(self, name)[row, column] for name in ("x", "y", "hu", "lung", "low", "mid")}
        return replace(self, **cut, window=(row, column))

    def of(self, whole: np.ndarray) -> np.ndarray:
        """The part of an array of the whole level that lies in this window."""
        return whole[self.window]

    @cached_property
    def angle(self) -> np.ndarray:
        return np.arctan2(np.abs(self.x), self.y)

    @cached_property
    def _table_x(self) -> np.ndarray:
        m = self.person.pose.matrix()
        return m[0, 0] * self.x[0] + m[0, 1] * self.y[0] + np.float32(self.person.pose.shift(self.z))

    @cached_property
    def _table_y(self) -> np.ndarray:
        m = self.person.pose.matrix()
        return m[1, 0] * self.x[:, 0] + m[1, 1] * self.y[:, 0]


def levels(grid: Grid, person: Person, relief: Relief) -> Iterator[Level]:
    """All levels of a grid from foot to head; painting on a level paints on the grid."""
    for k, z in enumerate(grid.z.tolist()):
        x, y = person.pose.to_patient(grid.x[None], grid.x[:, None], z)
        yield Level(person, z, grid.pixel_mm, x, y, grid.hu[k], grid.lung[k], relief.low[k], relief.mid[k])


@dataclass(frozen=True)
class Chest:
    """The chest's outlines at one level, as distances over the whole level (negative inside)."""

    level: Level
    taper: float  # 1 at the widest level, 0 at the apex
    half_width: float
    half_depth: float
    back: float  # how far the rib cage's centre lies behind the origin
    ribcage: np.ndarray  # inner surface of the ribs
    skin: np.ndarray
    breast: np.ndarray | None
    spine_y: float  # centre of the vertebral body
    spine_scale: float

    @property
    def narrowing(self) -> float:
        return 1 - self.taper

    @cached_property
    def vertebra(self) -> np.ndarray:
        """Distance to the vertebral body, over the whole level."""
        level, s = self.level, self.spine_scale
        return ellipse(level.x, level.y - self.spine_y, 18.5 * s, 14.5 * s) + 0.4 * level.mid


def chest_at(level: Level) -> Chest:
    """The rib cage, the skin and the breasts at a level."""
    person, z, x, y, low = level.person, level.z, level.x, level.y, level.low
    q = person.taper(z)
    a, b = person.half_width * (0.40 + 0.60 * q), person.half_depth * (0.52 + 0.48 * q)
    back = 10 * (1 - q)
    ribcage = superellipse(x, y - back, a, b, 2.35) + 1.2 * low
    skin = superellipse(
        x - person.twist * 0.3,
        y - 6 - 4 * (1 - q),
        person.half_width + 13 + 14 * person.muscle + person.fat + 8 * (1 - q),
        person.half_depth * (1 - 0.10 * (1 - q)) + 11 + 10 * person.muscle + person.fat * 0.8,
        2.45,
    )
    skin = smooth_max(skin + 0.9 * low, y - (person.half_depth + 26 + person.fat * 0.45), 12)  # flat on the table
    breast = None
    if person.sex == "F":
        across = ((np.abs(x) - 72) / (58 + person.fat * 0.4)) ** 2
        forward = ((y + b + 18) / (24 + person.fat)) ** 2
        breast = (np.sqrt(across + forward + ((z - 62) / 52) ** 2) - 1) * 30
        skin = smooth_min(skin, breast, 14)
    spine_y = 44 * person.scale + 6 * (1 - q) + 0.00036 * (z - 60) ** 2
    spine_scale = person.scale * (1 - 0.12 * z / 180)
    return Chest(level, q, a, b, back, ribcage, skin, breast, spine_y, spine_scale)
