"""Distances to shapes in mm (negative inside), and the small functions that shape them."""

from __future__ import annotations

import numpy as np


def superellipse(x: np.ndarray, y: np.ndarray, a: float, b: float, power: float) -> np.ndarray:
    """Distance along the ray from the centre to |x/a|^p + |y/b|^p = 1."""
    f = ((np.abs(x) / a) ** power + (np.abs(y) / b) ** power) ** (1 / power) + 1e-6
    return np.hypot(x, y) * (1 - 1 / f)


def ellipse(x: np.ndarray, y: np.ndarray, a: float, b: float) -> np.ndarray:
    """Distance to an ellipse, scaled by its shorter half-axis: right near it, cheap everywhere."""
    return (np.hypot(x / a, y / b) - 1) * min(a, b)


def smooth_min(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Union of two distances whose seam is rounded over `width` mm (polynomial smooth minimum)."""
    h = np.clip(0.5 + 0.5 * (b - a) / width, 0, 1)
    return b + (a - b) * h - width * h * (1 - h)


def smooth_max(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Intersection of two distances with a rounded seam."""
    return -smooth_min(-a, -b, width)


def bump(x: np.ndarray, centre: float, width: float) -> np.ndarray:
    """A Gaussian bump of height 1."""
    return np.exp(-(((x - centre) / width) ** 2))


def bezier(points: np.ndarray, count: int = 9) -> np.ndarray:
    """`count` points along a quadratic curve with control points (3, 3)."""
    t = np.linspace(0, 1, count)[:, None]
    a, b, c = np.asarray(points, dtype=float)
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c


def lumpy(
    rng: np.random.Generator, offset: np.ndarray, radius: float, amplitude: float, bumps: int = 14, sharpness: float = 6
) -> np.ndarray:
    """Distance to a ball of `radius` whose surface carries smooth bumps of relative height `amplitude`.

    `offset` is (3, ...) mm from the centre. Always draws the same count of numbers, whatever the grid.
    """
    directions = rng.normal(size=(bumps, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    heights = rng.normal(0, amplitude, bumps)
    length = np.sqrt((offset**2).sum(0)) + np.float32(1e-3)
    surface = np.zeros(length.shape, np.float32)
    for direction, height in zip(directions.astype(np.float32), heights.tolist(), strict=True):
        surface += height * np.exp(sharpness * (np.tensordot(direction, offset, 1) / length - 1))
    return length - radius * (1 + surface)
