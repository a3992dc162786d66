"""Which slices belong together: one series, one orientation, one size, one pixel spacing, one slice thickness.

Pure functions on headers. Names, folders and instance numbers decide nothing; numbers are compared with a tolerance,
since scanners print 0.9999999 and 1.0 in the same series.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from engine.intake.classify import STACKED
from engine.intake.header import Frame, Header

SAME_DIRECTION = 1e-3  # largest difference of a direction cosine within a series: 0.06 degrees
SAME_LENGTH = 1e-2  # relative difference of a spacing or thickness
FEW = 2  # so few pictures of another size or direction among many are a scout, not a series


@dataclass(frozen=True)
class Slice:
    """One frame of one file: `file` is its index in the upload, `folder` where it lay (coarse grouping without UID)."""

    file: int
    frame: int
    header: Header
    folder: str

    @property
    def info(self) -> Frame:
        """Place and scale of this frame."""
        return self.header.frames[self.frame]


@dataclass(frozen=True)
class Group:
    """Slices of one series that share all but their place, in the order of upload.

    `thicknesses`: how many thicknesses the folder or series had that this group came from.
    """

    slices: tuple[Slice, ...]
    thicknesses: int = 1


def stacks(slice_: Slice) -> bool:
    """Whether such slices make a volume; radiographs, ultrasound and the like are one case a file."""
    header = slice_.header
    return header.samples == 1 and (
        header.modality in STACKED or (header.modality in ("", "OT", "NM") and slice_.info.position is not None)
    )


def _frames_without_place(s: Slice) -> bool:
    """A frame of a file of several that does not say where it lies: only its own file keeps it in order."""
    return len(s.header.frames) > 1 and s.info.position is None


def into_groups(slices: list[Slice]) -> tuple[list[Group], list[Slice]]:
    """(groups, scouts): every slice is in exactly one of the two."""
    exact: dict[tuple, list[Slice]] = defaultdict(list)
    for s in slices:
        h = s.header
        # careless anonymisers give one UID to many: slices of two patients or studies never meet in a volume
        name = repr((h.patient[:2], h.study, h.series or f"folder {s.folder}"))
        own = () if stacks(s) and not _frames_without_place(s) else (s.file,)
        exact[(name, h.modality, h.rows, h.columns, h.samples, h.photometric, *own)].append(s)
    groups: list[tuple[str, list[Slice]]] = []
    for key, members in exact.items():
        groups += [(key[0], g) for g in _by_likeness(members)]
    largest: dict[str, int] = defaultdict(int)
    for name, members in groups:
        largest[name] = max(largest[name], len(members))
    scouts = [s for name, g in groups if _is_scout(g, largest[name]) for s in g]
    kept = [(name, g) for name, g in groups if not _is_scout(g, largest[name])]
    counts = _thicknesses(kept)
    return [Group(tuple(g), n) for (_, g), n in zip(kept, counts, strict=True)], scouts


def _by_likeness(members: list[Slice]) -> list[list[Slice]]:
    """Split by orientation, spacing and thickness: a slice joins the first group whose first member is like it."""
    groups: list[list[Slice]] = []
    for s in members:
        home = next((g for g in groups if _alike(g[0].info, s.info)), None)
        if home is None:
            groups.append([s])
        else:
            home.append(s)
    return groups


def _alike(a: Frame, b: Frame) -> bool:
    return (
        _close(a.orientation, b.orientation, absolute=SAME_DIRECTION)
        and _close(a.spacing, b.spacing, relative=SAME_LENGTH)
        and _close(_one(a.thickness), _one(b.thickness), relative=SAME_LENGTH)
    )


def _one(value: float | None) -> tuple[float, ...] | None:
    return None if value is None else (value,)


def _close(a: tuple | None, b: tuple | None, *, absolute: float = 1e-6, relative: float = 0.0) -> bool:
    if a is None or b is None:
        return a is b
    return all(abs(x - y) <= absolute + relative * max(abs(x), abs(y)) for x, y in zip(a, b, strict=True))


def _is_scout(group: list[Slice], largest: int) -> bool:
    """One or two CT pictures of another size or direction among many: a scout that does not call itself one."""
    return group[0].header.modality == "CT" and len(group) <= FEW and largest >= 4 * len(group) + FEW


def _thicknesses(groups: list[tuple[str, list[Slice]]]) -> list[int]:
    """For each group, the number of slice thicknesses among the stacked groups of its series or its folder."""
    found: dict[tuple[str, str], set[float]] = defaultdict(set)

    def homes(name: str, g: list[Slice]) -> list[tuple[str, str]]:
        return [("series", name), ("folder", f"{g[0].header.study}|{g[0].folder}")]

    for name, g in groups:
        if stacks(g[0]) and len(g) > 1 and g[0].info.thickness is not None:
            for home in homes(name, g):
                found[home].add(round(g[0].info.thickness, 2))
    return [
        max(1, *(len(found[home]) for home in homes(name, g))) if stacks(g[0]) and len(g) > 1 else 1
        for name, g in groups
    ]
