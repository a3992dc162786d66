"""Archive -> episodes: small tasks with a support and a query that never share a group (a patient)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.episodes.archive import Archive
from engine.nouns import Note
from engine.sentences import Refusal

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
    group as far as groups go; up to `queries` a class from groups that are in no support. Refusal (a ValueError) where
    the archive has too few classes or groups.
    """
    for name, value in (("ways", ways), ("shots", shots), ("queries", queries), ("episodes", count)):
        if value < 1:
            raise Refusal(Note("episodes.at_least_one", {"name": name}))
    members = _members(archive)
    if len(members) < 2:
        raise Refusal(Note("episodes.one_class", {"archive": archive.name, "name": next(iter(members), "-")}))
    usable = sorted(c for c, groups in members.items() if most_shots(groups) >= shots)
    if len(usable) < 2:
        most = sorted(most_shots(groups) for groups in members.values())[-2]
        key = "episodes.too_few_for_any" if most < 1 else "episodes.too_many_shots"
        raise Refusal(Note(key, {"archive": archive.name, "shots": shots, "most": most}))
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield _draw(archive, members, usable, ways, shots, queries, rng)


def _members(archive: Archive) -> dict[str, dict[str, list[int]]]:
    members: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, (label, group) in enumerate(zip(archive.labels.tolist(), archive.groups.tolist(), strict=True)):
        members[label][group].append(i)
    return members


def left_out(archive: Archive, shots: int) -> dict[str, int]:
    """Classes that are never drawn, since they are too small for so many shots, with their number of items."""
    return {
        name: sum(map(len, groups.values()))
        for name, groups in sorted(_members(archive).items())
        if most_shots(groups) < shots
    }


def most_shots(groups: dict[str, list[int]]) -> int:
    """How many items of a class can teach while one whole group (the smallest) is left to be predicted."""
    return sum(sorted(len(items) for items in groups.values())[1:])


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
    raise Refusal(Note("episodes.shared_groups", {"archive": archive.name, "shots": shots}))


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
