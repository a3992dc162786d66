"""One synthetic chest CT with its truth: `make_phantom`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from engine.nouns import Geometry, Volume
from engine.phantoms import findings
from engine.phantoms.bones import paint_bones
from engine.phantoms.cavity import PLACEHOLDER_HU, paint_cavity
from engine.phantoms.grid import Grid
from engine.phantoms.levels import chest_at, levels
from engine.phantoms.lungmap import LungMap, map_lungs
from engine.phantoms.lungs import parenchyma
from engine.phantoms.mediastinum import Blood, contrast_blood, paint_mediastinum, plain_blood
from engine.phantoms.person import Anatomy, Person, Relief, draw_person
from engine.phantoms.plans import FINDINGS, Plan, plan_finding, slab_centre
from engine.phantoms.scanner import HOSPITALS, SCANNERS, Scanner, add_table, scan
from engine.phantoms.streams import stream
from engine.phantoms.vessels import Branches, grow_vessels, paint_vessels
from engine.phantoms.wall import paint_wall

# Thick slices are averaged from levels about this far apart.
LEVEL_MM = 2.5
# A whole chest begins this far under the right dome of the diaphragm in an average person.
FOOT_MM = -50.0
# A voxel belongs to the finding if at least this share of it does: thin spikes should count.
MASK_SHARE = 0.4
WINDOWS = ((-600.0, 1500.0), (40.0, 400.0))


@dataclass(frozen=True)
class Truth:
    """What is known about a phantom because we made it so.

    `sex` is "F" or "M", `age` in years, `side` the patient's "right" or "left", `lobe` "lower", "middle" or "upper".
    `centre_mm` is the centroid of the mask in the volume's LPS coordinates, or the planned centre where no slice meets
    the finding. `level_hu` is the finding's tissue, `lobulation` the relative height of its bumps, `emphysema` the
    share of the upper lungs that is eaten away. A normal phantom has side and lobe "", radius 0, no centre and no
    level.
    """

    seed: int
    finding: str
    hospital: str
    sex: str
    age: int
    contrast: bool
    emphysema: float = 0.0
    side: str = ""
    lobe: str = ""
    radius_mm: float = 0.0
    centre_mm: tuple[float, float, float] | None = None
    lobulation: float = 0.0
    spikes: int = 0
    level_hu: float | None = None
    wall_mm: float = 0.0
    fluid: bool = False
    calcified: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Truth:
        """The inverse of `to_json`; unknown keys are left aside."""
        known = {f.name for f in fields(cls)}
        kept = {key: value for key, value in raw.items() if key in known}
        if kept.get("centre_mm") is not None:
            kept["centre_mm"] = tuple(kept["centre_mm"])
        return cls(**kept)


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

    `finding` is one of FINDINGS, `hospital` one of HOSPITALS; `scanner_change` overrides fields of the hospital's
    `Scanner`. `slices` lie evenly over `cover_mm`. `around_finding` takes the levels round the finding, which is then
    inside but not always in the middle; a normal phantom gets a level from the same distribution. The same seed is the
    same patient with and without a finding, at every hospital. Raises ValueError for an unknown finding, hospital or
    setting.
    """
    scanner = _scanner(finding, hospital, scanner_change)
    anatomy, lungs, trees = _patient(seed)
    plan, contrast = _decide(seed, finding, hospital, scanner)
    person, pitch = anatomy.person, cover_mm / slices
    bottom = slab_centre(seed, finding, lungs, cover_mm) - cover_mm / 2 if around_finding else FOOT_MM * person.scale
    middles = bottom + (np.arange(slices) + 0.5) * pitch
    per_slice = max(1, round(min(scanner.thick, pitch) / LEVEL_MM))
    level_mm = min(scanner.thick, pitch) / per_slice
    inner = (np.arange(per_slice) - (per_slice - 1) / 2) * level_mm
    grid = Grid(size, scanner.fov / size, (middles[:, None] + inner).ravel(), level_mm, person.pose)

    blood = contrast_blood(seed) if contrast else plain_blood(seed)
    cover = _paint(grid, anatomy, trees, plan, blood, scanner, stream(seed, "table", hospital))
    voxels = scan(grid, scanner, per_slice, stream(seed, "noise", hospital))
    mask = cover.reshape(slices, per_slice, size, size).mean(1) > MASK_SHARE
    origin = (float(grid.x[0]), float(grid.x[0]), float(middles[0]))
    geometry = Geometry(origin_mm=origin, spacing_mm=(pitch, grid.pixel_mm, grid.pixel_mm))
    truth = _truth(person, plan, finding, hospital, contrast, geometry, mask)
    return Phantom(Volume(voxels, geometry, is_hu=True, windows=WINDOWS), mask, truth)


def plan_phantom(seed: int, finding: str, hospital: str, **scanner_change: Any) -> Truth:
    """The truth of a phantom without painting it (a quarter of a second); `centre_mm` is the planned centre."""
    scanner = _scanner(finding, hospital, scanner_change)
    plan, contrast = _decide(seed, finding, hospital, scanner)
    return _truth(_patient(seed)[0].person, plan, finding, hospital, contrast, None, None)


def _scanner(finding: str, hospital: str, change: dict[str, Any]) -> Scanner:
    if finding not in FINDINGS:
        raise ValueError(f"A phantom has one of the findings {', '.join(FINDINGS)}, not {finding!r}.")
    if hospital not in HOSPITALS:
        raise ValueError(f"A phantom comes from one of the hospitals {', '.join(HOSPITALS)}, not {hospital!r}.")
    if unknown := set(change) - {f.name for f in fields(Scanner)}:
        raise ValueError(f"A phantom's scanner has no setting {', '.join(sorted(unknown))}.")
    return replace(SCANNERS[hospital], **change)


@lru_cache(maxsize=2)
def _patient(seed: int) -> tuple[Anatomy, LungMap, dict[str, list[Branches]]]:
    """Who is scanned. Kept for the next call: the same patient is often wanted with and without a finding."""
    anatomy = Anatomy(draw_person(seed))
    lungs = map_lungs(anatomy)
    return anatomy, lungs, grow_vessels(anatomy.person, lungs)


def _decide(seed: int, finding: str, hospital: str, scanner: Scanner) -> tuple[Plan | None, bool]:
    """What is found, and whether contrast medium was given."""
    plan = None if finding == "normal" else plan_finding(seed, finding, _patient(seed)[1])
    contrast = bool(stream(seed, "contrast", hospital).random() < scanner.contrast)
    return plan, contrast


def _paint(
    grid: Grid,
    anatomy: Anatomy,
    trees: dict[str, list[Branches]],
    plan: Plan | None,
    blood: Blood,
    scanner: Scanner,
    table_rng: np.random.Generator,
) -> np.ndarray:
    """Paint everything on the grid; returns the finding's share of each voxel."""
    person, relief = anatomy.person, anatomy.relief(grid)
    back, front = _paint_body(grid, person, relief, blood)
    paint_mediastinum(grid, person, relief, blood)
    tissue, lung = parenchyma(grid, anatomy, relief), grid.lung.copy()
    brush = None if plan is None else findings.brush_for(grid, plan, relief, person.seed)
    kind = plan.kind if brush else ""
    part, hidden, cover = None, None, np.zeros_like(grid.hu)
    if kind == "ground_glass":
        part = findings.add_ground_glass(brush, tissue)
    elif kind == "consolidation":
        part = findings.add_consolidation(brush, tissue)
    grid.hu += lung * (tissue - PLACEHOLDER_HU)
    if kind == "consolidation":
        findings.add_air_bronchogram(brush, person, part)
        hidden = np.zeros_like(grid.hu)
        hidden[brush.where] = part
    paint_vessels(grid, trees, blood, lung, hidden)
    if kind in ("smooth", "spiculated"):
        part = findings.add_nodule(brush, person, blood)
    elif kind == "cavity":
        part = findings.add_cavity(brush)
    if part is not None:
        cover[brush.where] = part
    add_table(grid, scanner, back, front, table_rng)
    return cover


def _paint_body(grid: Grid, person: Person, relief: Relief, blood: Blood) -> tuple[float, float]:
    """Walls, bones and cavities of all levels; returns where back and front of the skin lie at mid stack, table y."""
    back = front = 0.0
    for k, level in enumerate(levels(grid, person, relief)):
        chest = chest_at(level)
        paint_wall(chest, blood.enhanced)
        paint_bones(chest)
        paint_cavity(chest, blood.enhanced)
        if k == len(grid.z) // 2:
            body = grid.x[(chest.skin < 0).any(1)]
            back, front = float(body.max()), float(body.min())
    return back, front


def _truth(
    person: Person,
    plan: Plan | None,
    finding: str,
    hospital: str,
    contrast: bool,
    geometry: Geometry | None,
    mask: np.ndarray | None,
) -> Truth:
    truth = Truth(person.seed, finding, hospital, person.sex, person.age, contrast, round(person.emphysema, 3))
    if plan is None:
        return truth
    centre = person.pose.to_table(np.array(plan.centre))
    if mask is not None and mask.any():
        centre = geometry.to_mm(np.argwhere(mask).mean(0))
    return replace(
        truth,
        side=plan.side,
        lobe=plan.lobe,
        radius_mm=round(plan.radius, 2),
        centre_mm=tuple(centre.round(2).tolist()),
        lobulation=round(plan.lobulation, 3),
        spikes=plan.spikes,
        level_hu=round(plan.level_hu, 1),
        wall_mm=round(plan.wall_mm, 2),
        fluid=plan.fluid_mm is not None,
        calcified=plan.calcified,
    )
