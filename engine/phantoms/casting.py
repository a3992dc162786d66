"""Who plays in the demo: seeds chosen so that sex, side, level and age do not give a class away.

A class that can be told from such things is a shortcut, and the check for shortcuts would rightly fire.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.phantoms.lungmap import LungMap, map_lungs
from engine.phantoms.person import Anatomy, Person, draw_person
from engine.phantoms.plans import plan_finding, slab_centre
from engine.phantoms.scanner import SCANNERS
from engine.phantoms.streams import stream

# Bands that six roles cover evenly: the slab's middle above the diaphragm in mm, and years.
LEVEL_BANDS = ((5, 55), (55, 90), (90, 150))
AGE_BANDS = ((28, 52), (52, 66), (66, 86))
# Smaller nodules are hard to see in slices every 5 mm.
SMALLEST_RADIUS_MM = 5.5


@dataclass(frozen=True)
class Role:
    """What a patient of the demo must be: bands are indices into LEVEL_BANDS and AGE_BANDS."""

    sex: str
    side: str
    level: int
    age: int


# Every sex meets every level and age once, every side each level once: a Latin square.
ROLES = (
    Role("F", "right", 0, 1),
    Role("M", "left", 1, 2),
    Role("F", "left", 2, 0),
    Role("M", "right", 2, 1),
    Role("F", "right", 1, 2),
    Role("M", "left", 0, 0),
)
# Class by class, the roles played in hospital A and in hospital B.
CAST = {
    "smooth": ((0, 1, 2), (3, 4, 5)),
    "spiculated": ((3, 4, 5), (0, 1, 2)),
    "ground_glass": ((0, 3), (2, 5)),
    "normal": ((4, 5), (0, 3)),
    "consolidation": ((1,), (4,)),
    "cavity": ((2,), (3,)),
}


def choose_cast(hospitals: tuple[str, str], cover_mm: float) -> list[tuple[int, str, str]]:
    """(seed, finding, hospital) of every patient, sorted by hospital and then by seed, so that the order of the files
    says nothing about the class. Seeds are tried in rising order; each plays the first open part that it fits."""
    chosen: list[tuple[int, str, str]] = []
    parts = [
        (finding, hospital, ROLES[role])
        for finding, by_hospital in CAST.items()
        for hospital, roles in zip(hospitals, by_hospital, strict=True)
        for role in roles
    ]
    for seed in range(1, 5000):
        person = draw_person(seed)
        fitting = [part for part in parts if _may_play(person, part[1], part[2])]
        lungs = map_lungs(Anatomy(person)) if fitting else None
        for part in fitting:
            finding, hospital, role = part
            if _lies_well(person, lungs, finding, role, cover_mm):
                chosen.append((seed, finding, hospital))
                parts.remove(part)
                break
        if not parts:
            return sorted(chosen, key=lambda entry: (entry[2], entry[0]))
    raise RuntimeError(f"No patients found for {parts}.")


def _may_play(person: Person, hospital: str, role: Role) -> bool:
    """Sex, age, a chest that fits the field of view, no contrast medium."""
    low, high = AGE_BANDS[role.age]
    if person.sex != role.sex or not low <= person.age < high or not _in_view(person, hospital):
        return False
    return stream(person.seed, "contrast", hospital).random() >= SCANNERS[hospital].contrast


def _lies_well(person: Person, lungs: LungMap, finding: str, role: Role, cover_mm: float) -> bool:
    """Level and side as the role wants them, and large enough to be seen."""
    low, high = LEVEL_BANDS[role.level]
    if not low <= slab_centre(person.seed, finding, lungs, cover_mm) / person.scale < high:
        return False
    if finding == "normal":
        return True
    plan = plan_finding(person.seed, finding, lungs)
    return plan.side == role.side and plan.radius >= SMALLEST_RADIUS_MM


def _in_view(person: Person, hospital: str) -> bool:
    """Whether the chest is about inside the field of view."""
    half = person.half_width + 13 + 14 * person.muscle + person.fat + abs(person.pose.shift_mm)
    return half < SCANNERS[hospital].fov / 2 + 4
