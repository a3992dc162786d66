"""Who the phantom is: sizes and habits of one person, drawn from a seed. Sources of the numbers: docs/phantoms.md."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.phantoms.fields import Field, random_field
from engine.phantoms.grid import Grid, Pose
from engine.phantoms.streams import stream

# HU without contrast: usual values; fat as in the real slices that phantoms were compared with.
FAT_HU, MUSCLE_HU, BLOOD_HU, LIVER_HU, SPLEEN_HU, CARTILAGE_HU = -104.0, 52.0, 44.0, 58.0, 50.0, 92.0


@dataclass(frozen=True)
class Person:
    """One patient. Lengths in mm; `half_width` and `half_depth` are the rib cage's inside at its widest."""

    seed: int
    sex: str
    age: int
    scale: float  # height against an average person
    half_width: float
    half_depth: float
    apex: float  # height of the lungs above the right dome
    fat: float  # thickness under the skin
    muscle: float  # 1 = average man
    heart: float
    twist: float  # sternum off the midline
    dome: float  # right diaphragm, up or down
    lung_hu: float
    gravity_hu: float  # how much denser the lung is at the back
    emphysema: float  # share of the upper lung that is eaten away
    marrow_hu: float
    gland: float  # share of glandular tissue in a breast
    gas_y: float  # level of the gas in the stomach
    calcified: bool  # arteries
    ribs: tuple[float, ...]  # height of each rib at the spine
    pose: Pose

    def taper(self, z: float) -> float:
        """1 at the widest level of the chest, falling to 0 at the lungs' apex."""
        t = np.clip((z / self.apex + 0.02) / 1.02, 0, 1)
        return float(max(1 - t**2.5, 0.0) ** 0.5)


@dataclass(frozen=True)
class Relief:
    """The two fields that make shapes uneven, sampled on a grid: smooth (`low`) and rough (`mid`)."""

    low: np.ndarray
    mid: np.ndarray


@dataclass(frozen=True)
class Anatomy:
    """A person and the random fields that make it uneven; the same at every hospital."""

    person: Person

    def relief(self, grid: Grid) -> Relief:
        """Both fields at every voxel of a grid."""
        return Relief(*(field.on(grid.x, grid.x, grid.z) for field in (self.low, self.mid)))

    @cached_property
    def low(self) -> Field:
        """Smooth: bends outlines (28 mm)."""
        return random_field(stream(self.person.seed, "low"), 28, 5.5, 6.0)

    @cached_property
    def mid(self) -> Field:
        """Rough: marbling and texture (8 mm)."""
        return random_field(stream(self.person.seed, "mid"), 8, 3.4, 3.0)

    @cached_property
    def parenchyma(self) -> Field:
        """The lung's texture (12 mm)."""
        return random_field(stream(self.person.seed, "parenchyma"), 12, 2.6, 4.0)

    @cached_property
    def drift(self) -> Field:
        """Slow change of the lung's density (60 mm)."""
        return random_field(stream(self.person.seed, "drift"), 60, 3.5, 10.0)


def draw_person(seed: int) -> Person:
    """The person of a seed: sex even, 28 to 85 years."""
    rng = stream(seed, "person")
    female = bool(rng.random() < 0.5)
    scale = rng.normal(0.94 if female else 1.02, 0.04)
    fat = float(np.clip(rng.lognormal(np.log(17 if female else 13), 0.45), 5, 42))
    age = int(rng.integers(28, 86))
    apex = 178 * scale * rng.normal(1, 0.03)
    smoker = rng.random() < (0.45 if age > 50 else 0.1)
    return Person(
        seed=seed,
        sex="F" if female else "M",
        age=age,
        scale=float(scale),
        half_width=float(124 * scale * rng.normal(1, 0.03)),
        half_depth=float(88 * scale * rng.normal(1, 0.05) + fat * 0.12),
        apex=float(apex),
        fat=fat,
        muscle=float(np.clip(rng.normal(0.9 if female else 1.15, 0.12), 0.6, 1.5)),
        heart=float(rng.normal(1, 0.07)),
        twist=float(rng.normal(0, 3)),
        dome=float(rng.normal(0, 6)),
        lung_hu=float(rng.normal(-864, 14)),
        gravity_hu=float(rng.uniform(25, 75)),
        emphysema=float(rng.uniform(0.1, 0.4)) if smoker else float(rng.uniform(0, 0.06)),
        marrow_hu=float(168 - 1.4 * (age - 50) + rng.normal(0, 22)),
        gland=float(rng.uniform(0.1, 0.9)),
        gas_y=float(rng.uniform(-75, -22)),
        calcified=bool(rng.random() < np.clip((age - 45) / 40, 0, 0.9)),
        ribs=tuple(float(apex * 0.93 - i * 23 * scale + rng.normal(0, 1.5)) for i in range(12)),
        pose=Pose(float(np.radians(rng.normal(0, 3.2))), float(rng.normal(0, 0.05)), float(rng.normal(0, 7))),
    )
