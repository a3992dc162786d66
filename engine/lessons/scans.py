"""The demo's scans as lessons need them: read once in a process's life, cut to what a lesson looks at.

The files are our own (assets/demo), made by `engine.phantoms`; nothing of a hospital ever comes this way.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
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
TILE = 96  # px of a case's small picture
POINT_MM = 40.0  # of a bare point's square (`engine.encoders.framing`)


@dataclass(frozen=True)
class Scan:
    """A finding of the demo: the study, the volume and the place of the finding in mm."""

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
def read(file: str) -> Volume:
    """The volume of a demo study, foot first."""
    series = next(s for s in demo_series() if s.file == file)
    slices = []
    with zipfile.ZipFile(DEMO_FOLDER / file) as packed:
        for name in packed.namelist():
            data = pydicom.dcmread(io.BytesIO(packed.read(name)))
            hu = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
            slices.append((float(data.ImagePositionPatient[2]), hu.astype(np.int16)))
    slices.sort(key=lambda pair: pair[0])
    return Volume(np.stack([hu for _, hu in slices]), series.geometry, True, (LUNG,))


@cache
def findings(kinds: tuple[str, ...] = FINDINGS) -> tuple[Scan, ...]:
    """The demo's studies with one of these findings, by kind, then as in the manifest."""
    found = []
    for kind in kinds:
        for series in demo_series():
            if series.truth.finding == kind:
                middle = np.argwhere(demo_mask(series.uid)).mean(0)
                centre = tuple(float(v) for v in series.geometry.to_mm(middle))
                found.append(Scan(series, read(series.file), Place(centre, None, "point", "person")))
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
