"""Bones of the chest at one level: spine, ribs with their cartilage, sternum, shoulder blades, collar bones.

Each is painted twice: cortex first, then the marrow inside it.
"""

from __future__ import annotations

import numpy as np

from engine.phantoms.levels import Chest, Level
from engine.phantoms.person import CARTILAGE_HU, FAT_HU, MUSCLE_HU
from engine.phantoms.shapes import bump, ellipse, superellipse

VERTEBRA_MM = 23.0  # one vertebra and its disc
# A rib falls this far from the spine to its cartilage; less, and one slice shows a closed white ring.
RIB_FALL_MM, RIB_FALL_BEFORE_CARTILAGE = 104.0, 2.40
CARTILAGE_RISE_MM = 48.0


def paint_bones(chest: Chest) -> None:
    """All bones at a level. The cage and its muscle are there already; lungs come after."""
    _spine(chest)
    _ribs(chest)
    height = chest.level.z / chest.level.person.apex
    if height < 0.82:
        _sternum(chest)
    if 0.38 < height < 1.1:
        _shoulder_blades(chest, height)
    if height > 0.84:
        _collar_bones(chest)


def _bone(level: Level, distance: np.ndarray, cortex_hu: float, cortex_mm: float, marrow_hu: np.ndarray) -> None:
    level.put(distance, cortex_hu)
    level.put(distance + cortex_mm, marrow_hu)


def _spine(chest: Chest) -> None:
    person, s, ys = chest.level.person, chest.spine_scale, chest.spine_y
    level = chest.level.part((-52, ys - 24), (52, ys + 64))
    x, y, mid, low = level.x, level.y - ys, level.mid, level.low
    within = (level.z / (VERTEBRA_MM * person.scale)) % 1  # place within a vertebra, 0 and 1 = mid disc
    muscle = np.maximum(ellipse(np.abs(x) - 24, y - 33, 24, 19), level.of(chest.skin) + 6)
    level.put(muscle, MUSCLE_HU + 4 * mid + (FAT_HU - MUSCLE_HU) * np.clip(0.45 - np.abs(mid - 0.5) * 2.5, 0, 0.5), 3)

    reach = (33 if 0.3 < within < 0.75 else 15) * s
    transverse = np.maximum(np.abs(y - 19 - 0.18 * np.abs(x)) - 4, np.abs(x) - reach)
    lamina = np.maximum(np.abs(y - 33 * s + 0.95 * np.abs(x)) - 4.2, np.abs(x) - 15 * s)
    behind = y - (54 if 0.15 < within < 0.8 else 38)
    spinous = np.maximum(np.maximum(np.abs(x + 0.6 * low) - 3, 30 - y), behind)
    arch = np.minimum(np.minimum(transverse, lamina), spinous)
    _bone(level, arch, 480, 1.6, person.marrow_hu + 90 + 40 * mid)

    disc = float(np.clip((0.14 - min(within, 1 - within)) * 10, 0, 1))
    waist = 1 - 0.08 * np.sin(np.pi * within)
    body = superellipse(x, y, 18.5 * s * waist, 14.5 * s, 2.3) + 0.4 * mid
    endplate = 260.0 * (abs(within - 0.16) < 0.035 or abs(within - 0.84) < 0.035)
    marrow = disc * 95 + (1 - disc) * (person.marrow_hu + 32 * mid + 15 * low + endplate)
    _bone(level, body, disc * 95 + (1 - disc) * 560, 1.5, marrow)

    canal = ellipse(x, y - 21 * s, 10.5, 9)
    level.put(canal, -30)
    level.put(canal + 2.2, 32)


def _ribs(chest: Chest) -> None:
    """Ribs are loops in a shell round the cage that fall from the spine to the side; cartilage rises in front."""
    level, person = chest.level, chest.level.person
    shell = (chest.ribcage > -1) & (chest.ribcage < 12) & (np.abs(level.x) > 12)
    if not shell.any():
        return
    depth, angle, low = chest.ribcage[shell], level.angle[shell], level.low[shell]
    beside, mid = np.abs(level.x)[shell], level.mid[shell]
    fall = RIB_FALL_MM * np.clip(angle / RIB_FALL_BEFORE_CARTILAGE, 0, 1) ** 0.9
    fall -= CARTILAGE_RISE_MM * np.clip(angle - RIB_FALL_BEFORE_CARTILAGE, 0, 0.72)
    lower = np.sort(np.array(person.ribs[2:], np.float32))
    height = level.z + fall + 1.5 * low
    nearest = np.clip(np.searchsorted((lower[1:] + lower[:-1]) / 2, height), 0, len(lower) - 1)
    rib = _rib(depth, height - lower[nearest], 5.8)
    for first in person.ribs[:2]:
        rib = np.minimum(rib, _rib(depth, level.z + 0.55 * fall + 1.5 * low - first, 4.5))
    rib = np.maximum(rib, (beside < 21) * np.float32(9))
    cartilage = np.clip((angle - RIB_FALL_BEFORE_CARTILAGE) * 12, 0, 1)
    hu = level.hu[shell]
    cortex = (1 - cartilage) * 640 + cartilage * (CARTILAGE_HU + 23)
    hu += level.cover(rib) * (cortex - hu)
    marrow = (1 - cartilage) * (person.marrow_hu + 10 + 40 * mid) + cartilage * (CARTILAGE_HU + 10 * mid)
    hu += level.cover(rib + 1.2) * (marrow - hu)
    level.hu[shell] = hu


def _rib(depth: np.ndarray, above: np.ndarray, half_height: float) -> np.ndarray:
    """Distance to ribs 8 mm thick whose middle lies `above` mm away."""
    return (np.hypot((depth - 5.4) / 3.9, above / half_height) - 1) * 3.9


def _sternum(chest: Chest) -> None:
    person, front = chest.level.person, -chest.half_depth + chest.back
    level = chest.level.part((-40, front - 18), (40, front + 12))
    half = 17 + 10 * (level.z > person.apex * 0.66) - 4 * (level.z < 30)
    shape = superellipse(level.x - 0.4 * person.twist, level.y - front + 5.5, half, 6.2, 3) + 0.3 * level.mid
    _bone(level, shape, 420, 1.4, person.marrow_hu - 60 + 35 * level.mid)


def _shoulder_blades(chest: Chest, height: float) -> None:
    """Blade, its spine above, the socket at the top."""
    level, person = chest.level, chest.level.person
    dx = np.abs(level.x) - (chest.half_width + 24 + 16 * chest.narrowing)
    dy = level.y - chest.back - (0.50 * chest.half_depth + 4)
    turn = 0.95 - 0.35 * (height - 0.4)
    along, across = dx * np.cos(turn) - dy * np.sin(turn), dx * np.sin(turn) + dy * np.cos(turn)
    length = 34 * np.sin(np.pi * np.clip((height - 0.36) / 0.8, 0, 1)) ** 0.6
    edge = 2.0 * bump(along, -length, 6)
    blade = np.maximum(np.abs(across + 0.006 * along**2) - 1.6 - edge, np.abs(along) - length)
    if height > 0.72:
        spine = np.maximum(np.abs(along * 0.5 - across + 10) - 2.5, np.hypot(along, across) - 30)
        blade = np.minimum(blade, spine)
    if height > 0.82:
        blade = np.minimum(blade, np.hypot(along - 32, across + 2) - 12)
    # Muscle wraps the blade (subscapularis under it, infraspinatus over it), with fat between the bundles.
    wrap = np.maximum(np.hypot(across, np.maximum(np.abs(along) - length + 8, 0)) - 12 * person.muscle, chest.skin + 7)
    bundles = MUSCLE_HU + 5 * level.mid + (FAT_HU - MUSCLE_HU) * np.clip(0.6 - np.abs(level.low - 0.3) * 4, 0, 0.6)
    level.put(wrap + 1.5 * level.low, bundles, 2 * level.pixel)
    level.put(np.maximum(blade, chest.skin + 6), 560)
    level.put(np.maximum(blade + 1.6, chest.skin + 8), person.marrow_hu + 40 * level.mid)


def _collar_bones(chest: Chest) -> None:
    level, person = chest.level, chest.level.person
    side = np.abs(level.x)
    height = person.apex * 0.88 + 0.42 * (side - 15)
    front = level.y + chest.half_depth * 0.78 - 0.42 * side + 8
    bone = (np.hypot((level.z - height) / 6, front / 5.5) - 1) * 5.5
    bone = np.maximum(np.maximum(bone, 14 - side), side - 125)
    level.put(np.maximum(bone, chest.skin + 7), 650)
    level.put(np.maximum(bone + 2, chest.skin + 9), person.marrow_hu + 50 * level.mid)
