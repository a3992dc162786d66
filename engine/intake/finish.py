"""Last steps on a voxel file: missing slices, a common type, window hints, the thumbnail. Runs in the child."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

THUMB = 128
LUNG, SOFT_TISSUE, BONE, BRAIN = (-600.0, 1500.0), (40.0, 400.0), (400.0, 1800.0), (40.0, 80.0)
LUNG_HU = (-950, -500)
LUNG_SHARE = 0.10  # of the middle slice; an abdomen has bowel gas of 1-3 %, a chest 15-40 % lung
BLOCK = 16  # slices handled at a time, so that a large series is never in memory at once


def darkest(hu: np.ndarray) -> int | None:
    """The 1st percentile of a slice without its padding: air or the darkest tissue. None for a slice of padding."""
    real = hu[hu > -1024]
    return int(np.percentile(real, 1)) if real.size > hu.size // 100 else None


def fill(path: Path, index: int, below: int, above: int) -> None:
    """Slice `index` as the weighted mean of its nearest real neighbours."""
    voxels = np.load(path, mmap_mode="r+", allow_pickle=False)
    share = (index - below) / (above - below)
    mixed = voxels[below].astype(np.float32) * (1 - share) + voxels[above].astype(np.float32) * share
    voxels[index] = np.rint(mixed).astype(voxels.dtype)
    voxels.flush()


def finish(path: Path, thumb: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Bring voxels to the type that cases have, choose windows, draw the thumbnail.

    {"shape", "windows", "halved"}: unsigned 16-bit greys past int16 are halved; colour that is grey becomes grey.
    """
    if request.get("grey"):
        _keep_one_channel(path)
    halved = _fit_int16(path)
    voxels = np.load(path, mmap_mode="r", allow_pickle=False)
    middle = np.array(voxels[len(voxels) // 2])
    windows = [tuple(w) for w in request["windows"]]
    if halved:
        windows = [(c / 2, w / 2) for c, w in windows]
    if voxels.dtype != np.uint8:
        windows = windows or window_hints(middle, request["is_hu"])
    draw(middle, windows, request["spacing"], thumb)
    return {"shape": voxels.shape, "windows": windows, "halved": halved}


def window_hints(middle: np.ndarray, is_hu: bool) -> list[tuple[float, float]]:
    """(centre, width): the CT presets, lung first where the middle slice holds lung; else the range of its greys."""
    if is_hu:
        lung = float(((middle > LUNG_HU[0]) & (middle < LUNG_HU[1])).mean())
        return [LUNG, SOFT_TISSUE, BONE] if lung > LUNG_SHARE else [SOFT_TISSUE, LUNG, BONE]
    low, high = (float(v) for v in np.percentile(middle, (1, 99.5)))
    width = max(high - low, 1.0)
    return [(low + width / 2, width)]


def draw(middle: np.ndarray, windows: list[tuple[float, float]], spacing: list[float], thumb: Path) -> None:
    """The thumbnail: at most 128 px, true proportions, grey (or colour for colour pictures), no metadata."""
    if middle.dtype != np.uint8:
        centre, width = windows[0]
        middle = (((middle.astype(np.float32) - centre) / width + 0.5) * 255).clip(0, 255).astype(np.uint8)
    rows_mm, columns_mm = middle.shape[0] * spacing[1], middle.shape[1] * spacing[2]
    scale = THUMB / max(rows_mm, columns_mm)
    size = max(1, round(columns_mm * scale)), max(1, round(rows_mm * scale))
    Image.fromarray(middle).resize(size, Image.Resampling.BOX if min(middle.shape[:2]) > THUMB else 2).save(thumb)


def _fit_int16(path: Path) -> bool:
    """Turn a uint16 file into int16 in place: same bytes where no value passes 32767, else halved."""
    voxels = np.load(path, mmap_mode="r+", allow_pickle=False)
    if voxels.dtype != np.uint16:
        return False
    halved = max(int(voxels[i : i + BLOCK].max()) for i in range(0, len(voxels), BLOCK)) > np.iinfo(np.int16).max
    if halved:
        for i in range(0, len(voxels), BLOCK):
            voxels[i : i + BLOCK] >>= 1
        voxels.flush()
    _replace_type(path, "<u2", "<i2")
    return halved


def _replace_type(path: Path, old: str, new: str) -> None:
    with path.open("r+b") as file:
        head = file.read(128)
        file.seek(0)
        file.write(head.replace(f"'{old}'".encode(), f"'{new}'".encode()))


def _keep_one_channel(path: Path) -> None:
    colour = np.load(path, mmap_mode="r", allow_pickle=False)
    draft = path.with_suffix(".grey.npy")
    grey = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=colour.shape[:3])
    for i in range(0, len(colour), BLOCK):
        grey[i : i + BLOCK] = colour[i : i + BLOCK, ..., 0]
    grey.flush()
    draft.replace(path)
