"""The two pleural cavities, the diaphragm and what lies under it; fissures and lobes."""

from __future__ import annotations

import numpy as np

from engine.phantoms.levels import Chest
from engine.phantoms.person import FAT_HU, LIVER_HU, SPLEEN_HU, Person
from engine.phantoms.shapes import bump, ellipse, smooth_max, superellipse

# Until the parenchyma is painted, the cavities hold a middle value.
PLACEHOLDER_HU = -860.0


def paint_cavity(chest: Chest, enhanced: float) -> None:
    """Abdomen under the diaphragm, then the lungs' share of every pixel into `level.lung`."""
    level = chest.level
    below = _below_diaphragm(chest)
    _abdomen(chest, below, enhanced)
    if chest.taper > 0.03:
        share = lung_cover(chest, below)
        level.blend(share, PLACEHOLDER_HU)
        level.lung[:] = share


def lung_cover(chest: Chest, below: np.ndarray | None = None) -> np.ndarray:
    """Share of each pixel that is lung, before the heart and vessels take theirs."""
    below = _below_diaphragm(chest) if below is None else below
    return chest.level.cover(np.maximum(_pleura(chest), below))


def _pleura(chest: Chest) -> np.ndarray:
    """Distance to the two pleural sacs at a level, open downwards."""
    level, q, narrowing = chest.level, chest.taper, chest.narrowing
    wide = level.person.half_width / 124
    half_width = (62 * q + 1) * wide
    half_depth = level.person.half_depth * (0.55 * q + 0.43 * q**0.6) + 0.1
    centre = (60 - 20 * narrowing) * wide
    sacs = superellipse(np.abs(level.x) - centre, level.y - 3 - 12 * narrowing, half_width, half_depth, 2.1)
    sacs = np.maximum(sacs, chest.ribcage + 0.6)
    hilar = 0.55 + 0.45 * (level.z > 40)
    middle = 4 + 12 * bump(level.y, -74, 14) + 22 * bump(level.y, 2, 37) * hilar + 2 * level.low
    behind = np.hypot(level.x, level.y - chest.spine_y - 20) - 27
    mediastinum = np.minimum(np.abs(level.x) - middle, np.minimum(chest.vertebra - 3, behind))
    return smooth_max(sacs, -mediastinum, 7)


def _below_diaphragm(chest: Chest) -> np.ndarray:
    """Distance above the diaphragm's surface: positive below it. The right dome stands 13 mm higher than the left."""
    level, person = chest.level, chest.level.person
    top = np.where(level.x < 0, person.dome, person.dome - 13)
    across = ((np.abs(level.x) - 50) / 70) ** 2
    along = ((level.y + 26) / np.where(level.y < -26, 92, 100)) ** 2
    dome = top - 52 * (across + along) ** 1.3 + 0.5 * level.low
    return ((dome - level.z) * 0.45).astype(np.float32)


def _abdomen(chest: Chest, below: np.ndarray, enhanced: float) -> None:
    """Liver with its vessels, stomach with gas, spleen, fat between; the diaphragm's muscle round them."""
    level, person = chest.level, chest.level.person
    inside = level.cover(np.maximum(-below, chest.ribcage + 2))
    if not inside.any():
        return
    x, y, mid, low = level.x, level.y, level.mid, level.low
    organs = FAT_HU + 7 * mid + 70 * np.clip(1 - np.abs(mid - 0.7) * 4, 0, 1)
    liver_hu = LIVER_HU + 45 * enhanced + 4 * mid
    vessel = np.clip(1.2 - np.hypot(mid - 0.7, low - 0.1) * 5, 0, 1) * level.cover(x + 0.55 * y + 8)
    liver_hu = liver_hu + vessel * (70 * enhanced - 14)
    organs = np.where(x + 0.55 * y < 32 - 0.25 * level.z + 4 * low, liver_hu, organs)
    spleen = ellipse(x - 78, y - 38, 38, 42) + 2 * low
    organs = np.where(spleen < 0, SPLEEN_HU + 55 * enhanced + 4 * mid, organs)
    stomach = ellipse(x - 48, y + 18, 42, 38) + 2.5 * low
    content = np.where(y < person.gas_y, -900, 28 + 6 * mid + 30 * np.clip(low - 0.6, 0, 1))
    organs = np.where(stomach < 0, np.where(stomach > -3.5, 44, content), organs)
    rim = np.clip(1 - np.abs(below - 1.5) / 1.5, 0, 1)
    level.blend(inside, organs * (1 - rim) + 45 * rim)
    vertebra = level.cover(chest.vertebra)
    level.blend(vertebra * inside, person.marrow_hu + 30 * mid)


def fissures(person: Person, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed mm to the oblique fissure (below it: lower lobe) and to the right lung's horizontal one."""
    wave = 6 * np.sin(x / 29 + y / 50 + person.scale * 40) + 4 * np.sin(z / 31 + y / 37)
    oblique = (z - 62 - 0.95 * y + wave + 0.004 * (np.abs(x) - 60) ** 2) / 1.38
    horizontal = z - 80 - 0.12 * y + 5 * np.sin(y / 37) + 0.003 * (x + 55) ** 2 + 0.002 * (y + 25) ** 2
    return oblique, horizontal


def lobe_of(person: Person, points: np.ndarray) -> np.ndarray:
    """0 lower, 1 middle (right lung only), 2 upper lobe of (n, 3) patient points."""
    x, y, z = np.asarray(points, dtype=float).T
    oblique, horizontal = fissures(person, x, y, z)
    return np.where(oblique < 0, 0, np.where((horizontal < 0) & (x < 0), 1, 2))
