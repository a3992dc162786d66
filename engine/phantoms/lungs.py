"""The lung's own tissue: density, gravity, texture, fissures, emphysema."""

from __future__ import annotations

import numpy as np

from engine.phantoms.cavity import fissures
from engine.phantoms.grid import Grid
from engine.phantoms.person import Anatomy, Relief
from engine.phantoms.streams import stream

TEXTURE_HU, DRIFT_HU, GRAIN_HU = 13.0, 12.0, 9.0
# What is left where emphysema has eaten the walls of the alveoli.
EMPHYSEMA_HU = -955.0
FISSURE_HALF_MM = 0.8


def parenchyma(grid: Grid, anatomy: Anatomy, relief: Relief) -> np.ndarray:
    """HU of lung tissue at every voxel of the grid, whether lung or not."""
    person = anatomy.person
    texture = anatomy.parenchyma.on(grid.x, grid.x, grid.z)
    hu = person.lung_hu + TEXTURE_HU * texture + DRIFT_HU * anatomy.drift.on(grid.x, grid.x, grid.z)
    hu += GRAIN_HU * relief.mid
    hu += person.gravity_hu * _dependence(grid)
    _eat_away(hu, grid, anatomy, relief.mid, texture)
    z = grid.z[:, None, None]
    x, y = person.pose.to_patient(grid.x[None, None], grid.x[None, :, None], z)
    oblique, horizontal = fissures(person, x, y, z)
    sheet = np.exp(-((oblique / FISSURE_HALF_MM) ** 2))
    sheet += np.exp(-((horizontal / FISSURE_HALF_MM) ** 2)) * ((x < 0) & (oblique > 0))
    strength = float(stream(person.seed, "fissures").uniform(35, 90))
    hu += strength * np.clip(sheet * (1 + 0.25 * texture), 0, 1)
    return hu.astype(np.float32, copy=False)


def _dependence(grid: Grid) -> np.ndarray:
    """0 in front to 1 at the back, more at the bases: the weight of the lung above; (levels, rows, 1)."""
    back = np.clip((grid.x + 75) / 150, 0, 1.15) ** 1.5
    base = 1 + 0.25 * np.clip((60 - grid.z) / 90, 0, 1)
    # A thin dependent band at the very back, as in anyone who has lain for a while.
    return base[:, None, None] * (back + 0.35 * np.clip((grid.x - 68) / 25, 0, 1) ** 2)[None, :, None]


def _eat_away(hu: np.ndarray, grid: Grid, anatomy: Anatomy, mid: np.ndarray, texture: np.ndarray) -> None:
    """Centrilobular emphysema: dark spots, most of them in the upper lungs."""
    person = anatomy.person
    if person.emphysema <= 0:
        return
    height = np.clip((grid.z - 10) / (0.8 * person.apex), 0, 1)[:, None, None]
    share = person.emphysema * (0.25 + 0.75 * height)
    # Of a standard normal field the top `share` is eaten; 1.9 is near the 97th percentile.
    holes = np.clip(((0.75 * mid + 0.66 * texture) - (1.8 - 3.0 * share)) * 2.2, 0, 1)
    hu += holes * np.clip(share * 6, 0, 1) * (EMPHYSEMA_HU - hu)
