"""The plane of three lessons: the demo's cases in two numbers each, which is all that the learners there get to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from engine.evidence.embedding_map import flatten
from engine.learners import Support
from engine.lessons import pictures, scans

CLASSES = "abc"  # smooth, spiculated, ground glass: the order of `scans.FINDINGS`
CELLS = 45  # of the map of regions, a side
MARGIN = 0.12
REACH = (2.0, 1.0)  # of the plane to each side: a sheet wider than high


@cache
def plane() -> tuple[Tensor, float]:
    """(16, 2) the cases on the plane in which they differ most once each hospital's mean is taken away, and the share
    of their differences that it shows. Both directions fill the sheet."""
    points = scans.embeddings().numpy().astype("float64")
    hospitals = [scan.series.truth.hospital for scan in scans.findings()]
    for hospital in set(hospitals):  # or the first direction would be the scanner's
        rows = [h == hospital for h in hospitals]
        points[rows] -= points[rows].mean(0)
    axes, mean, share = flatten(points)
    placed = torch.from_numpy((points - mean) @ axes.T).float()
    return placed / placed.abs().max(0).values * torch.tensor(REACH), share


def truth() -> list[str]:
    """The class of each case."""
    return [CLASSES[scans.FINDINGS.index(scan.finding)] for scan in scans.findings()]


def points() -> list[dict[str, Any]]:
    """[{"x", "y", "truth", "tile"}] of each case."""
    where, _ = plane()
    return [
        {"x": round(x, 4), "y": round(y, 4), "truth": letter, "tile": pictures.png(scans.tile(scan))}
        for (x, y), letter, scan in zip(where.tolist(), truth(), scans.findings(), strict=True)
    ]


def support(labels: Mapping[int, str]) -> Support:
    """The labelled cases; classes are the letters given. Raises SupportError for fewer than two classes."""
    where, _ = plane()
    present = sorted(set(labels.values()))
    targets = torch.tensor([present.index(c) for c in labels.values()])
    return Support(where[list(labels)], targets, tuple(present), tuple(f"patient {i}" for i in labels))


def asked(labels: Mapping[int, str]) -> list[int]:
    """The cases that are not labelled but belong to a class that is."""
    present = set(labels.values())
    return [i for i, letter in enumerate(truth()) if i not in labels and letter in present]


def extent() -> tuple[float, float, float, float]:
    """x0, x1, y0, y1 round all cases."""
    where, _ = plane()
    low, high = where.min(0).values, where.max(0).values
    room = MARGIN * (high - low)
    (x0, y0), (x1, y1) = (low - room).tolist(), (high + room).tolist()
    return x0, x1, y0, y1


def regions(logits: Callable[[Tensor], Tensor], classes: tuple[str, ...]) -> list[str]:
    """What a model says all over the sheet: CELLS rows of CELLS letters, from below."""
    x0, x1, y0, y1 = extent()
    xs, ys = (torch.linspace(a, b, CELLS + 1)[:-1] + (b - a) / CELLS / 2 for a, b in ((x0, x1), (y0, y1)))
    grid = torch.stack([xs.repeat(CELLS), ys.repeat_interleave(CELLS)], 1)
    with torch.no_grad():
        said = logits(grid).argmax(1).view(CELLS, CELLS).tolist()
    return ["".join(classes[k] for k in row) for row in said]
