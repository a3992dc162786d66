"""From a group of slices to a volume with honest geometry: sorted by place, gaps and doubles found, tilt kept.

Places: a slice's position is projected on the normal of its plane (PS3.3 C.7.6.2.1.1); file names and instance
numbers are not used. The slice axis of the result runs from place to place, so a tilted gantry gives an axis that is
not at a right angle to the slices, and a point measured in mm stays true.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace

import numpy as np

from engine.intake.series import Group, Slice, stacks
from engine.nouns import Geometry, Note

SAME_PLACE_MM = 0.02  # closer slices are doubles: a tenth of the thinnest reconstruction (0.2 mm, photon counting)
STEP_TOLERANCE = 0.05  # steps differ by up to 5 %; more is a gap or another spacing
STEP_ROUNDING_MM = 0.11  # places printed with one decimal: a 0.625 mm step shows as 0.6 or 0.7
SIDEWAYS_MM = 0.5  # how far a slice may lie off the straight line through the stack: about a pixel
TILT_DEGREES = 0.5  # smaller angles between slice axis and normal are rounding
MAX_FILLED_IN_A_ROW = 2  # missing slices that are filled from their neighbours; a larger hole cuts the series
MAX_FILLED = 0.10  # and at most a tenth of the slices
MIN_RUN = 3  # slices of a run that becomes a series of its own
MAX_RUNS = 3  # more pieces than this is no series any more
MAX_STRAYS = 0.10  # slices apart from the rest: so few are left out, more and the series is refused


@dataclass(frozen=True)
class Stack:
    """A case to be: `slots[i]` holds the slices found at place i (several = doubles), or none where one is missing."""

    slots: tuple[tuple[Slice, ...], ...]
    geometry: Geometry
    notes: tuple[Note, ...] = ()

    @property
    def first(self) -> Slice:
        """The lowest slice that is there: what all slices share is read from it."""
        return next(slot[0] for slot in self.slots if slot)


@dataclass
class Stacked:
    """What became of a group: stacks, and the slices left out with the reason."""

    stacks: list[Stack] = field(default_factory=list)
    left_out: list[tuple[Slice, Note]] = field(default_factory=list)


def stack(group: Group) -> Stacked:
    """Sort one group into stacks. Every slice of the group ends in exactly one stack or in `left_out`."""
    slices = list(group.slices)
    base = _base_notes(group)
    if len(slices) == 1:
        return Stacked([Stack((tuple(slices),), _flat_geometry(slices[0]), base)])
    placed, unplaced = [], []
    for s in slices:
        (unplaced if s.info.position is None or s.info.orientation is None else placed).append(s)
    if not stacks(slices[0]) or not placed:
        return _without_places(slices, base)
    done = Stacked(left_out=[(s, Note("refused.no_place")) for s in unplaced])
    for part, part_notes in _tell_apart(placed):
        piece = _stack_places(part, (*base, *part_notes))
        done.stacks += piece.stacks
        done.left_out += piece.left_out
    return done


def _base_notes(group: Group) -> tuple[Note, ...]:
    if group.thicknesses == 2:
        return (Note("warning.two_thicknesses"),)
    if group.thicknesses > 2:
        return (Note("warning.many_thicknesses", {"count": group.thicknesses}),)
    return ()


def _flat_geometry(s: Slice) -> Geometry:
    """Geometry of a single picture; without spacing it is not measured, without place it lies at the origin."""
    info = s.info
    row, column = (info.orientation[:3], info.orientation[3:]) if info.orientation else ((1.0, 0, 0), (0, 1.0, 0))
    normal = np.cross(row, column)
    step = info.thickness if info.thickness and info.thickness > 0 else 1.0
    rows_mm, columns_mm = info.spacing or (1.0, 1.0)
    return Geometry(
        info.position or (0.0, 0.0, 0.0),
        (_unit(normal), _unit(column), _unit(row)),
        (float(step) if info.spacing else 1.0, rows_mm, columns_mm),
        info.spacing is not None,
    )


def _without_places(slices: list[Slice], base: tuple[Note, ...]) -> Stacked:
    """Frames of one file keep their order; loose slices without a place cannot be sorted and are refused."""
    if len({s.file for s in slices}) == 1:
        geometry = replace(_flat_geometry(slices[0]), measured=False)
        slots = tuple((s,) for s in sorted(slices, key=lambda s: s.frame))
        return Stacked([Stack(slots, geometry, (*base, Note("warning.no_places")))])
    return Stacked(left_out=[(s, Note("refused.no_place")) for s in slices])


def _tell_apart(slices: list[Slice]) -> list[tuple[list[Slice], tuple[Note, ...]]]:
    """Several pictures at each place (echoes, time points, two acquisitions): split by what the headers tell apart.

    The first facet under which no place is taken twice decides. Copies of the same file (same instance UID) are no
    reason to split.
    """
    if not _crowded(slices):
        return [(slices, ())]
    for facet in range(len(slices[0].info.facets)):
        parts: dict[str, list[Slice]] = defaultdict(list)
        for s in slices:
            parts[s.info.facets[facet]].append(s)
        if len(parts) > 1 and min(map(len, parts.values())) > 1 and not any(map(_crowded, parts.values())):
            return [(p, (Note("warning.several_at_each_place", {"count": len(parts)}),)) for p in parts.values()]
    return [(slices, ())]


@dataclass
class _At:
    """The slices at one place, the lowest instance number first; `height` in mm along the normal of the stack."""

    height: float
    slices: list[Slice]

    @property
    def position(self) -> np.ndarray:
        return np.array(self.slices[0].info.position, dtype=float)


def _places(slices: list[Slice]) -> list[_At]:
    """Slices by place, growing along one normal for all (header rounding would tilt each slice's own a little)."""
    orientation = slices[0].info.orientation
    normal = np.cross(orientation[:3], orientation[3:])
    normal /= np.linalg.norm(normal)
    heights = np.array([s.info.position for s in slices], dtype=float) @ normal
    places: list[_At] = []
    for i in np.argsort(heights, kind="stable"):
        if places and heights[i] - places[-1].height < SAME_PLACE_MM:
            places[-1].slices.append(slices[i])
        else:
            places.append(_At(float(heights[i]), [slices[i]]))
    for place in places:
        place.slices.sort(key=lambda s: (s.header.number or 0, s.file, s.frame))
    return places


def _crowded(slices: list[Slice]) -> bool:
    """Whether at least half of the places hold pictures of different instances."""
    places = _places(slices)
    different = sum(len({(s.header.instance or s.file, s.frame) for s in at.slices}) > 1 for at in places)
    return different * 2 >= len(places)


def _stack_places(slices: list[Slice], notes: tuple[Note, ...]) -> Stacked:
    places = _places(slices)
    if len(places) == 1:
        found = places[0].slices
        return Stacked([Stack((tuple(found),), _flat_geometry(found[0]), notes)])
    runs = _runs(places)
    long = [run for run in runs if len(run) >= MIN_RUN]
    strays = [s for run in runs if len(run) < MIN_RUN for at in run for s in at.slices]
    if len(runs) == 1:
        long, strays = runs, []
    elif not long or len(long) > MAX_RUNS or len(strays) > max(1, MAX_STRAYS * len(slices)):
        steps = np.diff([at.height for at in places])
        why = Note("refused.uneven", {"least": _mm(steps.min()), "most": _mm(steps.max())})
        return Stacked(left_out=[(s, why) for s in slices])
    done = Stacked(left_out=[(s, Note("refused.stray")) for s in strays])
    if len(long) > 1:
        notes = (*notes, Note("warning.cut_at_gap", {"count": len(long)}))
    for run in long:
        _stack_run(run, notes, done)
    return done


def _stack_run(run: list[_At], notes: tuple[Note, ...], done: Stacked) -> None:
    """One run of even steps: a stack, if its slices lie on a straight line; a few that do not are left out."""
    off = _off_line(run)
    aside = [s for at, is_off in zip(run, off, strict=True) if is_off for s in at.slices]
    straight = [at for at, is_off in zip(run, off, strict=True) if not is_off]
    if sum(off) > max(1, MAX_STRAYS * len(run)) or any(_off_line(straight)):
        done.left_out += [(s, Note("refused.not_straight")) for at in run for s in at.slices]
    elif aside:  # what is left may have a hole now
        done.left_out += [(s, Note("refused.stray")) for s in aside]
        rest = _stack_places([s for at in straight for s in at.slices], notes)
        done.stacks += rest.stacks
        done.left_out += rest.left_out
    else:
        done.stacks.append(_one_stack(straight, notes))


def _runs(places: list[_At]) -> list[list[_At]]:
    """Cut where the step changes for good or a hole is too large to fill; small holes stay inside a run."""
    steps = np.diff([at.height for at in places])
    runs, current = [], [places[0]]
    unit = _unit_step(steps, 0)
    filled = 0
    for i, step in enumerate(steps):
        missing = round(step / unit) - 1
        regular = missing >= 0 and _like(step, unit * (missing + 1))
        lasting = i + 1 < len(steps) and _like(steps[i + 1], step)  # a new spacing, not a hole
        few = filled + missing <= max(1, MAX_FILLED * len(places))
        allowed = 0 < missing <= MAX_FILLED_IN_A_ROW and few and not lasting
        if regular and (missing == 0 or allowed):
            filled += missing
            current.append(places[i + 1])
            continue
        runs.append(current)
        current, filled = [places[i + 1]], 0
        unit = _unit_step(steps, i + 1)
    return [*runs, current]


def _like(step: float, expected: float) -> bool:
    return abs(step - expected) <= max(STEP_TOLERANCE * expected, STEP_ROUNDING_MM)


def _unit_step(steps: np.ndarray, start: int) -> float:
    """The usual step from here on: the median of the next few, so that a hole right here does not set the measure."""
    ahead = steps[start : start + 7]
    return float(np.median(ahead)) if len(ahead) else 1.0


def _off_line(run: list[_At]) -> list[bool]:
    """Which places lie off the straight line through the stack.

    The line runs along the median step, so that one slice with a wrong place does not turn it.
    """
    if len(run) < 3:
        return [False] * len(run)
    points, heights = np.array([at.position for at in run]), np.array([at.height for at in run])
    slope = np.median(np.diff(points, axis=0) / np.diff(heights)[:, None], axis=0)
    offset = points - heights[:, None] * slope
    distance = np.linalg.norm(offset - np.median(offset, axis=0), axis=1)
    return [bool(far > SIDEWAYS_MM) for far in distance]


def _one_stack(run: list[_At], notes: tuple[Note, ...]) -> Stack:
    first = run[0].slices[0].info
    line = run[-1].position - run[0].position
    steps = np.diff([at.height for at in run])
    unit = float(np.median(steps))
    slots: list[tuple[Slice, ...]] = [tuple(run[0].slices)]
    holes: list[str] = []
    for step, at in zip(steps, run[1:], strict=True):
        if missing := max(0, round(step / unit) - 1):
            holes.append(f"{len(slots)}-{len(slots) + missing + 1}")
            slots += [()] * missing
        slots.append(tuple(at.slices))
    row, column = first.orientation[:3], first.orientation[3:]
    normal = np.cross(row, column)
    tilt = math.degrees(math.acos(min(1.0, abs(np.dot(line, normal)) / np.linalg.norm(line) / np.linalg.norm(normal))))
    if holes:
        total = sum(not slot for slot in slots)
        notes = (*notes, Note("warning.slices_missing", {"count": total, "where": ", ".join(holes)}))
    if tilt > TILT_DEGREES:
        notes = (*notes, Note("warning.tilted", {"degrees": round(tilt, 1)}))
    rows_mm, columns_mm = first.spacing or (1.0, 1.0)
    geometry = Geometry(
        tuple(float(v) for v in first.position),
        (_unit(line), _unit(column), _unit(row)),
        (float(np.linalg.norm(line)) / (len(slots) - 1), rows_mm, columns_mm),
        first.spacing is not None,
    )
    return Stack(tuple(slots), geometry, notes)


def _unit(vector: np.ndarray | tuple) -> tuple[float, float, float]:
    v = np.asarray(vector, dtype=float)
    return tuple(float(x) + 0.0 for x in v / np.linalg.norm(v))  # + 0.0 turns -0.0 into 0.0


def _mm(value: float) -> str:
    return f"{value:.1f}"
