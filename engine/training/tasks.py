"""Tasks to meta-train on: a few classes of a labelled set, some cases of each to learn from and some to be asked about.

There are only so many sets, and a learner must not learn them by heart. So a part of the tasks asks something else of
the same pictures: classes put together to two groups, which of two sets a picture is from, or on which side of a random
direction of the embedding it lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.episodes import Archive, episodes
from engine.learners import Support

SHOTS = (1, 2, 3, 5, 7, 10, 15)
WAYS = (2, 2, 3, 4, 5)  # two classes are what clinicians ask most
QUERIES = 10
RELABELLED = 0.35  # share of tasks that ask something else than the sets' own labels
SIDE = 0.35  # share of a set on each side of a random direction; what lies between is left out


@dataclass(frozen=True)
class Labelled:
    """One set: embeddings (n, d) and who is what; `archive` carries labels and groups (its pictures aren't read)."""

    embeddings: Tensor
    archive: Archive


@dataclass(frozen=True)
class Task:
    support: Support
    query: Tensor
    targets: Tensor


def draw_task(sets: Sequence[Labelled], weights: np.ndarray, rng: np.random.Generator, relabelled: float = 0.0) -> Task:
    """One task of a random set, a share `relabelled` of them with other labels; drawn again where cases run short."""
    while True:
        one = sets[int(rng.choice(len(sets), p=weights))]
        if rng.random() < relabelled:
            one = relabel(one, sets, rng)
        shots, ways = int(rng.choice(SHOTS)), int(rng.choice(WAYS))
        try:
            (episode,) = episodes(one.archive, ways, shots, QUERIES, 1, int(rng.integers(2**31)))
        except ValueError:
            continue
        support = Support(
            one.embeddings[episode.support],
            torch.from_numpy(episode.support_targets).long(),
            episode.classes,
            tuple(str(i) for i in episode.support),
        )
        return Task(support, one.embeddings[episode.query], torch.from_numpy(episode.query_targets).long())


def by_size(sets: Sequence[Labelled]) -> np.ndarray:
    """How often each set is drawn: by the root of its size."""
    sizes = np.array([len(s.embeddings) for s in sets], float) ** 0.5
    return sizes / sizes.sum()


def relabel(one: Labelled, sets: Sequence[Labelled], rng: np.random.Generator) -> Labelled:
    """Another question about the same pictures."""
    classes = one.archive.classes
    kind = int(rng.integers(3))
    if kind == 0 and len(classes) > 2:
        first = set(rng.permutation(classes)[: int(rng.integers(1, len(classes)))].tolist())
        labels = np.array(["a" if label in first else "b" for label in one.archive.labels.tolist()])
        return replace(one, archive=replace(one.archive, labels=labels))
    if kind == 1 and len(sets) > 1:
        other = sets[int(rng.integers(len(sets)))]
        if other.archive.name != one.archive.name:
            return joined(one, other)
    return sides(one, rng)


def joined(one: Labelled, other: Labelled) -> Labelled:
    """Which of two sets?"""
    labels = np.repeat(["a", "b"], [len(one.embeddings), len(other.embeddings)])
    groups = np.concatenate([np.char.add("a", one.archive.groups), np.char.add("b", other.archive.groups)])
    return Labelled(torch.cat([one.embeddings, other.embeddings]), replace(one.archive, labels=labels, groups=groups))


def sides(one: Labelled, rng: np.random.Generator) -> Labelled:
    """On which side of a random direction? The direction joins two of the set's own pictures."""
    first, second = rng.choice(len(one.embeddings), 2, replace=False)
    along = (one.embeddings @ (one.embeddings[first] - one.embeddings[second])).numpy()
    low, high = np.quantile(along, [SIDE, 1 - SIDE])
    kept = np.flatnonzero((along <= low) | (along >= high))
    labels = np.where(along[kept] <= low, "a", "b")
    archive = replace(one.archive, labels=labels, groups=one.archive.groups[kept])
    return Labelled(one.embeddings[kept], archive)
