"""Archive -> episodes: small tasks with a support and a query that never share a group (a patient)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.episodes.archive import Archive

ATTEMPTS = 50  # draws before an archive is called too small for the asked shots


@dataclass(frozen=True)
class Episode:
    """Indices into the archive: `support` and `query`, their targets (positions in `classes`), and how it was drawn."""

    classes: tuple[str, ...]
    support: np.ndarray
    support_targets: np.ndarray
    query: np.ndarray
    query_targets: np.ndarray


def episodes(archive: Archive, ways: int, shots: int, queries: int, count: int, seed: int) -> Iterator[Episode]:
    """Draw `count` episodes; the same seed gives the same ones.

    `ways` classes at random (all of them where there are fewer); `shots` support items a class, each of another
    group as far as groups go; up to `queries` a class from groups that are in no support. ValueError where the
    archive has too few classes or groups.
    """
    if min(ways, shots, queries, count) < 1:
        raise ValueError("ways, shots, queries and episodes must be at least 1")
    members = _members(archive)
    usable = sorted(c for c, groups in members.items() if _fits(groups, shots))
    if len(usable) < 2:
        raise ValueError(
            f"{archive.name}: fewer than two classes have {shots} items and a further group left to be predicted"
        )
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield _draw(archive, members, usable, ways, shots, queries, rng)


def _members(archive: Archive) -> dict[str, dict[str, list[int]]]:
    members: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, (label, group) in enumerate(zip(archive.labels.tolist(), archive.groups.tolist(), strict=True)):
        members[label][group].append(i)
    return members


def _fits(groups: dict[str, list[int]], shots: int) -> bool:
    """Enough for `shots` items with one whole group (the smallest) left over."""
    sizes = sorted(len(items) for items in groups.values())
    return len(sizes) >= 2 and sum(sizes[1:]) >= shots


def _draw(
    archive: Archive,
    members: dict[str, dict[str, list[int]]],
    usable: list[str],
    ways: int,
    shots: int,
    queries: int,
    rng: np.random.Generator,
) -> Episode:
    for _ in range(ATTEMPTS):
        chosen = sorted(rng.choice(usable, size=min(ways, len(usable)), replace=False).tolist())
        support = [_support(members[c], shots, rng) for c in chosen]
        taught = {archive.groups[i] for items in support for i in items}
        query = [_query(members[c], taught, queries, rng) for c in chosen]
        if all(len(s) == shots for s in support) and all(query):
            return Episode(
                tuple(chosen),
                np.concatenate(support),
                np.repeat(np.arange(len(chosen)), shots),
                np.concatenate(query),
                np.repeat(np.arange(len(chosen)), [len(q) for q in query]),
            )
    raise ValueError(f"{archive.name}: classes share so many groups that {shots} shots leave nothing to predict")


def _support(groups: dict[str, list[int]], shots: int, rng: np.random.Generator) -> list[int]:
    """One item a group in random order, then more of the same groups; at least one group is left over."""
    order = [rng.permutation(groups[g]).tolist() for g in rng.permutation(sorted(groups))]
    if len(order) <= shots:  # keep the smallest group for the query
        order.remove(min(order, key=len))
    taken: list[int] = []
    while len(taken) < shots and any(order):
        for items in order:
            if items and len(taken) < shots:
                taken.append(items.pop())
    return taken


def _query(groups: dict[str, list[int]], taught: set[str], queries: int, rng: np.random.Generator) -> list[int]:
    left = [i for g, items in groups.items() if g not in taught for i in items]
    return rng.permutation(left)[:queries].tolist() if left else []
