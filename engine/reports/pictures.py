"""The pictures of a report: the slice that matters with its map, and the labelled cases beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from engine.evidence.picture import as_seen, slice_picture, strongest_slice
from engine.evidence.saliency import Saliency
from engine.nouns import Note, Volume

SIDE, NEAR_SIDE = 560, 300  # px: 200 per inch where they stand 70 and 38 mm wide
QUALITY = 88  # of JPEG: a CT slice keeps its noise at a sixth of a PNG's size
RING_MM = 15.0  # radius of the ring around a finding
NEAR_MM = 90.0  # side of the part of a labelled case that is shown around its finding
RING = (255, 196, 61)


@dataclass(frozen=True)
class Shown:
    """What was drawn of a predicted case: JPEG bytes, None without a picture.

    `at` of `slices` is the slice of `picture`; `method` and `verdict` belong to its map. `closer`: the slice around the
    place that was looked at. `near`: the labelled cases beside it. `columns`: for rows of a table what each column adds
    to the answer, and `beside` the labelled rows most like it with the columns in which they differ (both from the job
    explain_row).
    """

    picture: bytes | None = None
    at: int = 0
    slices: int = 0
    method: str = ""
    verdict: Note | None = None
    closer: bytes | None = None
    near: tuple[bytes | None, ...] = ()
    columns: tuple[Mapping[str, Any], ...] = field(default=())
    beside: tuple[Mapping[str, Any], ...] = field(default=())


def map_picture(volume: Volume, saliency: Saliency, place_mm: Sequence[float] | None) -> tuple[bytes, int]:
    """(JPEG, slice) of the slice the map is strongest on, with a ring where the finding was looked for."""
    at = strongest_slice(volume, saliency)
    image = as_seen(slice_picture(volume, at, saliency), volume, SIDE)
    if place_mm is not None:
        slice_at, *centre = _place_on(image, volume, place_mm)
        if abs(slice_at - at) * volume.geometry.spacing_mm[0] <= RING_MM:
            _ring(image, centre, RING_MM * _scale(image, volume))
    return _jpeg(image), at


def near_picture(volume: Volume, at_mm: Sequence[float] | None, saliency: Saliency | None = None) -> bytes:
    """JPEG of a case: NEAR_MM around a place with the map over it if one is given, else its whole middle slice."""
    if at_mm is None:
        middle = volume.voxels.shape[0] // 2
        return _jpeg(as_seen(slice_picture(volume, middle), volume, NEAR_SIDE))
    slice_at = int(np.clip(round(float(volume.geometry.to_voxel(np.array(at_mm))[0])), 0, volume.voxels.shape[0] - 1))
    # Drawn large and cut afterwards, so that the cut keeps the pixels' own size.
    image = as_seen(slice_picture(volume, slice_at, saliency), volume, 1024)
    _, x, y = _place_on(image, volume, at_mm)
    half = NEAR_MM / 2 * _scale(image, volume)
    cut = image.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
    cut = cut.resize((NEAR_SIDE, NEAR_SIDE), Image.Resampling.BICUBIC)
    if saliency is None:
        _ring(cut, (NEAR_SIDE / 2, NEAR_SIDE / 2), RING_MM * NEAR_SIDE / NEAR_MM)
    return _jpeg(cut)


def _scale(image: Image.Image, volume: Volume) -> float:
    """Pixels of the drawn slice in one mm."""
    return image.size[0] / (volume.voxels.shape[2] * volume.geometry.spacing_mm[2])


def _place_on(image: Image.Image, volume: Volume, place_mm: Sequence[float]) -> tuple[float, float, float]:
    """(slice, x, y): the slice a point lies in, and its pixel on the picture (voxel centres lie half a pixel in)."""
    at, row, column = volume.geometry.to_voxel(np.array(place_mm))
    scale = _scale(image, volume)
    _, dy, dx = volume.geometry.spacing_mm
    return float(at), float(column + 0.5) * dx * scale, float(row + 0.5) * dy * scale


def _ring(image: Image.Image, centre: Sequence[float], radius: float) -> None:
    x, y = centre
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), outline=RING, width=2)


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()
