"""What every few-shot learner takes and gives: `adapt(support) -> Adapted`.

A *support set* is a handful of labelled cases, each one a row of numbers (its embedding); an adapted model turns the
embedding of a new case into one score a class. Nothing here looks at the new cases: one patient's answer never
depends on which other patients are asked about at the same time (no transduction).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from engine.nouns import Note
from engine.sentences import say

if TYPE_CHECKING:
    from engine.learners.numbers import NumberFit, NumberSupport

CLASSES, NUMBER = "classes", "number"  # what may be asked of a learner


class SupportError(ValueError):
    """The labelled cases can't teach this learner. `note` says why and what to do, in both languages."""

    def __init__(self, note: Note):
        super().__init__(say(note, "en"))
        self.note = note


def check_rows(embeddings: Tensor, targets: Tensor, groups: tuple[str, ...]) -> None:
    """ValueError unless there are (n, d) embeddings with one target and one patient each."""
    if embeddings.ndim != 2 or targets.shape != embeddings.shape[:1]:
        raise ValueError("a support set takes embeddings (n, d) and targets (n,)")
    if len(groups) != len(targets):
        raise ValueError("a support set takes one group (patient) a case")


def check_finite(embeddings: Tensor) -> None:
    """SupportError that counts the cases whose embedding is not finite, where there are any."""
    broken = int((~torch.isfinite(embeddings).all(1)).sum())
    if broken:
        raise SupportError(Note("learners.broken_embedding", {"count": broken}))


@dataclass(frozen=True)
class Support:
    """The labelled cases: `embeddings` (n, d) float32, `targets` (n,) long into `classes`, one patient code a case.

    `groups` are the patients: whatever is judged by leaving cases out leaves out all cases of a patient together.
    Raises SupportError for fewer than two classes, a class without a case, or an embedding that is not finite.
    """

    embeddings: Tensor
    targets: Tensor
    classes: tuple[str, ...]
    groups: tuple[str, ...]

    def __post_init__(self) -> None:
        check_rows(self.embeddings, self.targets, self.groups)
        counts = self.counts
        if len(self.classes) < 2 or int((counts > 0).sum()) < 2:
            named = [c for c, n in zip(self.classes, counts.tolist(), strict=True) if n] or list(self.classes)
            raise SupportError(Note("learners.one_class", {"name": ", ".join(named) or "-"}))
        for name, count in zip(self.classes, counts.tolist(), strict=True):
            if not count:
                raise SupportError(Note("learners.empty_class", {"name": name}))
        check_finite(self.embeddings)

    @property
    def counts(self) -> Tensor:
        """(c,) labelled cases a class."""
        return torch.bincount(self.targets, minlength=len(self.classes))

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a person should know before trusting what is learned: classes that rest on one case."""
        alone = [c for c, n in zip(self.classes, self.counts.tolist(), strict=True) if n == 1]
        return tuple(Note("learners.one_case", {"name": name}) for name in alone)

    def take(self, index: Tensor) -> Support:
        """The same question with some of the cases: `index` (k,) long or (n,) bool. Raises as the constructor."""
        rows = index.nonzero().flatten() if index.dtype == torch.bool else index
        groups = tuple(self.groups[i] for i in rows.tolist())
        return Support(self.embeddings[rows], self.targets[rows], self.classes, groups)

    def refuse_shared(self, query_groups: tuple[str, ...]) -> None:
        """Raise SupportError if a patient has a labelled case and is also asked about: the answer would be memory."""
        shared = set(self.groups) & set(query_groups)
        if shared:
            raise SupportError(Note("learners.same_patient", {"count": len(shared)}))


@dataclass(frozen=True)
class Step:
    """One step of adapting: its number (0 is the start), the loss on the labelled cases, seconds since the start."""

    step: int
    loss: float
    seconds: float


OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Adapted:
    """What a learner returns: a differentiable model of embeddings, and what it rests on.

    `score` turns embeddings (m, d) into one number a class (m, c); `space` turns them into the coordinates (m, e) in
    which this learner measures likeness; `prototypes` (c, e) are its typical cases there, None where it has none.
    `temperature` divides the scores before the softmax; calibration sets it (`engine.evidence.uncertainty`).
    `sampled` turns embeddings into the scores (s, m, c) of several models of the task, for a learner that has them.
    """

    learner: str
    classes: tuple[str, ...]
    score: Callable[[Tensor], Tensor]
    space: Callable[[Tensor], Tensor]
    prototypes: Tensor | None = None
    trace: tuple[Step, ...] = ()
    notes: tuple[Note, ...] = ()
    temperature: float = 1.0
    sampled: Callable[[Tensor], Tensor] | None = None

    def logits(self, embeddings: Tensor) -> Tensor:
        """(m, d) -> (m, c), differentiable; each row depends on its own case alone."""
        return self.score(embeddings) / self.temperature

    def probabilities(self, embeddings: Tensor) -> Tensor:
        """(m, d) -> (m, c), rows sum to 1."""
        return torch.softmax(self.logits(embeddings), dim=1)

    def samples(self, embeddings: Tensor) -> Tensor | None:
        """(m, d) -> (s, m, c) probabilities by each model a learner drew (PLATIPUS); None for all others."""
        return None if self.sampled is None else torch.softmax(self.sampled(embeddings) / self.temperature, dim=2)

    def distances(self, query: Tensor, support: Tensor) -> Tensor:
        """Euclidean distance in the learner's own space: (m, d), (n, d) -> (m, n)."""
        return torch.cdist(self.space(query), self.space(support))

    def prototype_distances(self, query: Tensor) -> Tensor:
        """Distance to each typical case: (m, d) -> (m, c). Raises ValueError where the learner has none."""
        if self.prototypes is None:
            raise ValueError(f"{self.learner} has no prototypes")
        return torch.cdist(self.space(query), self.prototypes)

    def with_temperature(self, temperature: float) -> Adapted:
        return replace(self, temperature=temperature)


class Learner(ABC):
    """A way to learn from a handful. `name` is the command line's, `paper` the source, `targets` what it can learn."""

    name: ClassVar[str]
    paper: ClassVar[str]
    targets: ClassVar[tuple[str, ...]] = (CLASSES,)
    records_only: ClassVar[bool] = False  # reads columns of a table, which images have none of

    @property
    def about(self) -> Note:
        """What it does, in one line, in both languages."""
        return Note(f"learners.line_{self.name}")

    @property
    def line(self) -> str:
        return say(self.about, "en")

    @abstractmethod
    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        """Learn from the labelled cases.

        `steps`: inner steps, None for the method's own number; a method without steps ignores it. `seed` fixes
        whatever is drawn. `on_step` is called after each step and may raise to stop. Raises SupportError.
        """

    def resampling(self, draw: int) -> Learner:
        """What learns in the `draw`-th of many resamples of the labelled cases, where only the spread of the answers
        counts: this method, or one that gives nearly the same for less work."""
        return self

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        """Learn a number instead of a class, where "number" is among `targets`; see `numbers.adapt_number`."""
        raise SupportError(Note("learners.classes_only", {"name": self.name}))


class Trace:
    """Collects the steps of one adaptation and hands each to `on_step`."""

    def __init__(self, on_step: OnStep | None = None):
        self.steps: list[Step] = []
        self._on_step = on_step
        self._start = time.perf_counter()

    def add(self, step: int, loss: float) -> None:
        self.steps.append(Step(step, loss, time.perf_counter() - self._start))
        if self._on_step:
            self._on_step(self.steps[-1])


def class_weights(support: Support) -> Tensor:
    """(n,) weights that give every class the same say, summing to 1.

    How many cases of each class somebody happened to label says nothing about how common the class is.
    """
    return 1.0 / (support.counts[support.targets].to(support.embeddings) * len(support.classes))


def class_means(embeddings: Tensor, targets: Tensor, classes: int) -> Tensor:
    """Mean embedding of each class (Snell et al. 2017, eq. 1): (n, d), (n,) -> (classes, d)."""
    member = torch.nn.functional.one_hot(targets, classes).to(embeddings)  # (n, classes)
    return member.T @ embeddings / member.sum(0).clamp(min=1).unsqueeze(1)


def spread(embeddings: Tensor) -> Tensor:
    """Root mean squared distance of the cases from their mean: (n, d) -> scalar, never 0.

    Learners divide by it, so that their fixed numbers (temperatures, penalties, rates) mean the same for any encoder.
    """
    return (embeddings - embeddings.mean(0)).square().sum(1).mean().sqrt().clamp(min=1e-12)
