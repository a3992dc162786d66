"""The demo project's studies: 24 synthetic patients of two hospitals as DICOM zips, their lesion masks, their truth.

hospital-A-01.zip ...   one series each, slices every 5 mm round the finding
masks.npz               bool (slices, rows, columns) by SeriesInstanceUID, index 0 at the feet
manifest.json           truth, geometry and hashes by SeriesInstanceUID
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.nouns import Geometry, Volume
from engine.phantoms.casting import choose_cast
from engine.phantoms.dicom import series_uid, stored_hu, write_zip
from engine.phantoms.maker import Phantom, Truth, make_phantom

DEMO_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "demo"
DEMO_HOSPITALS = ("A", "B")
SIZE, SLICES, COVER_MM = 256, 24, 120.0
# A fingerprint must not depend on what a reader makes of the padding outside the field of view or of metal.
FINGERPRINT_RANGE_HU = (-1000, 3000)


@dataclass(frozen=True)
class DemoSeries:
    """One series of the demo: its zip's name, the patient as written in the files, geometry and truth."""

    uid: str
    file: str
    patient: str
    geometry: Geometry
    truth: Truth
    fingerprint: str


def fingerprint(volume: Volume) -> str:
    """SHA-256 over HU (clipped to FINGERPRINT_RANGE_HU, little-endian, foot first): finds a demo series again after it
    went through intake, where its UIDs stay behind."""
    clipped = np.clip(volume.voxels, *FINGERPRINT_RANGE_HU).astype("<i2")
    if volume.geometry.axes[0][2] < 0:
        clipped = clipped[::-1]
    return hashlib.sha256(np.ascontiguousarray(clipped).tobytes()).hexdigest()


@cache
def demo_series(folder: Path = DEMO_FOLDER) -> tuple[DemoSeries, ...]:
    """All series of the demo in the manifest's order. Raises FileNotFoundError where the demo was not made."""
    raw = json.loads((folder / "manifest.json").read_text("utf-8"))
    return tuple(
        DemoSeries(
            uid=uid,
            file=entry["file"],
            patient=entry["patient"],
            geometry=Geometry.from_json(entry["geometry"]),
            truth=Truth.from_json(entry["truth"]),
            fingerprint=entry["fingerprint"],
        )
        for uid, entry in raw["series"].items()
    )


def demo_truth(folder: Path = DEMO_FOLDER) -> dict[str, Truth]:
    """Truth by SeriesInstanceUID."""
    return {series.uid: series.truth for series in demo_series(folder)}


def demo_mask(series_uid: str, folder: Path = DEMO_FOLDER) -> np.ndarray:
    """Lesion mask of a series: bool (slices, rows, columns), index 0 at the feet; all False for a normal one.

    Raises KeyError for a series that is not of the demo.
    """
    with np.load(folder / "masks.npz", allow_pickle=False) as masks:
        return masks[series_uid]


def match_demo(volume: Volume, folder: Path = DEMO_FOLDER) -> DemoSeries | None:
    """The demo series that a volume holds, by its voxels; None if it is not of the demo."""
    print_ = fingerprint(volume)
    return next((series for series in demo_series(folder) if series.fingerprint == print_), None)


def write_demo(folder: Path, report: Callable[[int, int, str], None] | None = None) -> None:
    """Make the whole demo in `folder`. `report(done, total, file)` is called after each series.

    The same command gives the same bytes on the same numpy and scipy; the manifest holds the files' SHA-256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cast = choose_cast(DEMO_HOSPITALS, COVER_MM)
    entries, masks = {}, {}
    in_hospital = dict.fromkeys(DEMO_HOSPITALS, 0)
    for number, (seed, finding, hospital) in enumerate(cast, start=1):
        in_hospital[hospital] += 1
        name = f"hospital-{hospital}-{in_hospital[hospital]:02d}.zip"
        phantom = make_phantom(
            seed, finding, hospital, size=SIZE, slices=SLICES, cover_mm=COVER_MM, around_finding=True
        )
        write_zip(phantom, folder / name, number)
        uid = str(series_uid(phantom))
        entries[uid] = _entry(phantom, folder / name, number)
        masks[uid] = phantom.mask
        if report:
            report(number, len(cast), name)
    np.savez_compressed(folder / "masks.npz", **masks)
    manifest = {
        "what": "Synthetic chest CT. Made by a computer, shows nobody. Not for diagnosis.",
        "made_by": "python -m engine phantoms --demo",
        "licence": "Apache-2.0, as the software that made it",
        "masks": {"file": "masks.npz", "sha256": _sha256(folder / "masks.npz")},
        "series": entries,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def _entry(phantom: Phantom, path: Path, number: int) -> dict[str, Any]:
    volume = phantom.volume
    as_stored = Volume(stored_hu(phantom), volume.geometry, volume.is_hu, volume.windows)
    return {
        "file": path.name,
        "sha256": _sha256(path),
        "patient": f"Phantom^{number:03d}",
        "fingerprint": fingerprint(as_stored),
        "geometry": volume.geometry.to_json(),
        "mask_voxels": int(phantom.mask.sum()),
        "truth": phantom.truth.to_json(),
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
