"""Findings painted into scans that lack them: endless examples for the proposer at a thousandth of a phantom's cost.

A finding is a star-shaped body with smooth bumps, blended in with the share of each cell that it covers, so edges
are as soft as the scanner's; the scan's own noise stays on top. Shapes and densities follow the wider end of what
the phantoms show, on purpose: the network should not learn one maker's hand. In the lung they are the phantoms' kinds;
elsewhere (`paint_soft`) a bright or dark body, solid, with a rim or with a halo, in the tissue that is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from engine.encoders.proposer import CELL, GRID_MM, KINDS

RADIUS_MM = {
    "smooth": (3.5, 12),
    "spiculated": (5, 14),
    "ground_glass": (8, 24),
    "consolidation": (14, 32),
    "cavity": (9, 22),
}
SHARE = (0.3, 0.3, 0.18, 0.1, 0.12)  # of `KINDS`
UNNAMED = -1  # kind of a finding outside the lung: none of `KINDS`
SOFT_RADIUS_MM = (4.0, 20.0)
Softness = tuple[float, float, float]  # of the scan's edges: standard deviation in grid steps, by slice, row, column


@dataclass(frozen=True)
class Finding:
    """What was painted: `centre` in grid coordinates (z, y, x), radius in mm, mean HU inside, index of its kind."""

    centre: tuple[float, float, float]
    radius_mm: float
    density: float
    kind: int


def paint(
    hu: np.ndarray, lung: np.ndarray, rng: np.random.Generator, avoid: list[Finding], soft: Softness = (0.0, 0.0, 0.0)
) -> Finding | None:
    """Paint one finding into `hu` (z, y, x on `GRID_MM`, float32, changed in place), its centre in a cell of `lung`.

    `lung` is a bool array over cells as `engine.encoders.body` gives it; `soft` how soft the scan's edges are.
    None where no lung has room.
    """
    kind = int(rng.choice(len(KINDS), p=SHARE))
    least, most = RADIUS_MM[KINDS[kind]]
    radius = float(least + (most - least) * rng.random() ** 1.6)  # more small ones: they are the hard ones
    centre = _room(hu.shape, lung, radius, rng, avoid)
    if centre is None:
        return None
    box, offsets = _box(hu.shape, centre, radius * (2.6 if KINDS[kind] == "spiculated" else 1.7) + 6)
    cover, value = _body(KINDS[kind], radius, offsets, rng)
    cover = ndimage.gaussian_filter(cover, np.hypot(soft, (rng.uniform(0, 0.9), rng.uniform(0, 0.5), 0)))
    part = hu[box]
    if KINDS[kind] == "ground_glass":  # hazy lung, never hazy chest wall
        cover = cover * (ndimage.uniform_filter(part, (1, 3, 3)) < -450)
    grain = part - ndimage.uniform_filter(part, 3)
    part += cover * (value + 0.6 * np.clip(grain, -90, 90) - part)
    return Finding(tuple(float(c) for c in centre), radius, _density(cover, part), kind)


def paint_soft(
    hu: np.ndarray,
    tissue: np.ndarray,
    rng: np.random.Generator,
    avoid: list[Finding],
    soft: Softness = (0.0, 0.0, 0.0),
    grey: bool = False,
) -> Finding | None:
    """Paint one bright or dark finding where `tissue` (bool over cells) is; as `paint` otherwise.

    `grey`: the values were no HU but mapped to look like them (`engine.encoders.proposer.to_grid`), where a lesion's
    contrast is far larger than in CT. None where there is no room, or where what is there is air or bone.
    """
    least, most = SOFT_RADIUS_MM
    radius = float(least + (most - least) * rng.random() ** 1.6)
    centre = _room(hu.shape, tissue, radius, rng, avoid)
    if centre is None:
        return None
    box, offsets = _box(hu.shape, centre, 1.9 * radius + 6)
    part, at = hu[box], tuple(np.clip(np.round(centre).astype(int), 0, np.array(hu.shape) - 1))
    around = ndimage.uniform_filter(part, (3, 5, 5))
    here = float(around[tuple(i - s.start for i, s in zip(at, box, strict=True))])
    if not (-500 if grey else -150) < here < 350:
        return None
    out = _bumpy(offsets * rng.uniform(0.75, 1.3, 3)[:, None, None, None], radius, rng.uniform(0.05, 0.25), rng)
    cover, strength = _layers(out, radius, rng)
    contrast = (rng.uniform(80, 380), -rng.uniform(120, 650)) if grey else (rng.uniform(25, 170), -rng.uniform(25, 110))
    step = contrast[int(rng.random() < 0.45)]
    step += 0.6 * float((part - around).std()) * np.sign(step)  # a contrast below the noise teaches noise
    kept = rng.uniform(0, 0.7)  # how much of the tissue's own pattern shows through
    value = here + step * strength + kept * (around - here) + (part - around)
    cover = ndimage.gaussian_filter(cover, soft)
    part += cover * (np.clip(value, -1000, 420 if grey else 3000) - part)
    return Finding(tuple(float(c) for c in centre), radius, _density(cover, part), UNNAMED)


def _room(
    shape: tuple[int, ...], cells: np.ndarray, radius: float, rng: np.random.Generator, avoid: list[Finding]
) -> np.ndarray | None:
    """A centre (z, y, x in grid steps) in one of the cells, away from the edge and from other findings."""
    step, inside = np.array(GRID_MM), np.argwhere(cells)
    if len(inside) < 30:
        return None
    for _ in range(20):
        centre = (inside[rng.integers(len(inside))] + rng.uniform(0, 1, 3)) * CELL - 0.5
        apart = [np.linalg.norm((centre - f.centre) * step) - 1.5 * f.radius_mm - 1.5 * radius for f in avoid]
        margin = np.minimum(centre, np.array(shape) - 1 - centre) * step
        if margin.min() > 0.4 * radius and min(apart, default=1.0) > 0:
            return centre
    return None


def _box(shape: tuple[int, ...], centre: np.ndarray, reach_mm: float) -> tuple[tuple[slice, ...], np.ndarray]:
    """The box round a centre, and (3, z, y, x) mm from the centre in it."""
    reach = np.ceil(reach_mm / np.array(GRID_MM)).astype(int)
    low = np.maximum(0, np.floor(centre).astype(int) - reach)
    high = np.minimum(shape, np.ceil(centre).astype(int) + reach + 1)
    axes = [(np.arange(a, b) - c) * s for a, b, c, s in zip(low, high, centre, GRID_MM, strict=True)]
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return box, np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def _density(cover: np.ndarray, part: np.ndarray) -> float:
    weight = cover.sum()
    return float((cover * part).sum() / weight) if weight > 0 else 0.0


def _layers(out: np.ndarray, radius: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | float]:
    """Of a body with the signed distance `out` in mm: the share of each cell covered, and the contrast there in -1..1.

    Solid, with a rim round a core of its own, or with a halo like the oedema round a tumour.
    """
    edge, draw = rng.uniform(1.0, 5.0), rng.random()
    cover = np.clip(0.5 - out / edge, 0, 1)
    if draw < 0.5:
        return cover, 1.0
    if draw < 0.8 and radius > 6:
        core = np.clip(0.5 - (out + rng.uniform(0.25, 0.55) * radius) / 2, 0, 1)
        return cover, 1 - core * rng.uniform(0.7, 1.8)
    halo = np.clip(0.5 - (out - rng.uniform(0.2, 0.7) * radius) / (2 * edge), 0, 1)
    return halo, cover + (1 - cover) * rng.uniform(-0.6, 0.5)


def _body(
    kind: str, radius: float, offsets: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | float]:
    """The share of each cell covered and the HU there. `offsets` (3, z, y, x) in mm from the centre."""
    squeeze = rng.uniform(0.8, 1.25, 3).astype(np.float32)[:, None, None, None]
    roughness = {"smooth": 0.08, "spiculated": 0.2, "ground_glass": 0.22, "consolidation": 0.28, "cavity": 0.16}[kind]
    out = _bumpy(offsets * squeeze, radius, roughness, rng)
    grain = ndimage.gaussian_filter(rng.standard_normal(out.shape), (1, 2, 2)).astype(np.float32)
    grain /= grain.std() + 1e-6
    solid = rng.uniform(0, 70)
    if kind == "ground_glass":
        soft = rng.uniform(4, 9)
        return np.clip(0.5 - (out + 2 * grain) / soft, 0, 1) * rng.uniform(0.7, 1.0), rng.uniform(
            -680, -480
        ) + 26 * grain
    if kind == "consolidation":
        holes = -850 * (ndimage.gaussian_filter(rng.standard_normal(out.shape), (0.7, 1.2, 1.2)) > 0.45)
        return np.clip(0.5 - (out + 2.5 * grain) / 5, 0, 1), solid + 9 * grain + holes * (rng.random() < 0.6)
    if kind == "cavity":
        wall = rng.uniform(2.5, 7.5)
        hollow = np.clip(0.5 - (out + wall * np.clip(1 + 0.3 * grain, 0.4, 2)) / 1.5, 0, 1)
        level = rng.uniform(0.05, 0.8) * radius if rng.random() < 0.6 else 1e3
        content = np.where(offsets[1] > level, 14.0, -960.0)
        return np.clip(0.5 - out / 1.5, 0, 1), (1 - hollow) * solid + hollow * content
    if kind == "spiculated":
        out = out + 0.8 * grain
        for _ in range(int(rng.integers(12, 30))):
            way = rng.normal(size=3)
            way /= np.linalg.norm(way)
            along = np.tensordot(way.astype(np.float32), offsets, 1)
            aside = np.sqrt(((offsets - way[:, None, None, None] * along) ** 2).sum(0))
            length, width = radius * rng.uniform(1.35, 2.5), rng.uniform(1.1, 2.4)
            spike = aside - width * np.clip(1 - along / length, 0, 1) ** 0.55
            out = np.minimum(out, np.where((along > 0) & (along < length), spike, 99))
    return np.clip(0.5 - out / 1.6, 0, 1), solid + 5 * grain


def _bumpy(offsets: np.ndarray, radius: float, roughness: float, rng: np.random.Generator) -> np.ndarray:
    """Signed mm to a star-shaped surface: a ball with smooth bumps."""
    away = np.sqrt((offsets**2).sum(0)) + 1e-3
    bumps = np.zeros_like(away)
    for _ in range(10):
        way = rng.normal(size=3).astype(np.float32)
        way /= np.linalg.norm(way)
        bumps += rng.normal(0, roughness) * np.exp(7 * (np.tensordot(way, offsets, 1) / away - 1))
    return away - radius * (1 + bumps)
