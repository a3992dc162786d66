"""NIfTI and NRRD: one file is one volume. Runs in the child.

Both are brought to slices that a radiologist expects: the slice axis is the coarse one (or the axial one), rows grow
to the back or feet, columns to the left, by turning whole axes only; no voxel is resampled, and the geometry follows.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from engine.intake import voxels
from engine.intake.finish import darkest
from engine.intake.limits import Limits
from engine.intake.refusal import Refusal
from engine.nouns import Geometry

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])
COARSE = 1.5  # an axis this much coarser than the others was the slice axis
CT_RANGE = (-3100, -150, 32767)  # a grey scale that starts between the first two looks like HU
STRETCH_BELOW = 256  # fractions on a smaller range would be lost when rounded to whole numbers
STRETCHED_TO = 4095
NRRD_SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}


def read(path: Path, kind: str, out: Path | None, limits: Limits) -> dict[str, Any]:
    """{"shape", "geometry", "is_hu", "facts": [...], "told": {...}}; writes int16 voxels to `out` if given."""
    array, matrix, origin, measured = (_nifti if kind == "nifti" else _nrrd)(path, limits)
    array, geometry = upright(array, matrix, origin, measured)
    if not np.isfinite(array).all():
        raise Refusal("not_finite")
    values, is_hu, told = _whole_numbers(array)
    if out:
        voxels.create(out, values.shape, "<i2")
        for i, slice_ in enumerate(values):
            voxels.write_slice(out, values.shape, "<i2", i, slice_)
    if is_hu:
        told["darkest"] = darkest(values[len(values) // 2])
    return {
        "shape": values.shape,
        "geometry": geometry.to_json(),
        "is_hu": is_hu,
        "facts": [voxels.facts_of(s, {}) for s in values],
        "told": told,
    }


def upright(array: np.ndarray, matrix: np.ndarray, origin: np.ndarray, measured: bool) -> tuple[np.ndarray, Geometry]:
    """Array (i, j, k) with LPS step vectors as columns of `matrix` -> (slice, row, column) and its geometry."""
    steps = [np.asarray(matrix[:, a], dtype=float) for a in range(3)]
    lengths = [float(np.linalg.norm(s)) for s in steps]
    if min(lengths) <= 0 or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix / lengths)) < 0.1:
        raise Refusal("bad_geometry")
    main = _main_axes(steps, lengths)
    coarse = int(np.argmax(lengths))
    others = max(length for a, length in enumerate(lengths) if a != coarse)
    slice_axis = coarse if lengths[coarse] >= COARSE * others else main.index(2)
    # the patient axis that rows and columns follow: rows to the back, or to the feet; columns to the left, or the back
    row_axis, column_axis = sorted((a for a in range(3) if a != slice_axis), key=lambda a: {2: 0, 1: 1, 0: 2}[main[a]])
    order = [slice_axis, row_axis, column_axis]
    array, start = array.transpose(order), np.array(origin, dtype=float)
    axes, flips = [], []
    for position, axis in enumerate(order):
        wanted = -1.0 if main[axis] == 2 and position == 1 else 1.0
        step = steps[axis]
        backward = np.sign(step[main[axis]]) != wanted
        flips.append(slice(None, None, -1) if backward else slice(None))
        if backward:
            start = start + step * (array.shape[position] - 1)
            step = -step
        axes.append(tuple(float(v) + 0.0 for v in step / np.linalg.norm(step)))
    geometry = Geometry(tuple(float(v) for v in start), tuple(axes), tuple(lengths[a] for a in order), measured)
    return array[tuple(flips)], geometry


def _main_axes(steps: list[np.ndarray], lengths: list[float]) -> list[int]:
    """For each array axis the patient axis (0 left, 1 back, 2 head) it runs along most, each used once."""
    closeness = np.array([np.abs(s) / n for s, n in zip(steps, lengths, strict=True)])
    main = [-1, -1, -1]
    for _ in range(3):
        axis, patient = np.unravel_index(np.argmax(closeness), (3, 3))
        main[axis] = int(patient)
        closeness[axis, :], closeness[:, patient] = -1, -1
    return main


def _whole_numbers(array: np.ndarray) -> tuple[np.ndarray, bool, dict[str, Any]]:
    """Values -> int16, whether they look like HU, and what was done to them."""
    low, high = float(array.min()), float(array.max())
    is_hu = CT_RANGE[0] <= low <= CT_RANGE[1] and 0 < high <= CT_RANGE[2]
    told: dict[str, Any] = {}
    fractions = array.dtype.kind == "f" and not is_hu and high - low < STRETCH_BELOW and bool((array % 1).any())
    if fractions or low < -32768 or high > 32767:
        top = STRETCHED_TO if fractions else 32767
        array = (array.astype(np.float32) - low) * np.float32(top / max(high - low, 1e-12))
        told["stretched"] = True
    return (np.rint(array) if array.dtype.kind == "f" else array).astype(np.int16), is_hu, told


def _nifti(path: Path, limits: Limits) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    import nibabel

    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    raw = _gunzip(path, limits) if packed else path.read_bytes()
    second = raw[4:7] == b"n+2"
    image = (nibabel.Nifti2Image if second else nibabel.Nifti1Image).from_bytes(raw)
    del raw
    header = image.header
    shape = tuple(int(n) for n in image.shape)
    if header.get_data_dtype().kind not in "iuf":
        raise Refusal("not_grey")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        raise Refusal("four_d", count=int(np.prod(shape[3:], dtype=np.int64)))
    shape = (*shape, 1)[:3]
    _refuse_size(shape, limits)
    array = np.asarray(image.dataobj, dtype=None).reshape(shape)
    measured = bool(header["sform_code"] > 0 or header["qform_code"] > 0 or any(header["pixdim"][1:4] != 1))
    matrix, origin = RAS_TO_LPS @ image.affine[:3, :3], RAS_TO_LPS @ image.affine[:3, 3]
    return array, matrix * _to_mm(header), origin * _to_mm(header), measured


def _to_mm(header: Any) -> float:
    return {"meter": 1000.0, "micron": 0.001}.get(header.get_xyzt_units()[0], 1.0)


def _gunzip(path: Path, limits: Limits) -> bytes:
    with gzip.open(path) as file:
        raw = file.read(limits.volume_bytes // 2 + 1)
    if len(raw) > limits.volume_bytes // 2:
        raise Refusal("inflates", limit_mb=limits.volume_bytes >> 21)
    return raw


def _nrrd(path: Path, limits: Limits) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    import nrrd

    with path.open("rb") as file:
        header = nrrd.read_header(file)
        if "data file" in header or "datafile" in header:
            raise Refusal("nrrd_detached")
        shape = tuple(int(n) for n in header["sizes"])
        if len(shape) not in (2, 3):
            raise Refusal("four_d", count=int(np.prod(shape[3:], dtype=np.int64)))
        if header.get("type") == "block" or header.get("encoding") not in ("raw", "gzip", "gz", "bzip2", "bz2"):
            raise Refusal("not_grey")
        _refuse_size((*shape, 1)[:3], limits)
        array = nrrd.read_data(header, file, str(path), index_order="F")
    array = array.reshape((*shape, 1)[:3])
    directions = header.get("space directions")
    signs = np.diag(NRRD_SPACES.get(str(header.get("space", "")).lower(), (1, 1, 1)))
    if directions is not None and np.shape(directions) == (3, 3) and np.isfinite(directions).all():
        origin = np.asarray(header.get("space origin", (0, 0, 0)), dtype=float)
        return array, signs @ np.asarray(directions, dtype=float).T, signs @ origin, True
    spacings = np.asarray(header.get("spacings", np.ones(len(shape))), dtype=float)
    measured = "spacings" in header and bool(np.isfinite(spacings).all())
    lengths = np.ones(3)
    lengths[: len(spacings)] = spacings if measured else 1.0
    return array, np.diag(lengths), np.zeros(3), measured


def _refuse_size(shape: tuple[int, ...], limits: Limits) -> None:
    if min(shape) < 1:
        raise Refusal("no_pixels")
    if max(shape) > limits.side or int(np.prod(shape, dtype=np.int64)) * 2 > limits.volume_bytes:
        raise Refusal("volume_too_large", limit_mb=limits.volume_bytes >> 20)
