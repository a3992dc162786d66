"""Closed-form guesses that the in-context network starts from: kernel ridge regression, and what each labelled row
would be guessed without itself.

With H the matrix that turns the labelled rows' targets y into the fit, the guess of row i without row i is
y_i - (y_i - (H y)_i) / (1 - H_ii), exact without refitting (Allen 1974; Craven & Wahba 1979). So labelled rows and new
ones carry guesses of the same worth, and the network can tell from the former how far to trust the latter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Kernels over columns, and the strengths of the penalty (times n, for kernels of mean diagonal 1). The additive kernel
# lets each column speak for itself along a bent line, as boosted stumps do; the radial one lets them speak together.
KERNELS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("linear", (0.03, 0.3, 3.0)),
    ("additive", (0.03, 0.3)),
    ("radial", (0.03, 0.3)),
)
COUNT = sum(len(strengths) for _, strengths in KERNELS)


@dataclass(frozen=True)
class Fitted:
    """The regressions of some labelled rows; called with (..., m, d) cells it guesses them, (..., m, COUNT), each row
    by itself."""

    support: Tensor
    mean: Tensor
    kernels: tuple[tuple[_Centre, Tensor], ...]

    def __call__(self, query: Tensor) -> Tensor:
        parts = [centre(query, self.support) @ weights for centre, weights in self.kernels]
        return torch.cat(parts, -1) + self.mean.unsqueeze(-1)


def guesses(support: Tensor, targets: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """(..., n, d) cells, (..., n) targets, (..., m, d) -> guesses without the row itself (..., n, COUNT), of the query
    (..., m, COUNT). Cells are standardised on the support; each query row is guessed on its own."""
    left_out, fitted = fit(support, targets)
    return left_out, fitted(query)


def fit(support: Tensor, targets: Tensor) -> tuple[Tensor, Fitted]:
    """(..., n, d) cells, (..., n) targets -> guesses without the row itself (..., n, COUNT); what guesses others."""
    left_out, kernels, n = [], [], support.shape[-2]
    mean = targets.mean(-1, keepdim=True)
    for name, strengths in KERNELS:
        centre, own = _centred(name, support)
        values, vectors = (x.to(own) for x in torch.linalg.eigh(own.double()))  # single precision can give NaN here
        values = values.clamp(min=0)
        turned = (vectors.mT @ (targets - mean).unsqueeze(-1)).squeeze(-1)  # (..., n)
        weights = []
        for strength in strengths:
            shrunk = values / (values + n * strength)
            fitted = (vectors @ (shrunk * turned).unsqueeze(-1)).squeeze(-1) + mean
            reach = (vectors.square() @ shrunk.unsqueeze(-1)).squeeze(-1) + 1 / n
            left_out.append(targets - (targets - fitted) / (1 - reach).clamp(min=0.05))
            weights.append(vectors @ (turned / (values + n * strength)).unsqueeze(-1))
        kernels.append((centre, torch.cat(weights, -1)))
    return torch.stack(left_out, -1), Fitted(support, mean, tuple(kernels))


@dataclass(frozen=True)
class _Centre:
    """A kernel between any rows and the labelled ones, for features centred on the labelled rows and scaled to a mean
    diagonal of 1 there. `reach`: of the radial kernel, what squared distances are divided by."""

    name: str
    reach: Tensor
    columns: Tensor
    every: Tensor
    scale: Tensor

    def __call__(self, query: Tensor, support: Tensor) -> Tensor:
        """(..., m, d), (..., n, d) -> (..., m, n)."""
        cross = _kernel(self.name, query, support, self.reach)
        return (cross - cross.mean(-1, keepdim=True) - self.columns + self.every) / self.scale


def _centred(name: str, support: Tensor) -> tuple[_Centre, Tensor]:
    """The kernel, and what it is among the labelled rows (..., n, n)."""
    reach = torch.ones(())
    if name == "radial":
        reach = _squares(support, support).mean((-2, -1), keepdim=True).clamp(min=1e-6)
    own = _kernel(name, support, support, reach)
    columns, every = own.mean(-2, keepdim=True), own.mean((-2, -1), keepdim=True)
    own = own - columns - columns.mT + every
    scale = own.diagonal(dim1=-2, dim2=-1).mean(-1).clamp(min=1e-6)[..., None, None]
    return _Centre(name, reach, columns, every, scale), own / scale


def _kernel(name: str, query: Tensor, support: Tensor, reach: Tensor) -> Tensor:
    if name == "linear":
        return query @ support.mT
    if name == "additive":
        return torch.exp(-(query.unsqueeze(-2) - support.unsqueeze(-3)).abs()).mean(-1)
    return torch.exp(-_squares(query, support) / reach)


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances, differentiable where two rows are the same."""
    return (a.square().sum(-1).unsqueeze(-1) + b.square().sum(-1).unsqueeze(-2) - 2 * a @ b.mT).clamp(min=0)
