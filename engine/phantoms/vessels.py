"""Pulmonary arteries, veins and bronchi: one volume-filling tree for each lobe and kind.

Targets are scattered in a lobe; every group of targets grows a branch part of the way to its centroid and is split
across its widest axis, off-centre, until single targets are left. With r = leaf radius x leaves^(1/3), Murray's law
r0^3 = r1^3 + r2^3 holds exactly at every fork (Murray 1926).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.phantoms.grid import Grid, Tube
from engine.phantoms.lungmap import STEP_MM, LungMap
from engine.phantoms.mediastinum import Blood, hila
from engine.phantoms.person import Person
from engine.phantoms.streams import stream

LEAVES_PER_LITRE = {"artery": 2100, "vein": 1500}
LEAF_RADIUS_MM = 0.46
# No vessel ends nearer than this to pleura or fissure.
BARE_RIM_MM = 3.0
# Bronchi stay on one side of their artery and are thinner: the other way round reads as bronchiectasis.
BRONCHUS_SHARE, BRONCHUS_WALL_SHARE, SMALLEST_ARTERY_WITH_BRONCHUS_MM = 0.66, 0.22, 1.35


@dataclass(frozen=True)
class Branches:
    """n pieces of a tree: quadratic curves from `start` over `control` to `end` (n, 3), with one radius each, mm."""

    start: np.ndarray
    control: np.ndarray
    end: np.ndarray
    radius: np.ndarray

    def at(self, t: np.ndarray, which: np.ndarray) -> np.ndarray:
        """(len(t), chosen, 3) points along the chosen pieces at t in 0..1."""
        t = t[:, None, None]
        a, b, c = self.start[which], self.control[which], self.end[which]
        return (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c


def grow_tree(
    rng: np.random.Generator, root: np.ndarray, direction: np.ndarray, targets: np.ndarray, leaf_radius: float
) -> Branches:
    """A tree from `root`, first heading in `direction`, to every target (n, 3)."""
    group, count = np.zeros(len(targets), int), 1
    start, heading = np.array([root], float), np.array([direction], float)
    found: list[np.ndarray] = []
    for generation in range(24):
        leaves = np.bincount(group, minlength=count)
        centroid = np.stack([np.bincount(group, targets[:, k], count) for k in range(3)], 1) / leaves[:, None]
        share = np.where(leaves == 1, 1.0, 0.30 if generation == 0 else 0.42)[:, None]
        end = start + (centroid - start) * share
        end += rng.normal(0, 0.03, end.shape) * np.linalg.norm(end - start, axis=1, keepdims=True)
        length = np.linalg.norm(end - start, axis=1, keepdims=True)
        control = start + heading * length * 0.22 + (end - start) * 0.26
        found.append(np.concatenate([start, control, end, leaves[:, None]], 1))
        heading = end - control
        heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
        going = leaves[group] > 1
        targets, group = targets[going], group[going]
        if not len(targets):
            break
        parent, group = _split(rng, targets, group, centroid, leaves)
        start, heading, count = end[parent], heading[parent], len(parent)
    pieces = np.concatenate(found)
    return Branches(pieces[:, :3], pieces[:, 3:6], pieces[:, 6:9], leaf_radius * np.cbrt(pieces[:, 9]))


def _split(
    rng: np.random.Generator, targets: np.ndarray, group: np.ndarray, centroid: np.ndarray, leaves: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Halve all groups at once, each across its widest axis of one random frame, off-centre (equal halves look like
    twigs). Returns the parent of each new group, and each target's new group."""
    count = len(leaves)
    frame = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    local = (targets - centroid[group]) @ frame
    variance = np.stack([np.bincount(group, local[:, k] ** 2, count) for k in range(3)], 1)
    along = local[np.arange(len(group)), variance.argmax(1)[group]]
    cut = rng.normal(0, 0.55, count) * np.sqrt(variance.max(1) / np.maximum(leaves, 1))
    halves, group = np.unique(group * 2 + (along > cut[group]), return_inverse=True)
    return halves // 2, group


def grow_vessels(person: Person, lungs: LungMap) -> dict[str, list[Branches]]:
    """Trees of every lobe by kind, "artery" and "vein"."""
    rng = stream(person.seed, "vessels")
    trees: dict[str, list[Branches]] = {"artery": [], "vein": []}
    fit = (lungs.depth > BARE_RIM_MM) & (lungs.fissure > BARE_RIM_MM)
    for side, hilum in enumerate(hila(person)):
        sign = (-1, 1)[side]
        for lobe in (0, 1, 2):
            mine = lungs.points[fit & (lungs.lobe == lobe) & ((lungs.points[:, 0] < 0) == (side == 0))]
            litres = len(mine) * STEP_MM**3 / 1e6
            if litres < 0.05:
                continue
            direction = np.array([sign * 0.8, 0.1, (-0.5, 0, 0.5)[lobe]])
            for kind, entry in (("artery", (0, 0, 0)), ("vein", (0, 7, -18))):
                leaves = int(LEAVES_PER_LITRE[kind] * litres)
                targets = mine[rng.integers(0, len(mine), leaves)]
                targets = targets + rng.uniform(-STEP_MM / 2, STEP_MM / 2, targets.shape)
                root = hilum + np.array(entry) + [0, 0, (-6, -2, 6)[lobe]]
                trees[kind].append(grow_tree(rng, root, direction, targets, LEAF_RADIUS_MM))
    return trees


def paint_vessels(
    grid: Grid, trees: dict[str, list[Branches]], blood: Blood, within: np.ndarray, hidden: np.ndarray | None
) -> None:
    """Wide vessels and bronchi as pipes, thin ones as threads; `within` is the share of lung that was there first,
    `hidden` the share of a solid finding that swallows thin vessels."""
    hu = {"artery": blood.arteries, "vein": blood.veins}
    threads = []
    for kind, group in trees.items():
        for tree in group:
            wide = tree.radius > 1.25 * grid.pixel_mm
            _paint_pipes(grid, tree, np.flatnonzero(wide & _near(grid, tree)), hu[kind])
            threads.append(_thread_points(grid, tree, ~wide & _near(grid, tree)))
            if kind == "artery":
                _paint_bronchi(grid, tree)
    points, radius, step = (np.concatenate(parts) for parts in zip(*threads, strict=True))
    cover = grid.threads(points, radius, step) * within
    if hidden is not None:
        cover *= 1 - hidden
    grid.hu += cover * (np.maximum(blood.arteries - 10, grid.hu) - grid.hu)


def _near(grid: Grid, tree: Branches) -> np.ndarray:
    """Pieces that may touch the grid's levels; a slab leaves most of a tree out."""
    ends = np.stack([tree.start[:, 2], tree.control[:, 2], tree.end[:, 2]])
    reach = tree.radius + grid.level_mm
    return (ends.max(0) + reach > grid.z[0]) & (ends.min(0) - reach < grid.z[-1])


def _paint_pipes(grid: Grid, tree: Branches, which: np.ndarray, hu: float) -> None:
    curves = tree.at(np.linspace(0, 1, 6), which)
    for k, radius in enumerate(tree.radius[which].tolist()):
        grid.tube(curves[:, k], radius, hu, keep_lung=True)


def _thread_points(grid: Grid, tree: Branches, which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points nearly every 0.9 pixel along thin pieces, with radius and the length each stands for."""
    rough = tree.at(np.linspace(0, 1, 5), which)
    length = np.linalg.norm(np.diff(rough, axis=0), axis=2).sum(0)
    longest = np.percentile(length, 98) if len(length) else 0
    count = max(4, int(longest / (0.9 * grid.pixel_mm)))
    points = tree.at((np.arange(count) + 0.5) / count, which)
    return points.reshape(-1, 3), np.tile(tree.radius[which], count), np.tile(length / count, count)


def _paint_bronchi(grid: Grid, tree: Branches) -> None:
    """A bronchus beside every artery that is wide enough."""
    which = np.flatnonzero((tree.radius > SMALLEST_ARTERY_WITH_BRONCHUS_MM) & _near(grid, tree))
    curves = tree.at(np.linspace(0, 1, 6), which)
    outwards = 1 if tree.start[0, 0] < 0 else -1
    beside = np.array([0.25 * outwards, -0.45, 0.86]) * 1.25
    tubes = []
    for k, artery in enumerate(tree.radius[which].tolist()):
        radius = BRONCHUS_SHARE * artery
        air = max(-930.0, -1000 + 90 * grid.pixel_mm / radius)
        wall_mm, wall_hu = max(BRONCHUS_WALL_SHARE * radius, 0.35), -420.0 if radius < 1.6 else -150.0
        tubes.append(Tube(curves[:, k] + beside * artery, radius, air, wall_mm, wall_hu))
    grid.walled_tubes(tubes, keep_lung=True)
