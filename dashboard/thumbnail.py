"""A small picture of a case for the worklist: its middle slice in the window that fits its kind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 160
# Centre and width in HU, the viewer's presets. A slice shows lung where so much of what is not air around is lung.
LUNG, SOFT_TISSUE = (-600.0, 1500.0), (40.0, 400.0)
LUNG_SHARE = 0.15


def thumbnail(case_dir: Path) -> Path | None:
    """Draws `thumb.png` beside the case's voxels if it is not there; None where the case is not there."""
    target = case_dir / "thumb.png"
    if target.exists():
        return target
    try:
        voxels = np.load(case_dir / "voxels.npy", mmap_mode="r", allow_pickle=False)
        about = json.loads((case_dir / "case.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    grey = np.asarray(voxels[voxels.shape[0] // 2])
    if grey.dtype != np.uint8:
        low, high = _window(grey, about)
        grey = (np.clip((grey - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(grey)
    height, width = _size_mm(about, grey.shape)
    scale = SIZE / max(height, width)
    picture = picture.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX)
    making = case_dir / f".thumb-{os.getpid()}-{id(picture)}.png"
    picture.save(making)
    making.replace(target)
    return target


def _window(grey: np.ndarray, about: dict) -> tuple[float, float]:
    """(low, high): lung or soft tissue for HU, else the file's own window, else the range without its outer percent."""
    if about.get("is_hu"):
        inside = np.count_nonzero(grey > -950)
        lung = np.count_nonzero((grey > -950) & (grey < -500))
        centre, width = LUNG if lung > LUNG_SHARE * inside else SOFT_TISSUE
        return centre - width / 2, centre + width / 2
    if about.get("windows"):
        centre, width = about["windows"][0]
        return centre - width / 2, centre + max(width, 1) / 2
    low, high = np.percentile(grey, (1, 99))
    return float(low), float(max(high, low + 1))


def _size_mm(about: dict, shape: tuple[int, ...]) -> tuple[float, float]:
    """Height and width as they are in the patient, where pixels are not square."""
    _, row_mm, column_mm = about["geometry"]["spacing_mm"]
    return shape[0] * row_mm, shape[1] * column_mm
