"""Which cases teach (support) and which will be predicted (query): never the same patient on both sides.

A model that has seen one scan of a patient recognises the patient in the next, and looks better than it is. So an
unlabelled case whose patient has a labelled one is left out, and the page says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.projects.records import UNSURE, ProjectCase


@dataclass(frozen=True)
class Split:
    """Case ids by what happens to them, each list in the project's order; `counts` is class -> labelled cases, and
    `numbers` how many are labelled with a number, where that is what the project learns."""

    support: tuple[str, ...]
    query: tuple[str, ...]
    same_patient: tuple[str, ...]
    unsure: tuple[str, ...]
    counts: Mapping[str, int]
    numbers: int = 0

    @property
    def ready(self) -> bool:
        """Whether there is something to learn from: two classes with a case each, or two numbers."""
        return sum(count > 0 for count in self.counts.values()) >= 2 or self.numbers >= 2


def split_cases(
    cases: Sequence[ProjectCase], labels: Mapping[str, str | float | None], classes: Sequence[str]
) -> Split:
    """Sorts cases into support, query, left out for a shared patient, and left out as unsure.

    A case without a patient code counts as a patient of its own. A label is one of the classes or a number.
    """
    support = [each for each in cases if labels.get(each.id) in classes or isinstance(labels.get(each.id), float)]
    unsure = [each for each in cases if labels.get(each.id) == UNSURE]
    taught = {_patient(each) for each in support}
    aside = {each.id for each in (*support, *unsure)}
    rest = [each for each in cases if each.id not in aside]
    counts = {name: sum(labels[each.id] == name for each in support) for name in classes}
    return Split(
        support=tuple(each.id for each in support),
        query=tuple(each.id for each in rest if _patient(each) not in taught),
        same_patient=tuple(each.id for each in rest if _patient(each) in taught),
        unsure=tuple(each.id for each in unsure),
        counts=counts,
        numbers=sum(isinstance(labels[each.id], float) for each in support),
    )


def _patient(case: ProjectCase) -> tuple[str, str]:
    return ("patient", case.patient) if case.patient else ("case", case.id)
