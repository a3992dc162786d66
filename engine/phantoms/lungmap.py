"""Where the lungs are, on a coarse grid that no scanner changes: for choosing places and growing vessels.

The same painters that make the scan paint it, without bones or skin, at 4 mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from engine.phantoms.cavity import fissures, lobe_of, lung_cover
from engine.phantoms.grid import Grid
from engine.phantoms.levels import chest_at, levels
from engine.phantoms.mediastinum import paint_mediastinum, plain_blood
from engine.phantoms.person import Anatomy

STEP_MM = 4.0
FOOT_MM, HEAD_MM, WIDTH_MM = -80.0, 196.0, 320.0


@dataclass(frozen=True)
class LungMap:
    """Points of both lungs every 4 mm: `points` (n, 3) patient mm, `depth` (n,) mm under the pleura (heart and great
    vessels count as pleura), `lobe` (n,) 0 lower, 1 middle, 2 upper, `fissure` (n,) mm from the nearest fissure."""

    points: np.ndarray
    depth: np.ndarray
    lobe: np.ndarray
    fissure: np.ndarray


def map_lungs(anatomy: Anatomy) -> LungMap:
    """The lungs of a person."""
    person = anatomy.person
    grid = Grid(round(WIDTH_MM / STEP_MM), STEP_MM, np.arange(FOOT_MM, HEAD_MM, STEP_MM), STEP_MM, person.pose)
    relief = anatomy.relief(grid)
    for level in levels(grid, person, relief):
        chest = chest_at(level)
        if chest.taper > 0.03:
            level.lung[:] = lung_cover(chest)
    paint_mediastinum(grid, person, relief, plain_blood(person.seed))
    solid = grid.lung > 0.5
    depth = ndimage.distance_transform_edt(solid, sampling=STEP_MM)[solid]
    k, j, i = np.nonzero(solid)
    x, y = person.pose.to_patient(grid.x[i], grid.x[j], grid.z[k])
    points = np.stack([x, y, grid.z[k]], 1).astype(float)
    oblique, horizontal = fissures(person, *points.T)
    fissure = np.where((x < 0) & (oblique > 0), np.minimum(np.abs(oblique), np.abs(horizontal)), np.abs(oblique))
    return LungMap(points, depth, lobe_of(person, points), fissure)
