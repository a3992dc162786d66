"""A map as a picture to take along: the slice that matters most, grey, with the map over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from engine.evidence.saliency import Saliency
from engine.nouns import Volume

SIDE = 512  # px of the longer side
OPACITY = 0.6  # of the strongest mark
QUIET = 0.15  # share of the strongest mark below which nothing is painted
CAPTION = "For research and teaching. Not a medical device. Do not use for diagnosis or treatment."
WINDOW_HU = (-600.0, 1500.0)  # where the file names no window: lung
WARM = np.array([(40, 11, 84), (121, 28, 109), (203, 65, 73), (246, 140, 40), (252, 236, 128)], float)  # inferno
COLD = np.array([(10, 30, 80), (20, 70, 140), (40, 120, 190), (90, 180, 220), (190, 235, 250)], float)  # "against"


def draw_png(path: Path, volume: Volume, saliency: Saliency, *, at: int | None = None) -> None:
    """Write the slice `at` (the strongest one by default) with its map: warm speaks for the class, cold against."""
    at = at if at is not None else strongest_slice(volume, saliency)
    image = as_seen(slice_picture(volume, at, saliency), volume)
    size = image.size
    sheet = Image.new("RGB", (max(size[0], SIDE), size[1] + 32))
    sheet.paste(image, (0, 0))
    pen = ImageDraw.Draw(sheet)
    pen.text((4, size[1] + 2), f"slice {at + 1} of {volume.voxels.shape[0]} - {saliency.method}", fill=(200, 200, 200))
    pen.text((4, size[1] + 16), CAPTION, fill=(160, 160, 160))
    about = PngInfo()
    about.add_text("Description", CAPTION)
    about.add_itxt("Class", saliency.label)
    part = path.with_name(path.name + ".part")
    sheet.save(part, "PNG", pnginfo=about)
    part.replace(path)


def strongest_slice(volume: Volume, saliency: Saliency) -> int:
    """Where the marks weigh most; the middle slice where nothing is marked."""
    return saliency.strongest[0] if saliency.strongest else volume.voxels.shape[0] // 2


def slice_picture(volume: Volume, at: int, saliency: Saliency | None = None) -> np.ndarray:
    """uint8 (rows, columns, 3): a slice in its window, with the map over it where one is given."""
    grey = _grey(volume, at)
    if saliency is None:
        return np.round(grey).clip(0, 255).astype(np.uint8)
    return _over(grey, _resampled(volume, saliency, at))


def as_seen(picture: np.ndarray, volume: Volume, side: int = SIDE) -> Image.Image:
    """A slice as it is in the patient: square mm, the longer side `side` pixels."""
    height, width = picture.shape[:2]
    dy, dx = volume.geometry.spacing_mm[1:]
    scale = side / max(height * dy, width * dx)
    size = (max(1, round(width * dx * scale)), max(1, round(height * dy * scale)))
    return Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)


def _grey(volume: Volume, at: int) -> np.ndarray:
    """(rows, columns, 3) in 0..255: the file's first window, the lung window for HU without one, else its own range."""
    cut = np.asarray(volume.voxels[at]).astype(np.float32)
    if cut.ndim == 3:
        return cut
    if volume.windows or volume.is_hu:
        centre, width = volume.windows[0] if volume.windows else WINDOW_HU
        low, high = centre - width / 2, centre + width / 2
    else:
        low, high = (0.0, 255.0) if volume.voxels.dtype == np.uint8 else np.percentile(cut, (0.5, 99.5))
    shown = np.clip((cut - low) / max(high - low, 1e-6), 0, 1) * 255
    return np.repeat(shown[..., None], 3, axis=2)


def _resampled(volume: Volume, saliency: Saliency, at: int) -> np.ndarray:
    """The map on the voxels of one slice, (rows, columns) in -1..1; 0 outside the map."""
    top = float(np.abs(saliency.map).max())
    rows, columns = volume.voxels.shape[1:3]
    if top == 0:
        return np.zeros((rows, columns))
    nearest = int(np.argmin([abs(s - at) for s in saliency.slices]))
    corner, opposite = (
        saliency.geometry.to_voxel(volume.geometry.to_mm(np.array([at, r, c])))[1:] for r, c in ((0, 0), (1, 1))
    )
    step = opposite - corner
    row_at, column_at = corner[0] + step[0] * np.arange(rows), corner[1] + step[1] * np.arange(columns)
    return _bilinear(saliency.map[nearest] / top, row_at, column_at)


def _bilinear(grid: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    inside = np.ix_(
        (rows > -0.5) & (rows < grid.shape[0] - 0.5),
        (columns > -0.5) & (columns < grid.shape[1] - 0.5),
    )
    out = np.zeros((len(rows), len(columns)))
    along = np.stack([np.interp(rows, np.arange(grid.shape[0]), grid[:, j]) for j in range(grid.shape[1])], 1)
    both = np.stack([np.interp(columns, np.arange(grid.shape[1]), line) for line in along])
    out[inside] = both[inside]
    return out


def _over(grey: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Paint marks (-1..1) over grey (rows, columns, 3) -> uint8."""
    strength = np.clip((np.abs(marks) - QUIET) / (1 - QUIET), 0, 1)
    places = np.linspace(0, 1, len(WARM))
    colours = np.where(
        (marks >= 0)[..., None],
        np.stack([np.interp(strength, places, WARM[:, i]) for i in range(3)], -1),
        np.stack([np.interp(strength, places, COLD[:, i]) for i in range(3)], -1),
    )
    alpha = (OPACITY * np.sqrt(strength))[..., None]
    return np.round(grey * (1 - alpha) + colours * alpha).clip(0, 255).astype(np.uint8)
