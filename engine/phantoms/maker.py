"""One synthetic chest CT with its truth: `make_phantom`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.nouns import Geometry, Volume
from engine.phantoms import first

FINDINGS = ("normal", "smooth", "spiculated", "ground_glass", "consolidation", "cavity")
HOSPITALS = ("A", "B", "C", "screening")


@dataclass(frozen=True)
class Truth:
    """What is known about a phantom because we made it so.

    `side` is the patient's, "right" or "left"; `centre_mm` is in the volume's LPS coordinates (the centroid of the
    mask). A normal phantom has side "", radius 0 and no centre.
    """

    seed: int
    finding: str
    hospital: str
    sex: str
    age: int
    contrast: bool
    side: str = ""
    radius_mm: float = 0.0
    centre_mm: tuple[float, float, float] | None = None
    lobulation: float = 0.0
    spikes: int = 0
    level_hu: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Phantom:
    """`volume` in HU, `mask` (slices, rows, columns) bool: where the finding was painted; `truth` says what it is."""

    volume: Volume
    mask: np.ndarray
    truth: Truth


def make_phantom(
    seed: int,
    finding: str,
    hospital: str,
    *,
    size: int = 256,
    slices: int = 48,
    cover_mm: float = 240,
    around_finding: bool = False,
    **scanner_change: Any,
) -> Phantom:
    """A synthetic chest CT: int16 HU (slices, size, size), index 0 at the feet, z growing to the head (LPS).

    `finding` is one of FINDINGS, `hospital` one of HOSPITALS; `scanner_change` overrides a hospital's settings (fov,
    thick, kernel, noise, pad, table, contrast). `around_finding` takes the levels round the finding; a normal
    phantom gets a level from the same distribution. Raises ValueError for an unknown finding, hospital or setting.
    """
    if finding not in FINDINGS:
        raise ValueError(f"A phantom has one of the findings {', '.join(FINDINGS)}, not {finding!r}.")
    if hospital not in HOSPITALS:
        raise ValueError(f"A phantom comes from one of the hospitals {', '.join(HOSPITALS)}, not {hospital!r}.")
    if unknown := set(scanner_change) - set(first.HOSPITALS[hospital]):
        raise ValueError(f"Unknown scanner settings: {', '.join(sorted(unknown))}.")
    scan, patient, _, contrast, info, voxels, mask = first.make(
        seed, finding, hospital, size, slices, cover_mm, around_finding, scanner_change
    )
    spacing = (cover_mm / slices, scan.px, scan.px)
    origin = (float(scan.x[0]), float(scan.x[0]), float(scan.z0 + (spacing[0] - scan.dz) / 2))
    geometry = Geometry(origin_mm=origin, spacing_mm=spacing)
    centre = tuple(geometry.to_mm(np.argwhere(mask).mean(0)).round(2).tolist()) if mask.any() else None
    truth = Truth(
        seed=seed,
        finding=finding,
        hospital=hospital,
        sex="F" if patient["female"] else "M",
        age=patient["age"],
        contrast=contrast,
        side="" if centre is None else ("right" if centre[0] < 0 else "left"),
        radius_mm=float(info.get("R", 0.0)),
        centre_mm=centre,
        level_hu=info.get("level"),
    )
    return Phantom(Volume(voxels, geometry, is_hu=True, windows=((-600, 1500), (40, 400))), mask, truth)
