"""Soft tissue of the chest wall: skin, fat with its strands, breasts, muscle in bundles, the neck above the lungs."""

from __future__ import annotations

import numpy as np

from engine.phantoms.levels import Chest
from engine.phantoms.person import FAT_HU, MUSCLE_HU
from engine.phantoms.shapes import bump

# Ribs lie in a shell this thick outside the rib cage's inner surface.
RIB_SHELL_MM = 10.0


def paint_wall(chest: Chest, enhanced: float) -> None:
    """Everything outside the rib cage but bone. `enhanced` is 0 without contrast medium, 1 with."""
    muscle_hu = MUSCLE_HU + 12 * enhanced
    _skin_and_fat(chest)
    if chest.breast is not None:
        _glands(chest)
    _muscles(chest, muscle_hu)
    _axilla(chest)
    _inside_of_the_cage(chest, muscle_hu)
    if chest.narrowing > 0.2:
        _neck(chest, muscle_hu)


def _skin_and_fat(chest: Chest) -> None:
    level = chest.level
    level.put(chest.skin, 15)
    level.put(chest.skin + 2, FAT_HU + 7 * level.mid + 4 * level.low)
    # Septa are sheets: the places where a rough field crosses a value. Small vessels are where two such sheets meet.
    sheet = np.clip(1 - np.abs(level.mid - 0.9) * 6, 0, 1)
    dots = np.clip(1 - np.abs(level.mid + 0.8) * 4, 0, 1) * np.clip(1 - np.abs(level.low - 0.2) * 4, 0, 1)
    level.blend(level.cover(chest.skin + 4) * np.maximum(0.5 * sheet, 0.85 * dots), 15)


def _glands(chest: Chest) -> None:
    level, gland = chest.level, chest.level.person.gland
    share = np.clip((level.mid + 0.6 * level.low - 1.2 + gland) * 1.1, 0, 1)
    level.blend(share * level.cover(chest.breast + 9) * level.cover(26 - chest.ribcage), 35)


def _thickness(chest: Chest) -> np.ndarray:
    """How thick muscle lies on the ribs, mm: beside the spine, at the side (serratus, latissimus), in front (pectoral),
    and much of it round the shoulders."""
    level, angle = chest.level, chest.level.angle
    z, person = level.z, level.person
    beside_spine = 25 * bump(angle, 0, 0.40)
    side = 13 * bump(angle, 1.05, 0.38) * (0.4 + 0.6 * np.clip(z / 120, 0, 1))
    pectoral = 19 * bump(angle, 2.40, 0.34) * bump(z / person.apex, 0.64, 0.26)
    shoulder = 80 * chest.narrowing * bump(angle, 1.5, 0.85)
    return person.muscle * (3.0 + beside_spine + side + pectoral + shoulder)


def _muscles(chest: Chest, muscle_hu: float) -> None:
    level, depth = chest.level, chest.ribcage - RIB_SHELL_MM
    low, mid, fat = level.low, level.mid, level.person.fat
    thick = _thickness(chest)
    muscle = np.maximum(depth - thick + 0.6 * mid + 2.2 * low, chest.skin + 3 + 0.45 * fat)
    level.put(muscle, muscle_hu + 5 * mid, 2 * level.pixel)
    # Fat planes between layers come and go; a plane that runs all round looks like a contour map.
    present = np.clip(0.4 + 1.1 * low - 0.5 * mid, 0, 1)
    between = bump(depth, 0.52 * thick - 2.5 * low, 1.1) * (level.angle > 0.5) + bump(depth, 1.2 - low, 1.0)
    marbling = np.clip(0.55 - np.abs(mid + 0.3 * low) * 4.5, 0, 1) * (0.40 + 0.2 * fat / 15)
    share = np.maximum(0.9 * between * present, marbling) * level.cover(muscle + 2) * (depth > 0)
    level.blend(share, FAT_HU + 15)


def _axilla(chest: Chest) -> None:
    """The armpit: fat with lymph nodes and vessels."""
    if chest.narrowing <= 0.15:
        return
    level = chest.level
    beside = np.hypot(np.abs(level.x) - chest.half_width - 30, (level.y - chest.back - 4) * 0.8)
    beside -= 26 * chest.narrowing * (1.1 + 0.2 * level.low)
    nodes = np.clip(level.mid - 1.0, 0, 1) * 130
    level.blend(np.clip(0.5 - beside / 5, 0, 1) * level.cover(chest.skin + 14), FAT_HU + 8 * level.mid + nodes)


def _inside_of_the_cage(chest: Chest, muscle_hu: float) -> None:
    """Intercostal muscle with its fat, then fat for all that the cage holds; the organs come later."""
    level = chest.level
    streaky = np.clip(0.30 + 0.35 * level.mid, 0, 0.7)
    level.put(chest.ribcage - RIB_SHELL_MM, muscle_hu - 8 + 6 * level.mid + streaky * (FAT_HU - muscle_hu) * 0.8)
    if level.z < level.person.apex - 6:
        core = chest.ribcage - 1.5
    else:
        core = (np.hypot(level.x / 36, (level.y - 2) / 46) - 1) * 36 + 3 * level.low
    level.put(core, FAT_HU + 6 * level.mid)


def _neck(chest: Chest, muscle_hu: float) -> None:
    """Scalene and neck muscles above the apices, with fat planes."""
    level = chest.level
    share = level.cover(chest.ribcage + 1) * np.clip((chest.narrowing - 0.2) * 4, 0, 1)
    share *= np.clip((np.abs(level.x) - 24 - 5 * level.low) / 4, 0, 1)
    plane = np.clip(0.8 - np.abs(level.low - 0.5) * 3, 0, 0.9)
    level.blend(share, muscle_hu + 5 * level.mid + (FAT_HU - muscle_hu) * plane)
