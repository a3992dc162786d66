"""Warnings before harm: clues that are not medical, labels their neighbours contradict, too few cases to say anything.

Every test counts patients, not cases (two scans of one patient are one vote), and is exact, because the counts are
small. A warning is a sentence (`engine/sentences/evidence.*.toml`); silence is not a proof.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from engine.evidence.nouns import Tested
from engine.learners import Support
from engine.nouns import Case, Note

FEW_PATIENTS = 5  # below this a class is called thin: 4 of 5 right still means anything from 28 to 99 %
CHANCE = 0.05  # a clue this rarely separates the classes so well by luck
TOLD = 0.8  # share of patients whose class the clue gives away before it is worth a warning
CONTRADICTED = 0.1  # probability of its own label, by the other patients' cases, below which a label is questioned
ROW_KINDS = ("record", "molecule")
# What is known of a scan without looking at the finding; each has its own sentence `evidence.shortcut_<name>`.
FACTS = ("site", "scanner", "kernel", "thickness", "slices", "size", "modality", "contrast")


def facts_of(cases: Sequence[Case]) -> dict[str, list[object]]:
    """What is known of labelled cases apart from their pictures, by the names of FACTS; None where it isn't. Rows of a
    table have a site and no scanner."""
    if any(case.kind in ROW_KINDS for case in cases):
        return {"site": [case.site or None for case in cases]}

    def kept(case: Case, name: str) -> object:
        return case.kept.get(name) or None

    return {
        "site": [case.site or None for case in cases],
        "scanner": [" ".join(filter(None, (case.kept.get("manufacturer"), case.kept.get("model")))) for case in cases],
        "kernel": [kept(case, "kernel") for case in cases],
        "thickness": [round(case.geometry.spacing_mm[0], 2) if case.shape[0] > 1 else None for case in cases],
        "slices": [case.shape[0] for case in cases],
        "size": [f"{case.shape[1]} x {case.shape[2]}" for case in cases],
        "modality": [case.modality or None for case in cases],
        "contrast": [kept(case, "contrast") or "no" for case in cases],
    }


def few_cases(support: Support, tested: Tested) -> list[Note]:
    """Classes that rest on one patient or on few, and whether the test on one's own cases is better than guessing."""
    notes = []
    for k, name in enumerate(support.classes):
        patients = {support.groups[i] for i in (support.targets == k).nonzero().flatten().tolist()}
        if len(patients) == 1:
            notes.append(Note("evidence.one_patient", {"name": name}))
        elif len(patients) < FEW_PATIENTS:
            notes.append(Note("evidence.few_patients", {"name": name, "count": len(patients)}))
    if tested.count:
        commonest = max(Counter(support.targets.tolist()).values()) / len(support.targets)
        if tested.low <= commonest:
            values = {
                "right": tested.right,
                "count": tested.count,
                "low": round(100 * tested.low),
                "high": round(100 * tested.high),
            }
            notes.append(Note("evidence.no_better_than_guessing", values))
    else:
        notes.append(Note("evidence.not_testable"))
    return notes


def shortcuts(support: Support, facts: Mapping[str, Sequence[object]]) -> list[Note]:
    """Facts of the scan that give the class away by themselves.

    facts: for each name of FACTS one value a labelled case (None: unknown). Numbers are tried at every threshold,
    the chance multiplied by the number of thresholds tried (Bonferroni).
    """
    notes = []
    for name in FACTS:
        values = facts.get(name)
        if values is None:
            continue
        votes = _votes(support, values)
        found = _told_by_number(votes) if _numeric(votes) else _told_by_value(votes)
        if found and found[0] >= TOLD * len(votes) and found[1] < CHANCE:
            notes.append(Note(f"evidence.shortcut_{name}", {"told": found[0], "count": len(votes)}))
    return notes


def contradicted_labels(support: Support, cases: Sequence[str], tested: Tested) -> list[Note]:
    """Labelled cases that the other patients' cases take for another class with near certainty."""
    notes = []
    for i, (predicted, own) in enumerate(zip(tested.predicted, tested.probability, strict=True)):
        label = support.classes[int(support.targets[i])]
        if own is not None and own < CONTRADICTED and predicted != label:
            notes.append(Note("evidence.contradicted", {"case": cases[i], "label": label, "other": predicted}))
    return notes


def _votes(support: Support, values: Sequence[object]) -> list[tuple[object, int]]:
    """One (value, class) a patient and class; a patient whose cases differ in the value gives each value once."""
    seen = {
        (group, int(target), value)
        for group, target, value in zip(support.groups, support.targets, values, strict=True)
        if value is not None and value != ""
    }
    return [(value, target) for _, target, value in sorted(seen, key=repr)]


def _numeric(votes: list[tuple[object, int]]) -> bool:
    return bool(votes) and all(isinstance(value, (int, float)) for value, _ in votes)


def _told_by_value(votes: list[tuple[object, int]]) -> tuple[int, float] | None:
    """(patients whose class the value gives away, chance of so many or a stronger link), None with nothing to tell."""
    values, classes = sorted({v for v, _ in votes}, key=str), sorted({c for _, c in votes})
    if len(values) < 2 or len(classes) < 2:
        return None
    from scipy.stats import fisher_exact, hypergeom  # a second to import, and few projects have facts to look at

    table = np.array([[sum(1 for vote in votes if vote == (v, c)) for c in classes] for v in values])
    told = int(table.max(1).sum())
    if table.shape == (2, 2):
        return told, float(fisher_exact(table).pvalue)
    # More values or classes: the strongest single pair against the rest, corrected for how many pairs there are.
    chances = [
        hypergeom.sf(table[i, j] - 1, table.sum(), table[i].sum(), table[:, j].sum())
        for i in range(len(values))
        for j in range(len(classes))
    ]
    return told, min(1.0, float(min(chances)) * len(chances))


def _told_by_number(votes: list[tuple[object, int]]) -> tuple[int, float] | None:
    numbers = sorted({float(v) for v, _ in votes})  # type: ignore[arg-type]
    best: tuple[int, float] | None = None
    for low, high in zip(numbers, numbers[1:], strict=False):
        middle = (low + high) / 2
        found = _told_by_value([(float(v) > middle, c) for v, c in votes])  # type: ignore[arg-type]
        if found and (best is None or found[1] < best[1]):
            best = found
    return best and (best[0], min(1.0, best[1] * (len(numbers) - 1)))
