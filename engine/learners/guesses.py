"""Closed-form guesses that the in-context network starts from: kernel ridge regression, and what each labelled row
would be guessed without itself.

With H the matrix that turns the labelled rows' targets y into the fit, the guess of row i without row i is
y_i - (y_i - (H y)_i) / (1 - H_ii), exact without refitting (Allen 1974; Craven & Wahba 1979). So labelled rows and new
ones carry guesses of the same worth, and the network can tell from the former how far to trust the latter.
"""

from __future__ import annotations

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


def guesses(support: Tensor, targets: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """(..., n, d) cells, (..., n) targets, (..., m, d) -> guesses without the row itself (..., n, COUNT), of the query
    (..., m, COUNT). Cells are standardised on the support; each query row is guessed on its own."""
    left_out, asked = [], []
    mean = targets.mean(-1, keepdim=True)
    for name, strengths in KERNELS:
        own, cross = _centred(*_kernel(name, support, query))
        values, vectors = torch.linalg.eigh(own)
        values = values.clamp(min=0)
        turned = (vectors.mT @ (targets - mean).unsqueeze(-1)).squeeze(-1)  # (..., n)
        for strength in strengths:
            shrunk = values / (values + len_of(own) * strength)
            fit = (vectors @ (shrunk * turned).unsqueeze(-1)).squeeze(-1) + mean
            reach = (vectors.square() @ shrunk.unsqueeze(-1)).squeeze(-1) + 1 / len_of(own)
            left_out.append(targets - (targets - fit) / (1 - reach).clamp(min=0.05))
            weights = vectors @ (turned / (values + len_of(own) * strength)).unsqueeze(-1)
            asked.append((cross @ weights).squeeze(-1) + mean)
    return torch.stack(left_out, -1), torch.stack(asked, -1)


def len_of(kernel: Tensor) -> int:
    return kernel.shape[-1]


def _kernel(name: str, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """(..., n, n) among the labelled rows and (..., m, n) from the query to them."""
    if name == "linear":
        return support @ support.mT, query @ support.mT
    if name == "additive":
        own = torch.exp(-(support.unsqueeze(-2) - support.unsqueeze(-3)).abs()).mean(-1)
        return own, torch.exp(-(query.unsqueeze(-2) - support.unsqueeze(-3)).abs()).mean(-1)
    squares = _squares(support, support)
    reach = squares.mean((-2, -1), keepdim=True).clamp(min=1e-6)
    return torch.exp(-squares / reach), torch.exp(-_squares(query, support) / reach)


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances, differentiable where two rows are the same."""
    return (a.square().sum(-1).unsqueeze(-1) + b.square().sum(-1).unsqueeze(-2) - 2 * a @ b.mT).clamp(min=0)


def _centred(own: Tensor, cross: Tensor) -> tuple[Tensor, Tensor]:
    """Both kernels for features centred on the labelled rows, scaled to a mean diagonal of 1."""
    columns, every = own.mean(-2, keepdim=True), own.mean((-2, -1), keepdim=True)
    cross = cross - cross.mean(-1, keepdim=True) - columns + every
    own = own - columns - columns.mT + every
    scale = own.diagonal(dim1=-2, dim2=-1).mean(-1).clamp(min=1e-6)[..., None, None]
    return own / scale, cross / scale
