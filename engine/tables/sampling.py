"""Which rows of a large table come into a project, and which of them teach.

A person looks at a few hundred rows, so a table of a hundred thousand is sampled: patients whole, and every class with
enough rows to learn from, even where it is rare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def sample_rows(labels: Sequence[str], patients: Sequence[str], most: int, seed: int = 0) -> np.ndarray:
    """Positions of about `most` rows, in the table's order: all of them where there are no more.

    `labels` (n,): the class of a row, "" for a row without one (which counts as a class of its own). Each class gets
    its share of the table, but at least half of an even share where it has so many rows. A patient comes whole, by the
    rarest class among the patient's rows, so that a few rows more than `most` may come.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    labels_of, counts = np.array(labels, dtype=object), {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    rows_of: dict[str, list[int]] = {}
    for position, patient in enumerate(patients):
        rows_of.setdefault(patient, []).append(position)
    of_class: dict[str, list[str]] = {label: [] for label in counts}
    for patient, rows in rows_of.items():
        of_class[min({labels_of[r] for r in rows}, key=lambda label: (counts[label], label))].append(patient)
    rng, chosen = np.random.default_rng(seed), []
    # The rarest class first: what it brings along of the others counts for them.
    for label in sorted(counts, key=lambda label: (counts[label], label)):
        wanted = quota(counts, most)[label] - sum(labels_of[r] == label for r in chosen)
        for place in rng.permutation(len(of_class[label])):
            if wanted <= 0:
                break
            rows = rows_of[of_class[label][place]]
            chosen += rows
            wanted -= sum(labels_of[r] == label for r in rows)
    return np.sort(np.array(chosen, dtype=int))


def quota(counts: dict[str, int], most: int) -> dict[str, int]:
    """How many rows of each class to take: its share of the table, at least half an even share, together `most`."""
    total, least = sum(counts.values()), most // (2 * len(counts))
    floor = {label: min(count, least) for label, count in counts.items()}
    left = most - sum(floor.values())
    above = {label: max(count * most / total - floor[label], 0.0) for label, count in counts.items()}
    scale = left / max(sum(above.values()), 1e-9)
    return {label: min(counts[label], floor[label] + round(above[label] * min(scale, 1.0))) for label in counts}


def taught_rows(labels: Sequence[str], patients: Sequence[str], each: int, seed: int = 0) -> np.ndarray:
    """Positions of the rows whose label is given: up to `each` of every class ("" is none), one a patient first.

    A patient who teaches can't be asked about, so a second row of the same patient is taken only where a class has no
    other patients.
    """
    labels_of, rng = np.array(labels, dtype=object), np.random.default_rng(seed)
    used: set[str] = set()
    chosen: list[int] = []
    names = sorted(set(labels) - {""}, key=lambda label: (int((labels_of == label).sum()), label))
    for label in names:
        rows = rng.permutation(np.flatnonzero(labels_of == label))
        taken: list[int] = []
        for fresh in (True, False):
            for row in rows:
                if len(taken) < each and int(row) not in taken and (not fresh or patients[row] not in used):
                    taken.append(int(row))
                    used.add(patients[row])
        chosen += taken
    return np.sort(np.array(chosen, dtype=int))
