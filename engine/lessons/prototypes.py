"""Prototypes move as you label: the demo's cases on a plane, and what two learners make of the labels given so far.

The learners see the two numbers that are drawn and nothing else, so the picture is the whole truth. Nearest mean
(`protonet`, Snell et al. 2017) and attention (`matching`, Vinyals et al. 2016).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from engine.evidence.embedding_map import flatten
from engine.learners import Support
from engine.learners.matching import PLAIN, Matching, log_attention
from engine.learners.protocol import class_means, class_weights
from engine.learners.protonet import ProtoNet
from engine.lessons import pictures, scans
from engine.lessons.plan import Labels

CLASSES = "abc"  # smooth, spiculated, ground glass: the order of `scans.FINDINGS`
CELLS = 60  # of the map of regions, a side
MARGIN = 0.15


@cache
def plane() -> tuple[Tensor, float]:
    """(16, 2) the cases on the plane in which they differ most, and the share of their differences that it shows."""
    points = scans.embeddings().numpy().astype("float64")
    axes, mean, share = flatten(points)
    placed = torch.from_numpy((points - mean) @ axes.T).float()
    return placed / placed.abs().max(), share


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"points": [{"x", "y", "truth", "tile"}], "share", "labels", "prototypes": {class: [x, y]}, "regions": rows of
    classes or None, "extent", "answers": [class or None], "probability": [...], "attention": [[case, weight]],
    "right", "asked"}; None where fewer than two classes are labelled."""
    where, share = plane()
    labels = Labels.pairs(settings["labels"])
    truth = [CLASSES[scans.FINDINGS.index(scan.finding)] for scan in scans.findings()]
    told = {
        "points": [
            {"x": round(x, 4), "y": round(y, 4), "truth": t, "tile": pictures.png(scans.tile(scan))}
            for (x, y), t, scan in zip(where.tolist(), truth, scans.findings(), strict=True)
        ],
        "share": round(share, 3),
        "labels": {str(i): c for i, c in labels.items()},
        "prototypes": means(where, labels),
        "regions": None,
        "answers": None,
        "attention": [],
    }
    present = sorted(set(labels.values()))
    if len(present) < 2:
        return told
    support = _support(where, labels, present)
    adapted = (Matching(PLAIN) if settings["learner"] == "matching" else ProtoNet()).adapt(support)
    extent, grid = _grid(where)
    with torch.no_grad():
        regions = adapted.logits(grid).argmax(1).view(CELLS, CELLS).tolist()
        sure, answer = adapted.probabilities(where).max(1)
    answers = [present[k] for k in answer.tolist()]
    free = [i for i in range(len(truth)) if i not in labels and truth[i] in present]
    return told | {
        "regions": ["".join(present[k] for k in row) for row in regions],
        "extent": extent,
        "answers": answers,
        "probability": [round(p, 3) for p in sure.tolist()],
        "attention": _attention(where, labels, support, settings["asked"]),
        "right": sum(answers[i] == truth[i] for i in free),
        "asked": len(free),
    }


def _support(where: Tensor, labels: Mapping[int, str], present: list[str]) -> Support:
    rows = torch.tensor(list(labels))
    targets = torch.tensor([present.index(c) for c in labels.values()])
    return Support(where[rows], targets, tuple(present), tuple(f"patient {i}" for i in labels))


def means(where: Tensor, labels: Mapping[int, str]) -> dict[str, list[float]]:
    """The mean of each class that has a labelled case (Snell et al. 2017, eq. 1)."""
    if not labels:
        return {}
    present = sorted(set(labels.values()))
    targets = torch.tensor([present.index(c) for c in labels.values()])
    found = class_means(where[list(labels)], targets, len(present))
    return {c: [round(v, 4) for v in row] for c, row in zip(present, found.tolist(), strict=True)}


def _attention(where: Tensor, labels: Mapping[int, str], support: Support, asked: int) -> list[list[float]]:
    """How much each labelled case has to say about one other case: [case, weight], summing to 1."""
    shift = support.embeddings.mean(0)
    query = where[asked : asked + 1] - shift
    found = log_attention(PLAIN, query, support.embeddings - shift, class_weights(support)).exp().mean(0)[0]
    return [[case, round(weight, 3)] for case, weight in zip(labels, found.tolist(), strict=True)]


def _grid(where: Tensor) -> tuple[list[float], Tensor]:
    """[x0, x1, y0, y1] round all points, and the middles of its cells (CELLS * CELLS, 2), row by row from below."""
    low, high = where.min(0).values, where.max(0).values
    room = MARGIN * (high - low)
    (x0, y0), (x1, y1) = (low - room).tolist(), (high + room).tolist()
    xs, ys = (torch.linspace(a, b, CELLS + 1)[:-1] + (b - a) / CELLS / 2 for a, b in ((x0, x1), (y0, y1)))
    grid = torch.stack([xs.repeat(CELLS), ys.repeat_interleave(CELLS)], 1)
    return [math.floor(x0 * 1e4) / 1e4, x1, y0, y1], grid
