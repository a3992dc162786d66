"""What an answer rests on: the most similar labelled cases of other patients, and each class's typical case."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.evidence.nouns import Neighbour, Typical
from engine.learners import Adapted, Support
from engine.learners.protocol import class_means

COUNT = 5


def nearest_labelled(
    adapted: Adapted,
    support: Support,
    support_cases: tuple[str, ...],
    query: Tensor,
    query_groups: tuple[str, ...],
    count: int = COUNT,
) -> list[tuple[Neighbour, ...]]:
    """For each query the `count` nearest labelled cases that are not its own patient's, nearest first."""
    with torch.no_grad():
        distances = adapted.distances(query, support.embeddings)
    found = []
    for row, group in zip(distances, query_groups, strict=True):
        order = [i for i in row.argsort(stable=True).tolist() if support.groups[i] != group][:count]
        found.append(
            tuple(Neighbour(support_cases[i], support.classes[int(support.targets[i])], float(row[i])) for i in order)
        )
    return found


def prototypes(adapted: Adapted, support: Support) -> Tensor:
    """(c, e) in the learner's space: its own prototypes, or the class means where it has none."""
    if adapted.prototypes is not None:
        return adapted.prototypes
    with torch.no_grad():
        return class_means(adapted.space(support.embeddings), support.targets, len(support.classes))


def typical_cases(
    adapted: Adapted, support: Support, support_cases: tuple[str, ...], query: Tensor
) -> list[tuple[Typical, ...]]:
    """For each query the distance to each class's prototype, shown by the labelled case of that class nearest to it."""
    centres = prototypes(adapted, support)
    with torch.no_grad():
        cases, asked = adapted.space(support.embeddings), adapted.space(query)
        to_centre = torch.cdist(cases, centres)  # (n, c)
        to_centre[support.targets[:, None] != torch.arange(len(centres))] = torch.inf
        shown = to_centre.argmin(0).tolist()
        distances = torch.cdist(asked, centres)
    return [
        tuple(Typical(support.classes[k], float(row[k]), support_cases[shown[k]]) for k in range(len(support.classes)))
        for row in distances
    ]
