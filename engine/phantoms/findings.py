"""Paint a planned finding. Ground glass changes the lung tissue, consolidation fills it before the vessels come,
nodules and cavities lie over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.phantoms.grid import Grid
from engine.phantoms.mediastinum import Blood, hila
from engine.phantoms.person import Person, Relief
from engine.phantoms.plans import Plan
from engine.phantoms.shapes import bezier, lumpy
from engine.phantoms.streams import stream
from engine.phantoms.vessels import grow_tree

# Spread (log) of the three half-axes: findings are no balls.
STRETCH = 0.13
AIR_IN_BRONCHUS_HU, CAVITY_AIR_HU, FLUID_HU, CALCIUM_HU = -870.0, -960.0, 14.0, 420.0


@dataclass
class Brush:
    """A plan with the box it is painted in: `q` (3, ...) mm from its centre, and the box's part of every field."""

    grid: Grid
    plan: Plan
    rng: np.random.Generator
    where: tuple[slice, ...]
    q: np.ndarray
    low: np.ndarray
    mid: np.ndarray

    @property
    def lung(self) -> np.ndarray:
        return self.grid.lung[self.where]

    def body(self, sharpness: float = 6) -> np.ndarray:
        """Distance to the lobulated, slightly stretched and turned ball of the plan."""
        turn = np.linalg.qr(self.rng.normal(size=(3, 3)))[0]
        stretch = np.exp(self.rng.normal(0, STRETCH, 3))[:, None]
        q = np.tensordot((turn * stretch).astype(np.float32), self.q, 1)
        return lumpy(self.rng, q, self.plan.radius, self.plan.lobulation, sharpness=sharpness)

    def paint(self, cover: np.ndarray, hu: np.ndarray | float) -> None:
        self.grid.paint(self.where, cover, hu, keep_lung=True)


def brush_for(grid: Grid, plan: Plan, relief: Relief, seed: int) -> Brush | None:
    """The brush of a plan, or None if no level of the grid comes near it."""
    reach = plan.radius * (3.2 if plan.pleural_tail else 1.7) + 14
    where, q = grid.ball(np.array(plan.centre), reach)
    if 0 in q.shape:
        return None
    rng = stream(seed, "finding shape", plan.kind)
    return Brush(grid, plan, rng, where, q, relief.low[where], relief.mid[where])


def add_ground_glass(brush: Brush, tissue: np.ndarray) -> np.ndarray:
    """Thicken `tissue` (the grid's lung tissue, HU) where the plan says; vessels painted later shine through.
    Returns the share of each voxel of the brush's box that belongs to the finding."""
    plan, mid = brush.plan, brush.mid
    distance = brush.body() + 2.2 * mid + 1.5 * brush.low
    cover = np.clip(0.5 - distance / plan.edge_mm, 0, 1)
    part = tissue[brush.where]
    patchy = np.clip(0.9 + 0.12 * mid, 0.5, 1)
    part += cover * patchy * (plan.level_hu + 26 * mid - part)
    return cover * (brush.lung > 0.5)


def add_consolidation(brush: Brush, tissue: np.ndarray) -> np.ndarray:
    """Fill `tissue` where the plan says, with a ground-glass rim. Returns the finding's share of each voxel."""
    plan = brush.plan
    distance = brush.body() + 4 * brush.low + 2.5 * brush.mid
    cover = np.clip(0.5 - distance / 5, 0, 1)
    rim = np.clip(0.5 - distance / 26, 0, 1) * 0.55
    part = tissue[brush.where]
    part += np.maximum(rim - cover, 0) * (-560 - part)
    part += cover * (plan.level_hu - 6 + 9 * brush.mid - part)
    return cover * (brush.lung > 0.02)


def add_air_bronchogram(brush: Brush, person: Person, cover: np.ndarray) -> None:
    """The air-filled bronchi that a consolidation leaves open: a small tree from the hilum's side."""
    plan, grid = brush.plan, brush.grid
    inside = np.zeros_like(grid.hu)
    inside[brush.where] = cover * brush.lung
    centre = np.array(plan.centre)
    inwards = hila(person)[int(plan.side == "left")] - centre
    away = np.linalg.norm(inwards)
    targets = centre + brush.rng.normal(0, plan.radius * 0.45, (16, 3))
    root = centre + inwards * min(1.0, plan.radius / away)
    tree = grow_tree(brush.rng, root, -inwards / away, targets, 0.75)
    curves = tree.at(np.linspace(0, 1, 6), np.arange(len(tree.radius)))
    for k, radius in enumerate(tree.radius.tolist()):
        grid.tube(curves[:, k], radius, AIR_IN_BRONCHUS_HU, keep_lung=True, only=inside)


def add_nodule(brush: Brush, person: Person, blood: Blood) -> np.ndarray:
    """A solid nodule with the vessel that feeds it; spikes and a tail to the pleura if it is spiculated."""
    plan, grid, lung = brush.plan, brush.grid, brush.lung
    _feeding_vessel(brush, person, blood)
    if plan.kind == "smooth":
        distance = brush.body(sharpness=4) + 0.3 * brush.mid
        grain = 4.0
    else:
        distance = np.minimum(brush.body(sharpness=9) + 0.9 * brush.mid, _spikes(brush))
        brush.paint(np.clip(0.5 - (distance - 2) / 9, 0, 1) * lung * 0.3, -550)
        grain = 9.0
    cover = grid.cover(distance) * (lung > 0.02)
    brush.paint(cover, plan.level_hu + grain * brush.mid)
    if plan.calcified:
        core = np.array(plan.centre) + brush.rng.normal(0, 1, 3)
        grid.ellipsoid(core, np.full(3, plan.radius * 0.35), CALCIUM_HU, keep_lung=True)
    return cover


def _feeding_vessel(brush: Brush, person: Person, blood: Blood) -> None:
    """A vessel that comes from the hilum's side and ends in the nodule."""
    plan, rng = brush.plan, brush.rng
    centre = np.array(plan.centre)
    inwards = hila(person)[int(plan.side == "left")] - centre
    away = np.linalg.norm(inwards)
    root = centre + inwards / away * min(away, plan.radius + rng.uniform(14, 26))
    bend = (root + centre) / 2 + rng.normal(0, 4, 3)
    width = rng.uniform(0.9, 1.5)
    brush.grid.tube(bezier(np.stack([root, bend, centre])), np.linspace(width, 0.7, 9), blood.arteries, keep_lung=True)


def _spikes(brush: Brush) -> np.ndarray:
    """Distance to the spikes: cones from the centre outwards, slightly bent; the first is the pleural tail."""
    plan, rng, q = brush.plan, brush.rng, brush.q
    directions = rng.normal(size=(plan.spikes, 3))
    directions[0] = np.sign(plan.centre[0]), 0.5 * np.sign(plan.centre[1]), 0.1
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = plan.radius * rng.uniform(1.4, 2.4, plan.spikes)
    lengths[0] = 3 * plan.radius
    widths = rng.uniform(1.2, 2.4, plan.spikes)
    best = np.full(q.shape[1:], 99, np.float32)
    wiggle = 0.8 * brush.low
    for direction, length, width in zip(directions.astype(np.float32), lengths.tolist(), widths.tolist(), strict=True):
        along = np.tensordot(direction, q, 1)
        beside = np.sqrt(np.maximum((q**2).sum(0) - along**2, 0))
        cone = beside + wiggle * along / length - width * np.clip(1 - along / length, 0, 1) ** 0.55
        np.minimum(best, np.where((along > 0) & (along < length), cone, 99), out=best)
    return best


def add_cavity(brush: Brush) -> np.ndarray:
    """A hollow with an uneven wall, often with fluid that settles to the back. The hollow belongs to the finding."""
    plan, grid, lung = brush.plan, brush.grid, brush.lung
    distance = brush.body() + 0.8 * brush.mid
    hollow = distance + plan.wall_mm * np.clip(1 + 0.35 * brush.low + 0.3 * brush.mid, 0.4, 2)
    cover = grid.cover(distance) * (lung > 0.02)
    brush.paint(np.clip(0.5 - distance / 12, 0, 1) * lung * 0.35 * (1 - cover), -600)
    brush.paint(cover, plan.level_hu + 6 * brush.mid)
    content = CAVITY_AIR_HU
    if plan.fluid_mm is not None:
        to_back = grid.x[brush.where[1]] - grid.pose.to_table(np.array(plan.centre))[1]  # fluid lies level in the room
        content = np.where(to_back[None, :, None] > plan.fluid_mm, FLUID_HU, CAVITY_AIR_HU)
    brush.paint(grid.cover(hollow) * (cover > 0), content)
    return cover
