"""Findings painted into scans that lack them: endless examples for the proposer at a thousandth of a phantom's cost.

A finding is a star-shaped body with smooth bumps, blended in with the share of each cell that it covers, so edges
are as soft as the scanner's; the scan's own noise stays on top. Shapes and densities follow the wider end of what
the phantoms show, on purpose: the network should not learn one maker's hand.
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


@dataclass(frozen=True)
class Finding:
    """What was painted: `centre` in grid coordinates (z, y, x), radius in mm, mean HU inside, index into `KINDS`."""

    centre: tuple[float, float, float]
    radius_mm: float
    density: float
    kind: int


def paint(hu: np.ndarray, lung: np.ndarray, rng: np.random.Generator, avoid: list[Finding]) -> Finding | None:
    """Paint one finding into `hu` (z, y, x on `GRID_MM`, float32, changed in place), its centre in a cell of `lung`.

    `lung` is a bool array over cells as `engine.encoders.body` gives it. None where no lung has room.
    """
    step = np.array(GRID_MM)
    inside = np.argwhere(lung)
    if len(inside) < 30:
        return None
    kind = int(rng.choice(len(KINDS), p=SHARE))
    least, most = RADIUS_MM[KINDS[kind]]
    radius = float(least + (most - least) * rng.random() ** 1.6)  # more small ones: they are the hard ones
    for _ in range(20):
        centre = (inside[rng.integers(len(inside))] + rng.uniform(0, 1, 3)) * CELL - 0.5
        apart = [np.linalg.norm((centre - f.centre) * step) - 1.5 * f.radius_mm - 1.5 * radius for f in avoid]
        margin = np.minimum(centre, np.array(hu.shape) - 1 - centre) * step
        if margin.min() > 0.4 * radius and min(apart, default=1.0) > 0:
            break
    else:
        return None
    reach = np.ceil((radius * (2.6 if KINDS[kind] == "spiculated" else 1.7) + 6) / step).astype(int)
    low = np.maximum(0, np.floor(centre).astype(int) - reach)
    high = np.minimum(hu.shape, np.ceil(centre).astype(int) + reach + 1)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    axes = [(np.arange(a, b) - c) * s for a, b, c, s in zip(low, high, centre, step, strict=True)]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    cover, value = _body(KINDS[kind], radius, offsets, rng)
    cover = ndimage.gaussian_filter(cover, (rng.uniform(0, 0.9), rng.uniform(0, 0.5), 0))
    part = hu[box]
    if KINDS[kind] == "ground_glass":  # hazy lung, never hazy chest wall
        cover = cover * (ndimage.uniform_filter(part, (1, 3, 3)) < -450)
    grain = part - ndimage.uniform_filter(part, 3)
    part += cover * (value + 0.6 * np.clip(grain, -90, 90) - part)
    weight = cover.sum()
    density = float((cover * part).sum() / weight) if weight > 0 else 0.0
    return Finding(tuple(float(c) for c in centre), radius, density, kind)


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
