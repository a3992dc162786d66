"""Real scans as ground to paint findings on: each taken in through the product's door, in several versions.

A version is the same patient as another scanner would have shown him: other thickness, a little larger or smaller, and
where the values are no HU another sequence (gamma, inverted greys, uneven coil). Nobody read these scans for this
purpose: what is in them already counts as normal, so a scan with a known finding must not be trained on.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from scipy import ndimage

from engine.encoders.proposer import GRID_MM, to_grid
from engine.intake import take_in
from engine.nouns import Geometry, Volume

THICKEST_MM = 6.5
FWHM = 2.355  # width of a Gaussian at half its height, in standard deviations


def real_versions(config: dict, folder: Path) -> list[str]:
    """Versions of the real scans that the config names, made where they lack; those that are not here are told."""
    names = []
    for file in (Path(config.get("real_folder", "")) / name for name in config.get("real", [])):
        if file.exists():
            names += make_versions(file, config["real_versions"], folder)
        else:
            print(f"{file} is not here: trained without it", flush=True)
    return names


def read_scan(file: Path) -> Volume:
    """The largest case of a file, read into memory. Raises what intake raises for a file it cannot read."""
    with tempfile.TemporaryDirectory() as kept:
        taken = take_in(file, Path(kept) / "scan", key=bytes(32), top_is_case=True)
        case = max(taken.cases, key=lambda c: np.prod(c.shape))
        voxels = np.load(Path(kept) / "scan" / case.id / "voxels.npy", allow_pickle=False)
    if voxels.ndim == 4:
        voxels = voxels.mean(-1)
    return Volume(voxels, case.geometry, case.is_hu)


def make_versions(file: Path, count: int, folder: Path) -> list[str]:
    """`count` versions of a real scan under `folder`, named after the file and a number; quick where they exist.

    FileNotFoundError where the scan is not there.
    """
    names = [f"real-{file.name.split('.')[0]}-{i}" for i in range(count)]
    if all((folder / f"{name}.json").exists() for name in names):
        return names
    volume = read_scan(file)
    for i, name in enumerate(names):
        seen = version(volume, np.random.default_rng([i, 79])) if i else volume
        grid = to_grid(seen)
        np.save(folder / f"{name}.npy", np.round(grid.hu.numpy()).astype(np.int16))
        about = {"finding": "unread", "grey": not volume.is_hu, "soft": softness(seen)}
        (folder / f"{name}.json").write_text(json.dumps(about))
    return names


def softness(volume: Volume) -> tuple[float, float, float]:
    """How soft an edge is in this scan, by slice, row and column: standard deviation in steps of the network's grid.

    A voxel averages over its own width; what is painted must be no sharper than that.
    """
    return tuple(float(s / FWHM / g) for s, g in zip(volume.geometry.spacing_mm, GRID_MM, strict=True))


def version(volume: Volume, rng: np.random.Generator) -> Volume:
    """The same patient from another scanner: thicker slices, another size, another sequence where there are no HU."""
    voxels, spacing = volume.voxels.astype(np.float32), list(volume.geometry.spacing_mm)
    most = int(THICKEST_MM // spacing[0])
    if most > 1 and (together := int(rng.integers(1, most + 1))) > 1:
        whole = len(voxels) // together * together
        voxels = voxels[:whole].reshape(-1, together, *voxels.shape[1:]).mean(1)
        spacing[0] *= together
    if not volume.is_hu:
        voxels = _another_sequence(voxels, rng)
    size = rng.uniform(0.85, 1.2)
    geometry = Geometry(spacing_mm=tuple(s * size for s in spacing))
    return Volume(np.round(voxels).astype(np.int16), geometry, volume.is_hu)


def _another_sequence(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey values 0..4000: gamma, half of the time bright and dark changed inside the body, an uneven coil."""
    low, high = np.quantile(values, (0.01, 0.995))
    level = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    body = ndimage.gaussian_filter(level, 1) > 0.12
    if rng.random() < 0.5:
        level = np.where(body, np.clip(1.05 - level, 0, 1), level)
    level = level ** np.exp(rng.normal(0, 0.3))
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in level.shape], indexing="ij")
    coil = sum(rng.normal(0, 0.12) * axis + rng.normal(0, 0.08) * axis**2 for axis in axes)
    return 4000 * level * np.exp(coil)
