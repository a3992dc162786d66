"""The nouns that rooms of the engine hand each other: frozen, checked where they are made, trusted afterwards.

Coordinates: a voxel is (slice, row, column); a point in the patient is (x, y, z) in mm, DICOM's LPS
(x grows to the patient's left, y to the back, z to the head; PS3.3 C.7.6.2.1.1). Plain pictures have no
patient space: one pixel then counts as one "mm" and `Geometry.measured` is False.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

PHANTOM_MAKER = "Handful synthetic CT"  # Manufacturer (0008,0070) of a synthetic scan


@dataclass(frozen=True)
class Note:
    """A sentence for a person, by its key in `engine/sentences` and the values that fill it."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "values": dict(self.values)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Note:
        return cls(raw["key"], dict(raw.get("values", {})))


@dataclass(frozen=True)
class Refused:
    """A file that was not taken in: its name as uploaded, and why with what to do (key `refused.*`)."""

    file: str
    note: Note


@dataclass(frozen=True)
class Geometry:
    """Where a voxel array lies in the patient.

    `origin_mm` is the centre of voxel (0, 0, 0). `axes` are three unit vectors in LPS: along growing slice, row and
    column index. `spacing_mm` is (slice, row, column). `measured` is False where the file gave no spacing.
    """

    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axes: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    measured: bool = True

    def matrix(self) -> np.ndarray:
        """(3, 3): columns turn a step of one voxel along slice, row, column into mm."""
        return np.array(self.axes, dtype=float).T * np.array(self.spacing_mm, dtype=float)

    def to_mm(self, voxels: np.ndarray) -> np.ndarray:
        """(..., 3) voxel coordinates (slice, row, column) -> (..., 3) patient mm (x, y, z)."""
        return np.asarray(voxels, dtype=float) @ self.matrix().T + np.array(self.origin_mm)

    def to_voxel(self, points_mm: np.ndarray) -> np.ndarray:
        """(..., 3) patient mm -> (..., 3) fractional voxel coordinates; the inverse of `to_mm`."""
        return (np.asarray(points_mm, dtype=float) - np.array(self.origin_mm)) @ np.linalg.inv(self.matrix()).T

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Geometry:
        return cls(
            tuple(raw["origin_mm"]), tuple(tuple(a) for a in raw["axes"]), tuple(raw["spacing_mm"]), raw["measured"]
        )


@dataclass(frozen=True)
class Place:
    """A point, box or sphere in a case, in patient mm, and who set it.

    `size_mm` is the full extent along (slice, row, column) of the case, or None for a bare point. `shape` is
    "point", "box" or "sphere". `by` is "person" or "finder"; a finder's place carries its `score` in 0..1.
    """

    centre_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float] | None = None
    shape: str = "point"
    by: str = "person"
    score: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Place:
        size = raw.get("size_mm")
        return cls(tuple(raw["centre_mm"]), tuple(size) if size else None, raw["shape"], raw["by"], raw.get("score"))


@dataclass(frozen=True)
class Case:
    """One thing to judge: a CT series, a picture, later a patient's row or a molecule.

    `kind`: "volume" or "image". `shape` is (slices, rows, columns) or (slices, rows, columns, 3) for colour.
    `patient` is a keyed code, the same tomorrow as today; cases of one patient share it. `site` groups by where the
    scan was made (coded), "" if unknown. `is_hu` says that voxels are Hounsfield units. `kept` lists what stayed of
    the header (sex, age, kernel, ...). The voxels lie beside the case's own description as `voxels.npy`.
    """

    id: str
    kind: str
    name: str
    shape: tuple[int, ...]
    geometry: Geometry
    patient: str
    site: str = ""
    modality: str = ""
    is_hu: bool = False
    windows: tuple[tuple[float, float], ...] = ()
    notes: tuple[Note, ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)

    @property
    def synthetic(self) -> bool:
        """True for what `engine.phantoms` made: a scan has its name where a scanner's maker stands, a row says it."""
        return str(self.kept.get("manufacturer", "")) == PHANTOM_MAKER or self.kept.get("synthetic") is True

    def to_json(self) -> dict[str, Any]:
        raw = asdict(self)
        raw["notes"] = [n.to_json() for n in self.notes]
        raw["kept"] = dict(self.kept)
        return raw

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Case:
        return cls(
            id=raw["id"],
            kind=raw["kind"],
            name=raw["name"],
            shape=tuple(raw["shape"]),
            geometry=Geometry.from_json(raw["geometry"]),
            patient=raw["patient"],
            site=raw["site"],
            modality=raw["modality"],
            is_hu=raw["is_hu"],
            windows=tuple(tuple(w) for w in raw["windows"]),
            notes=tuple(Note.from_json(n) for n in raw["notes"]),
            kept=dict(raw["kept"]),
        )


@dataclass(frozen=True)
class Volume:
    """Voxels with their place in the patient.

    `voxels`: int16 (slices, rows, columns) in HU (`is_hu`) or in the file's grey values, or uint8 with an optional
    last axis of 3 for pictures; may be a read-only memory map.
    """

    voxels: np.ndarray
    geometry: Geometry
    is_hu: bool
    windows: tuple[tuple[float, float], ...] = ()

    @property
    def colour(self) -> bool:
        return self.voxels.ndim == 4
