"""The demo's scans as lessons need them: single slices, read once in a process's life.

The files are our own (assets/demo), made by `engine.phantoms`; nothing of a hospital ever comes this way.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pydicom
import torch
from PIL import Image
from torch import Tensor

from engine.encoders import Encoder, load_encoder
from engine.nouns import Place, Volume
from engine.phantoms.demo import DEMO_FOLDER, DemoSeries, demo_mask, demo_series

# In this order on the plane of lesson two; classes a, b, c.
FINDINGS = ("smooth", "spiculated", "ground_glass")
LUNG = (-600.0, 1500.0)
TILE = 64  # px of a case's small picture
POINT_MM = 40.0  # of a bare point's square (`engine.encoders.framing`)


@dataclass(frozen=True)
class Scan:
    """A finding of the demo: the study, the slices round the finding, and its place in mm."""

    series: DemoSeries
    volume: Volume
    place: Place

    @property
    def finding(self) -> str:
        return self.series.truth.finding


@cache
def encoder() -> Encoder:
    return load_encoder("cpu")


@cache
def _names(file: str) -> tuple[str, ...]:
    """The files of a study's slices, foot first."""
    with zipfile.ZipFile(DEMO_FOLDER / file) as packed:
        names = packed.namelist()
        first, last = (
            pydicom.dcmread(io.BytesIO(packed.read(name)), stop_before_pixels=True) for name in (names[0], names[-1])
        )
    rising = first.ImagePositionPatient[2] < last.ImagePositionPatient[2]
    return tuple(names if rising else reversed(names))


@cache
def cut(file: str, at: int) -> np.ndarray:
    """int16 (rows, columns) HU: one slice of a demo study, counted from the feet. Decodes that one alone."""
    with zipfile.ZipFile(DEMO_FOLDER / file) as packed:
        data = pydicom.dcmread(io.BytesIO(packed.read(_names(file)[at])))
    return (data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)).astype(np.int16)


def volume(series: DemoSeries, slices: Sequence[int]) -> Volume:
    """Evenly spaced slices of a study as a volume of their own, in their place."""
    geometry, step = series.geometry, slices[1] - slices[0] if len(slices) > 1 else 1
    origin = tuple(float(v) for v in geometry.to_mm(np.array([slices[0], 0.0, 0.0])))
    spacing = (geometry.spacing_mm[0] * step, *geometry.spacing_mm[1:])
    placed = replace(geometry, origin_mm=origin, spacing_mm=spacing)
    return Volume(np.stack([cut(series.file, s) for s in slices]), placed, True, (LUNG,))


@cache
def findings(kinds: tuple[str, ...] = FINDINGS) -> tuple[Scan, ...]:
    """The demo's studies with one of these findings, by kind, then as in the manifest."""
    found = []
    for kind in kinds:
        for series in demo_series():
            if series.truth.finding == kind:
                middle = np.argwhere(demo_mask(series.uid)).mean(0)
                centre = tuple(float(v) for v in series.geometry.to_mm(middle))
                slices = range(max(round(middle[0]) - 1, 0), min(round(middle[0]) + 2, len(_names(series.file))))
                found.append(Scan(series, volume(series, slices), Place(centre, None, "point", "person")))
    return tuple(found)


@cache
def embeddings(kinds: tuple[str, ...] = FINDINGS) -> Tensor:
    """(n, d) of `findings`, each looked at where it is, as if somebody had clicked on it."""
    rows = [encoder().encode(scan.volume, region=scan.place).embedding for scan in findings(kinds)]
    return torch.from_numpy(np.stack(rows)).float()


def tile(scan: Scan, side: int = TILE) -> np.ndarray:
    """uint8 (side, side): the place in the lung window, 40 mm wide."""
    at = encoder().frame(scan.volume, scan.place)
    cut = scan.volume.voxels[at.slices[len(at.slices) // 2]]
    rows, cols = _inside(at.row0, at.row1, cut.shape[0]), _inside(at.col0, at.col1, cut.shape[1])
    grey = np.clip((cut[rows, cols] - LUNG[0]) / LUNG[1] + 0.5, 0, 1) * 255
    return np.asarray(Image.fromarray(grey.astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC))


def _inside(first: float, last: float, size: int) -> slice:
    return slice(max(round(first), 0), min(round(last), size))
