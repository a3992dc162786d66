"""Whether pictures of one size in one folder are the slices of one scan, or each something by itself.

Neighbouring slices show nearly the same; pictures of different people do not, however alike they were taken. What was
measured (docs/intake.md): slices up to 7 mm apart differ by 0.01 to 0.37 of a picture's own contrast, pictures of
eleven sets, each class a folder, by 0.5 and more in the median and seldom under 0.33; of eight pictures and more,
neighbours differ 0.1 to 0.5 times as much as far ones in a scan, 0.6 times and more elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SIDE = 16  # cells a side of what is compared
MOST = 256  # pixels a side, about, that are looked at
NEAR = 0.33  # of the pictures' own contrast
NEAR_TO_FAR, ENOUGH = 0.55, 8  # neighbours beside far ones, where there are so many pictures


def in_small(picture: np.ndarray) -> list[float]:
    """(rows, columns) or (rows, columns, 3) -> the grey means of SIDE x SIDE cells, row by row."""
    rows, columns = (max(1, n // MOST) for n in picture.shape[:2])
    picture = picture[::rows, ::columns]  # a slide of 100 megapixels is not copied into floats
    grey = picture.mean(2) if picture.ndim == 3 else picture.astype(float)
    for axis in (0, 1):
        edges = np.linspace(0, grey.shape[axis], SIDE + 1).astype(int)[:-1]
        counts = np.diff(np.append(edges, grey.shape[axis])).clip(1)
        sums = np.add.reduceat(grey, edges, axis=axis) if grey.shape[axis] >= SIDE else np.take(grey, edges, axis)
        grey = sums / (counts if axis else counts[:, None]) if grey.shape[axis] >= SIDE else sums
    return [round(float(v), 2) for v in grey.ravel()]


def one_scan(small: Sequence[Sequence[float]]) -> bool:
    """True if pictures in this order (each by `in_small`) look like neighbouring slices. One picture is one scan."""
    seen = np.asarray(small, float)
    if len(seen) < 2:
        return True
    near = float(np.median(np.abs(np.diff(seen, axis=0)).mean(1)))
    if near <= NEAR * seen.std(1).mean():
        return True
    if len(seen) < ENOUGH:
        return False
    half = len(seen) // 2
    return near <= NEAR_TO_FAR * float(np.median(np.abs(seen[half:] - seen[:-half]).mean(1)))
