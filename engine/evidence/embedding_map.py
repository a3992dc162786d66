"""All cases on one sheet: two directions in which they differ most, in the learner's own space."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.evidence.neighbours import prototypes
from engine.evidence.nouns import MapPoint
from engine.learners import Adapted, Support


def flatten(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Principal components (the same as classical scaling of Euclidean distances): (n, e) -> axes (2, e), mean (e,),
    and the share of squared differences they show. The signs are fixed so that the farthest case lies right and up."""
    mean = points.mean(0)
    centred = points - mean
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = np.pad(axes[:2], ((0, max(0, 2 - len(axes))), (0, 0)))
    placed = centred @ axes.T
    farthest = placed[np.abs(placed).argmax(0), range(2)]
    axes = axes * np.where(farthest < 0, -1.0, 1.0)[:, None]
    total = float((sizes**2).sum())
    return axes, mean, float((sizes[:2] ** 2).sum() / total) if total else 1.0


def embedding_map(
    adapted: Adapted,
    support: Support,
    support_cases: tuple[str, ...],
    query: Tensor,
    query_cases: tuple[str, ...],
    predicted: tuple[str, ...],
) -> tuple[tuple[MapPoint, ...], float]:
    """Labelled cases, queries (with the class predicted) and prototypes, and the share of differences shown."""
    with torch.no_grad():
        labelled, asked = adapted.space(support.embeddings).numpy(), adapted.space(query).numpy()
    axes, mean, share = flatten(np.concatenate([labelled, asked]).astype(np.float64))

    def place(points: np.ndarray) -> list[list[float]]:
        return ((points - mean) @ axes.T).tolist()

    points = [
        MapPoint(case, support.classes[int(t)], "labelled", x, y)
        for case, t, (x, y) in zip(support_cases, support.targets, place(labelled), strict=True)
    ]
    points += [
        MapPoint(case, label, "query", x, y)
        for case, label, (x, y) in zip(query_cases, predicted, place(asked), strict=True)
    ]
    centres = prototypes(adapted, support).numpy()
    points += [
        MapPoint("", label, "prototype", x, y) for label, (x, y) in zip(support.classes, place(centres), strict=True)
    ]
    return tuple(points), share
