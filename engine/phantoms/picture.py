"""A montage of phantoms for docs: one column each; lung window, the finding close up, soft tissue window, coronal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from engine.phantoms.maker import Phantom, make_phantom

LUNG, SOFT_TISSUE = (-600, 1500), (40, 400)
COLUMN = 256
CLOSE_UP_MM = 80.0
# The widest field of view gives the lowest coronal picture: 256 * 240 / 400 rows.
CORONAL_ROWS = 150
SHOWN = ((42, "smooth", "B"), (48, "spiculated", "B"), (43, "ground_glass", "A"), (42, "consolidation", "B"))
SHOWN += ((44, "cavity", "A"), (47, "normal", "C"))


def write_montage(path: Path) -> None:
    """Six patients, one a finding, as a PNG or JPEG by the name's ending."""
    columns = [_column(make_phantom(seed, finding, hospital)) for seed, finding, hospital in SHOWN]
    picture = Image.fromarray(np.hstack(columns))
    draw = ImageDraw.Draw(picture)
    for k, (_, finding, hospital) in enumerate(SHOWN):
        draw.text((k * COLUMN + 6, 4), f"{finding.replace('_', ' ')}, hospital {hospital} (synthetic)", fill=255)
    picture.save(path, quality=82)


def windowed(hu: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """uint8 grey of HU in a (centre, width) window."""
    centre, width = window
    return (np.clip((hu - centre) / width + 0.5, 0, 1) * 255).astype(np.uint8)


def _column(phantom: Phantom) -> np.ndarray:
    hu, mask, geometry = phantom.volume.voxels, phantom.mask, phantom.volume.geometry
    if mask.any():
        k = int(mask.sum((1, 2)).argmax())
        row, column = np.argwhere(mask[k]).mean(0).astype(int)
    else:
        k, row, column = len(hu) // 2, COLUMN // 2, COLUMN // 3
    half = round(CLOSE_UP_MM / 2 / geometry.spacing_mm[1])
    top, left = (int(np.clip(v - half, 0, hu.shape[1] - 2 * half)) for v in (row, column))
    close_up = _resized(windowed(hu[k, top : top + 2 * half, left : left + 2 * half], LUNG), COLUMN)
    high = round(COLUMN * len(hu) * geometry.spacing_mm[0] / (hu.shape[1] * geometry.spacing_mm[1]))
    coronal = _resized(windowed(hu[::-1, row], LUNG), high)[:CORONAL_ROWS]
    return np.vstack([windowed(hu[k], LUNG), close_up, windowed(hu[k], SOFT_TISSUE), coronal])


def _resized(image: np.ndarray, height: int) -> np.ndarray:
    return np.array(Image.fromarray(image).resize((COLUMN, height), Image.Resampling.BICUBIC))
