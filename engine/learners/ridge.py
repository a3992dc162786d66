"""Ridge regression on the embedding (Hoerl & Kennard 1970): the linear control for numbers, as logistic.py for classes.

Minimises |y - s|^2 / n + strength |w|^2 over s = w.z + b, in closed form in the n coordinates that n cases span. The
strength is the one of a few that misses least when a patient is left out, which is exact without refitting: with H the
matrix that turns the targets into the fit, the cases of patient G are missed by (I - H_GG)^-1 (y - Hy)_G.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import NUMBER, Adapted, Learner, OnStep, Support, SupportError, Trace, spread
from engine.nouns import Note

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # for cases at a mean squared distance of 1 from their mean


def hat(gram: Tensor, strength: float) -> Tensor:
    """H (n, n) of ridge regression with an unpenalised constant, for cases centred on their mean: gram = Z Z^T."""
    n = len(gram)
    return gram @ torch.linalg.inv(gram + n * strength * torch.eye(n, dtype=gram.dtype)) + 1 / n


def missed(h: Tensor, targets: Tensor, groups: tuple[str, ...]) -> Tensor:
    """(n,) errors of each case by the fit without its patient; without itself alone where all are of one patient, since
    nothing is left without that one."""
    if len(set(groups)) == 1:
        groups = tuple(map(str, range(len(groups))))
    residual, out = targets - h @ targets, torch.empty_like(targets)
    for group in sorted(set(groups)):
        own = torch.tensor([i for i, g in enumerate(groups) if g == group])
        block = torch.eye(len(own), dtype=h.dtype) - h[own][:, own]
        out[own] = torch.linalg.solve(block, residual[own])
    return out


class Ridge(Learner):
    """A straight line through the embedding, held back as much as leaving patients out asks for."""

    name = "ridge"
    paper = "Hoerl & Kennard 1970, Ridge Regression, Technometrics 12(1)"
    targets = (NUMBER,)

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        raise SupportError(Note("learners.numbers_only", {"name": self.name}))

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        scale, shift = spread(support.embeddings), support.embeddings.mean(0)

        def space(new: Tensor) -> Tensor:
            return (new - shift) / scale

        cases, targets = space(support.embeddings).double(), support.standard.double()
        gram = cases @ cases.T
        errors = [missed(hat(gram, s), targets, support.groups).square().mean() for s in STRENGTHS]
        best = STRENGTHS[int(torch.stack(errors).argmin())]
        n = len(cases)
        weights = cases.T @ torch.linalg.solve(gram + n * best * torch.eye(n, dtype=gram.dtype), targets)
        weights = weights.to(support.embeddings)
        trace.add(0, float((cases @ weights.double() - targets).square().mean()))
        return NumberFit(lambda new: space(new) @ weights, space)
