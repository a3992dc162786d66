"""Heart, great vessels, oesophagus, lymph nodes, windpipe and main bronchi: painted into the fat between the lungs.

Landmarks are patient mm of an average man, scaled with the person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.phantoms.grid import Grid, Tube
from engine.phantoms.person import BLOOD_HU, Person, Relief
from engine.phantoms.shapes import bezier
from engine.phantoms.streams import stream


@dataclass(frozen=True)
class Blood:
    """HU of the blood. With contrast medium the right heart and the left differ, as the bolus passes."""

    left: float
    right: float
    muscle: float
    arteries: float  # pulmonary
    veins: float
    enhanced: float  # 0 without contrast medium, 1 with


def plain_blood(seed: int) -> Blood:
    """Blood without contrast medium."""
    hu = BLOOD_HU + float(stream(seed, "blood").normal(0, 4))
    return Blood(hu, hu, 50.0, hu + 2, hu + 2, 0.0)


def contrast_blood(seed: int) -> Blood:
    """Blood while the contrast medium passes."""
    rng = stream(seed, "blood with contrast")
    left, right = float(rng.uniform(220, 420)), float(rng.uniform(140, 380))
    return Blood(left, right, 105.0, right, left, 1.0)


def landmark(person: Person, x: float, y: float, z: float) -> np.ndarray:
    """A point of the average man in this person."""
    return np.array([x * person.scale, y * person.scale, z * person.apex / 178])


def hila(person: Person) -> tuple[np.ndarray, np.ndarray]:
    """Where vessels and bronchi enter the right and the left lung."""
    return landmark(person, -34, 10, 80), landmark(person, 38, 13, 84)


def paint_mediastinum(grid: Grid, person: Person, relief: Relief, blood: Blood) -> None:
    """Everything between the lungs, from the heart to the windpipe."""
    _heart(grid, person, relief, blood)
    _great_vessels(grid, person, blood)
    if person.calcified:
        _calcium(grid, person)
    _oesophagus_and_nodes(grid, person)
    grid.walled_tubes([Tube(points, radius, -975, 1.6, 35) for points, radius in airways(person)])


def _heart(grid: Grid, person: Person, relief: Relief, blood: Blood) -> None:
    """A fat shell, the muscle along the heart's axis, the chambers in it."""
    rng, k = stream(person.seed, "heart"), person.scale

    def jittered(point: np.ndarray) -> np.ndarray:
        return point + rng.normal(0, 1.5, 3)

    along = np.array([0.66, -0.52, -0.54])
    along /= np.linalg.norm(along)
    across = np.cross(along, [0, 0, 1])
    across /= np.linalg.norm(across)
    axes = np.stack([along, across, np.cross(along, across)])
    size, centre = 58 * person.heart * k, jittered(landmark(person, 20, -30, 36))
    warp = 1.6 * relief.low + 0.25 * relief.mid
    grid.ellipsoid(centre, size * np.array([1.13, 0.93, 0.90]), -98, axes=axes, warp=warp * 1.6)
    grid.ellipsoid(centre + along * 2, size * np.array([1, 0.78, 0.76]), blood.muscle, axes=axes, warp=warp * 0.8)
    ventricle = centre + [4, 6, 2]
    grid.ellipsoid(ventricle, size * np.array([0.84, 0.55, 0.53]), blood.left, axes=axes, warp=warp * 0.6)
    chambers = (
        (landmark(person, -3, -50, 33), (38, 23, 36), blood.right),  # right ventricle
        (landmark(person, -27, -19, 36), (22, 25, 34), blood.right),  # right atrium
        (landmark(person, 2, 10, 62), (32, 17, 21), blood.left),  # left atrium
    )
    for point, radii, hu in chambers:
        grid.ellipsoid(jittered(point), np.array(radii) * k, hu, warp=warp)


def _great_vessels(grid: Grid, person: Person, blood: Blood) -> None:
    k = person.scale
    aorta = float(stream(person.seed, "aorta").normal(1, 0.08)) * (1 + 0.004 * (person.age - 50)) * k

    def p(*xyz: float) -> np.ndarray:
        return landmark(person, *xyz)

    left, right = blood.left, blood.right
    pipes = (
        # aorta: ascending, arch, descending
        ([p(4, -16, 66), p(-14, -24, 96), p(-12, -20, 112)], 15.5 * aorta, left),
        (bezier([p(-12, -20, 112), p(4, -2, 158), p(22, 35, 112)]), 13.5 * aorta, left),
        ([p(22, 35, 112), p(23, 37, 96), p(20, 38, 50), p(12, 34, -60)], 12.2 * aorta, left),
        # pulmonary trunk and its two arteries
        ([p(14, -44, 66), p(16, -30, 90)], 14 * k, right),
        (bezier([p(16, -30, 90), p(-8, -4, 92), p(-46, 6, 80)]), 10 * k, right),
        (bezier([p(16, -30, 90), p(28, -8, 100), p(46, 12, 90)]), 10.5 * k, right),
        # superior vena cava, left and right brachiocephalic vein
        ([p(-24, -18, 58), p(-20, -18, 100), p(-20, -19, 150)], 8.5 * k, right),
        (bezier([p(-20, -19, 146), p(2, -34, 140), p(34, -28, 165)]), 6 * k, right),
        ([p(-20, -19, 150), p(-30, -16, 190)], 7 * k, right),
        # branches of the arch
        ([p(-6, -8, 134), p(-20, -4, 190)], 5.5 * k, left),
        ([p(6, 0, 134), p(14, 2, 190)], 3.8 * k, left),
        ([p(16, 12, 132), p(30, 6, 190)], 4.6 * k, left),
        # inferior vena cava, pulmonary veins, azygos vein
        ([p(-22, -14, 30), p(-19, -3, 8), p(-22, -6, -60)], 11 * k, right),
        (bezier([p(-22, 12, 56), p(-40, 20, 52), p(-50, 24, 44)]), 6 * k, left),
        (bezier([p(22, 14, 60), p(40, 22, 56), p(48, 26, 46)]), 6 * k, left),
        ([p(-10, 34, -50), p(-9, 33, 110)], 3.2 * k, right),
    )
    grid.walled_tubes([Tube(points, radius, hu, 1.2, 45) for points, radius, hu in pipes])


def _calcium(grid: Grid, person: Person) -> None:
    """Plaques in the wall of the arch and the descending aorta, and along a coronary artery."""
    rng = stream(person.seed, "calcium")
    for _ in range(int(rng.integers(2, 8))):
        turn, z = rng.uniform(0, 2 * np.pi), rng.uniform(10, 110)
        around = 11.8 * np.array([np.cos(turn), np.sin(turn), 0])
        grid.ellipsoid(landmark(person, 21, 37, z) + around, rng.uniform(1.2, 3.0, 3), 620)
    for _ in range(int(rng.integers(0, 4))):
        centre = landmark(person, *(np.array([8, -52, 62]) + rng.normal(0, 1, 3) * (9, 3, 6)))
        grid.ellipsoid(centre, rng.uniform(1.0, 2.0, 3), 520)


def _oesophagus_and_nodes(grid: Grid, person: Person) -> None:
    rng = stream(person.seed, "oesophagus and nodes")

    def p(*xyz: float) -> np.ndarray:
        return landmark(person, *xyz)

    pipe = [p(4, 26, 190), p(6, 27, 110), p(4, 25, 60), p(14, 18, -5), p(24, 10, -50)]
    grid.tube(pipe, 7 * person.scale, 45)
    has_air, length = rng.random() < 0.6, rng.uniform(-30, 30)
    if has_air:
        grid.tube([pipe[1], pipe[1] + [0, -1, length]], 2.6, -650)
    for _ in range(9):
        at = (rng.normal(-4, 18), rng.normal(2, 14), rng.uniform(75, 130))
        grid.ellipsoid(p(*at), rng.uniform(2, 5, 3), 42)
    for _ in range(14):  # small vessels and thymus remnants in the fat in front
        at = (rng.normal(0, 12), rng.normal(-62, 7), rng.uniform(60, 140))
        grid.ellipsoid(p(*at), rng.uniform(0.8, 2.4, 3), 20)


def airways(person: Person) -> list[tuple[list[np.ndarray], float]]:
    """Windpipe and main bronchi: points and inner radius in mm."""
    right, left = hila(person)
    pipe = [landmark(person, 1, 6, 195), landmark(person, -1, 10, 150), landmark(person, -2, 13, 106)]
    k = person.scale
    return [
        (pipe, 8.6 * k),
        ([pipe[2], landmark(person, -22, 15, 90), right + [-4, 2, -4]], 6.8 * k),
        ([pipe[2], landmark(person, 20, 17, 90), left + [2, 3, -5]], 5.8 * k),
    ]
