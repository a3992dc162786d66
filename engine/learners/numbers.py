"""Numeric targets: a handful of cases with a measured number each -> that number for new cases, and an interval.

The interval is jackknife+ (Barber, Candes, Ramdas & Tibshirani 2021, Annals of Statistics 49(1), arXiv 1905.02928), a
patient at a time: every patient is left out once, and how far the model then missed says how far it may miss a new
one. It needs no assumption about the errors, only that the new patient is of the same kind; it covers at least
1 - 2 alpha by proof and about 1 - alpha in practice. With n patients there is none above a level of n / (n + 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.learners.protocol import Learner, OnStep, Step, SupportError, Trace, check_finite, check_rows
from engine.nouns import Note

LEVEL = 0.8  # asks for 4 patients; 0.9 asks for 9
MOST_FOLDS = 30  # above so many patients they are left out in groups


@dataclass(frozen=True)
class NumberSupport:
    """Labelled cases: `embeddings` (n, d) float32, `targets` (n,) float in `unit`, one patient code a case.

    Raises SupportError for fewer than two different numbers, a number or an embedding that isn't finite.
    """

    embeddings: Tensor
    targets: Tensor
    unit: str
    groups: tuple[str, ...]

    def __post_init__(self) -> None:
        check_rows(self.embeddings, self.targets, self.groups)
        broken = int((~torch.isfinite(self.targets)).sum())
        if broken:
            raise SupportError(Note("learners.broken_number", {"count": broken}))
        if len(self.targets.unique()) < 2:
            raise SupportError(Note("learners.one_number"))
        check_finite(self.embeddings)

    @property
    def centre(self) -> Tensor:
        return self.targets.mean()

    @property
    def scale(self) -> Tensor:
        """Spread of the targets, never 0: learners work on (target - centre) / scale."""
        return self.targets.std(correction=0).clamp(min=1e-12)

    @property
    def floor(self) -> float:
        """Below it no answer lies: 0 where no labelled number is negative (days, beds, a dose), else minus infinity."""
        return 0.0 if bool((self.targets >= 0).all()) else -math.inf

    @property
    def standard(self) -> Tensor:
        """(n,) targets of mean 0 and spread 1, in the embeddings' precision."""
        return ((self.targets - self.centre) / self.scale).to(self.embeddings)

    def take(self, index: Tensor) -> NumberSupport:
        """The same question with some of the cases: `index` (k,) long or (n,) bool."""
        rows = index.nonzero().flatten() if index.dtype == torch.bool else index
        groups = tuple(self.groups[i] for i in rows.tolist())
        return NumberSupport(self.embeddings[rows], self.targets[rows], self.unit, groups)


@dataclass(frozen=True)
class NumberFit:
    """What a method learned: `predict` embeddings (m, d) -> (m,) *standard* numbers, differentiable; `space` as in
    `Adapted`; `sampled` (m, d) -> (s, m) standard numbers by several models, where a method has them."""

    predict: Callable[[Tensor], Tensor]
    space: Callable[[Tensor], Tensor]
    notes: tuple[Note, ...] = ()
    sampled: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class AdaptedNumber:
    """A model of a number. `mean` and `interval` are in the target's unit; each row depends on its own case alone."""

    learner: str
    unit: str
    support: NumberSupport
    fit: NumberFit
    left_out: Callable[[], tuple[Jackknife, ...]]
    trace: tuple[Step, ...] = ()

    @property
    def notes(self) -> tuple[Note, ...]:
        return self.fit.notes

    @property
    def space(self) -> Callable[[Tensor], Tensor]:
        return self.fit.space

    def mean(self, embeddings: Tensor) -> Tensor:
        """(m, d) -> (m,), none below the support's `floor`: what explains an answer explains the floor with it."""
        return in_unit(self.support, self.fit.predict(embeddings), self.support.floor)

    def samples(self, embeddings: Tensor) -> Tensor | None:
        """(m, d) -> (s, m) by each model a learner drew (PLATIPUS): how far the *model* is unsure. None for others."""
        if self.fit.sampled is None:
            return None
        return in_unit(self.support, self.fit.sampled(embeddings), self.support.floor)

    @cached_property
    def _left_out(self) -> tuple[Jackknife, ...]:
        return self.left_out()

    def interval(self, embeddings: Tensor, level: float = LEVEL) -> tuple[Tensor, Tensor] | None:
        """(m, d) -> (m,) low and (m,) high, which hold a new case with about that probability; None where too few
        patients are labelled for the level. The first call adapts once a patient."""
        folds = self._left_out
        missed = torch.cat([fold.missed for fold in folds]) if folds else torch.zeros(0)
        rank = math.ceil(level * (len(missed) + 1))
        if rank > len(missed):
            return None
        with torch.no_grad():
            guesses = torch.cat([fold.mean(embeddings)[None].expand(len(fold.missed), -1) for fold in folds])
        low = (guesses - missed[:, None]).sort(0).values[len(missed) - rank].clamp(min=self.support.floor)
        high = (guesses + missed[:, None]).sort(0).values[rank - 1]
        return low, high

    def tested(self) -> Tensor:
        """(k,) by how much each labelled case was missed by a model without its patient, in the target's unit."""
        return torch.cat([fold.missed for fold in self._left_out]) if self._left_out else torch.zeros(0)

    def left_out_means(self) -> Tensor:
        """(n,) what a model without its patient says of each labelled case; NaN where none could be made."""
        said = torch.full_like(self.support.targets, torch.nan)
        for fold in self._left_out:
            said[list(fold.rows)] = fold.said.to(said)
        return said


@dataclass(frozen=True)
class Jackknife:
    """The model without one patient (or a group of them), and by how much it missed that patient's cases (k,), which
    stand at `rows` of the support; `said` (k,) is what it said of them."""

    mean: Callable[[Tensor], Tensor]
    missed: Tensor
    rows: tuple[int, ...] = ()
    said: Tensor | None = None


def in_unit(support: NumberSupport, standard: Tensor, floor: float) -> Tensor:
    """Standard numbers of any shape -> the target's unit, none below `floor`."""
    return (support.centre + support.scale * standard).clamp(min=floor)


def adapt_number(
    learner: Learner, support: NumberSupport, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
) -> AdaptedNumber:
    """Learn a number from the labelled cases. Raises SupportError, also for a method that takes classes alone."""
    trace = Trace(on_step)
    fit = learner.fit_number(support, steps, seed, trace)

    def left_out() -> tuple[Jackknife, ...]:
        return leave_one_patient_out(learner, support, steps, seed)

    return AdaptedNumber(learner.name, support.unit, support, fit, left_out, tuple(trace.steps))


def leave_one_patient_out(
    learner: Learner, support: NumberSupport, steps: int | None, seed: int
) -> tuple[Jackknife, ...]:
    """A model without each patient in turn; without those whose absence leaves nothing to learn from."""
    patients = sorted(set(support.groups))
    fold_of = {patient: i % MOST_FOLDS for i, patient in enumerate(patients)}
    fold = torch.tensor([fold_of[g] for g in support.groups])
    folds = []
    for f in range(min(len(patients), MOST_FOLDS)):
        kept = fold != f
        if len(support.targets[kept].unique()) < 2:
            continue
        part = support.take(kept)
        fit = learner.fit_number(part, steps, seed, Trace())

        def mean(embeddings: Tensor, part=part, fit=fit) -> Tensor:
            return in_unit(part, fit.predict(embeddings), support.floor)

        with torch.no_grad():
            said = mean(support.embeddings[~kept])
        rows = tuple((~kept).nonzero().flatten().tolist())
        folds.append(Jackknife(mean, (said - support.targets[~kept]).abs(), rows, said))
    return tuple(folds)
