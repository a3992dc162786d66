"""What a finding will be and where, decided before anything is painted and without regard to the scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.phantoms.lungmap import STEP_MM, LungMap
from engine.phantoms.streams import stream

FINDINGS = ("normal", "smooth", "spiculated", "ground_glass", "consolidation", "cavity")
ABNORMAL = FINDINGS[1:]
# Radius in mm; design choices, see docs/phantoms.md.
RADIUS_MM = {
    "smooth": (4, 11),
    "spiculated": (6, 14),
    "ground_glass": (9, 24),
    "consolidation": (20, 38),
    "cavity": (11, 22),
}
LOBULATION = {
    "smooth": (0.05, 0.17),
    "spiculated": (0.15, 0.25),
    "ground_glass": (0.18, 0.26),
    "consolidation": (0.24, 0.32),
    "cavity": (0.10, 0.20),
}
SOLID_HU, GROUND_GLASS_HU = (22, 58), (-660, -520)
SPIKES = (16, 30)
# Thicker, and small cavities would close.
THICKEST_WALL_SHARE = 0.38
LOBES = {0: "lower", 1: "middle", 2: "upper"}


@dataclass(frozen=True)
class Plan:
    """A finding to paint. `centre` in patient mm; `level_hu` is its tissue; `edge_mm` the softness of ground glass;
    `fluid_mm` the depth under the centre where a cavity's fluid begins, None without fluid."""

    kind: str
    centre: tuple[float, float, float]
    radius: float
    side: str
    lobe: str
    level_hu: float
    lobulation: float
    spikes: int = 0
    edge_mm: float = 0.0
    wall_mm: float = 0.0
    fluid_mm: float | None = None
    calcified: bool = False
    pleural_tail: bool = False


def plan_finding(seed: int, kind: str, lungs: LungMap) -> Plan:
    """Draw a finding of a kind for a seed (not "normal")."""
    rng = stream(seed, "finding", kind)
    radius = float(rng.uniform(*RADIUS_MM[kind]))
    near, far = (4.0, 14.0) if kind == "consolidation" else (radius * 0.75 + 3, radius + 30)
    fit = (lungs.depth >= near) & (lungs.depth <= far)
    # A whole finding must lie in the lungs as scanned: not in the thin wedge beside the diaphragm.
    fit &= lungs.points[:, 2] > -40
    if not fit.any():
        fit = lungs.depth > 0.7 * lungs.depth.max()
    chosen = rng.choice(np.flatnonzero(fit))
    centre = lungs.points[chosen] + rng.uniform(-STEP_MM / 2, STEP_MM / 2, 3)
    solid, glass = rng.uniform(*SOLID_HU), rng.uniform(*GROUND_GLASS_HU)
    lobulation = float(rng.uniform(*LOBULATION[kind]))
    edge, wall, fluid = rng.uniform(4, 8), rng.uniform(2.5, 7.5), rng.uniform(0.05, 0.8)
    spikes, has_fluid, calcified = int(rng.integers(*SPIKES)), rng.random() < 0.6, rng.random() < 0.15
    return Plan(
        kind=kind,
        centre=tuple(centre.tolist()),
        radius=radius,
        side="right" if centre[0] < 0 else "left",
        lobe=LOBES[int(lungs.lobe[chosen])],
        level_hu=float(glass if kind == "ground_glass" else solid),
        lobulation=lobulation,
        spikes=spikes if kind == "spiculated" else 0,
        edge_mm=float(edge) if kind == "ground_glass" else 0.0,
        wall_mm=min(float(wall), THICKEST_WALL_SHARE * radius) if kind == "cavity" else 0.0,
        fluid_mm=float(fluid) * radius if kind == "cavity" and has_fluid else None,
        calcified=kind == "smooth" and bool(calcified),
        pleural_tail=kind == "spiculated",
    )


def slab_centre(seed: int, kind: str, lungs: LungMap, cover_mm: float) -> float:
    """The middle level, patient mm, of a slab that holds the finding but not always in its middle.

    A normal phantom gets the level that a finding of a random kind would have had.
    """
    rng = stream(seed, "slab")
    other, off = str(rng.choice(ABNORMAL)), rng.uniform(-0.25, 0.25) * cover_mm
    plan = plan_finding(seed, other if kind == "normal" else kind, lungs)
    room = max(cover_mm / 2 - 1.6 * plan.radius, 0.0)
    return plan.centre[2] + float(np.clip(off, -room, room))
