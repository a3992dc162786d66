"""What intake needs of one DICOM file's header: a record of plain values that travels from the child to the parent.

The record holds identifiers (patient number, institution) because codes are made from them; it lives in memory only
and never reaches a case folder. `taking` and `series` work on these records and import no DICOM library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Frame:
    """One picture inside a file: where it lies and how its stored values become real ones.

    `position` is ImagePositionPatient, the centre of the first pixel, `orientation` the directions of a row (growing
    column index) and of a column (PS3.3 C.7.6.2.1.1); `spacing` is between (rows, columns) in mm. None = not given.
    `facets` holds what tells several pictures at one place apart (echo, time point, ...), as text.
    """

    position: Triple | None = None
    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, float] | None = None
    thickness: float | None = None
    slope: float | None = None
    intercept: float | None = None
    rescale_type: str = ""
    facets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """One DICOM file. Texts are stripped, "" if absent; numbers are None if absent or damaged."""

    syntax: str = ""
    sop_class: str = ""
    instance: str = ""
    series: str = ""
    study: str = ""
    modality: str = ""
    image_type: tuple[str, ...] = ()
    rows: int = 0
    columns: int = 0
    samples: int = 1
    photometric: str = ""
    bits_allocated: int = 0
    bits_stored: int = 0
    signed: bool = False
    padding: int | None = None
    padding_limit: int | None = None
    number: int | None = None
    windows: tuple[tuple[float, float], ...] = ()
    burned_in: str = ""
    tiled: bool = False
    spacing_at_detector: bool = False
    between_slices: float | None = None
    patient: tuple[str, str, str, str] = ("", "", "", "")
    place: tuple[str, str, str] = ("", "", "")
    kept: Mapping[str, Any] = field(default_factory=dict)
    elements: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = (Frame(),)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the way from the child to its parent."""
        return {**vars(self), "frames": [vars(frame) for frame in self.frames]}  # asdict copies deeply: 1 ms a file

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Header:
        """The header of what `to_json` gave, lists turned back into tuples."""
        values = {f.name: raw[f.name] for f in fields(cls)}
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(tuple(v) if isinstance(v, list) else v for v in value)
        values["frames"] = tuple(
            Frame(**{k: tuple(v) if isinstance(v, list) else v for k, v in frame.items()}) for frame in raw["frames"]
        )
        return cls(**values)
