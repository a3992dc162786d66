"""What the record encoder is trained for: closed-form learners on [its numbers, the row's own] answer the asked rows.

Ridge regression stands for the linear methods, class means for the prototypical ones; both are differentiable, so the
encoder learns through them (Bertinetto et al. 2019, arXiv 1805.08136; Snell et al. 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss

from engine.encoders.record import RowNet
from engine.learners.cells import standardised
from engine.training.record_tasks import Batch

STRENGTHS = (0.03, 0.3)  # of the penalty, for rows at a mean squared distance of 1 from their mean
FAR = 3.0


class Rows(nn.Module):
    """The encoder with the two temperatures that turn its learners' answers into logits."""

    def __init__(self, **network: int):
        super().__init__()
        self.net = RowNet(**network)
        self.sharpness = nn.Parameter(torch.tensor([1.0, 1.0]))

    def loss(self, batch: Batch, bare: bool = False) -> Tensor:
        """`bare`: of the row's own numbers alone, to compare with."""
        support, query = standardised(batch.support, batch.query)
        if not bare:
            context = self.net.context(support)
            support = torch.cat([self.net(support, context), support], -1)
            query = torch.cat([self.net(query, context), query], -1)
        centre = support.mean(1, keepdim=True)
        scale = (support - centre).square().sum(-1).mean(1).sqrt().clamp(min=1e-6)[:, None, None]
        support, query = (support - centre) / scale, (query - centre) / scale
        lines = [ridge(support, batch.targets, query, strength) for strength in STRENGTHS]
        if batch.number:
            return torch.stack([huber_loss(line, batch.wanted.clamp(-10, 10), delta=FAR) for line in lines]).mean()
        logits = [3 * self.sharpness[0] * line for line in lines]
        logits.append(4 * self.sharpness[1] * nearer(support, batch.targets, query))
        wanted = (batch.wanted > 0).float()
        return torch.stack([binary_cross_entropy_with_logits(each, wanted) for each in logits]).mean()


def ridge(support: Tensor, targets: Tensor, query: Tensor, strength: float) -> Tensor:
    """(b, n, d) centred, (b, n), (b, m, d) -> (b, m)."""
    n = support.shape[1]
    gram = support @ support.mT + n * strength * torch.eye(n)
    mean = targets.mean(1, keepdim=True)
    return (query @ (support.mT @ torch.linalg.solve(gram, (targets - mean).unsqueeze(-1)))).squeeze(-1) + mean


def nearer(support: Tensor, targets: Tensor, query: Tensor) -> Tensor:
    """(b, m): how much nearer to the mean of the rows of +1 than of -1, squared distances."""
    sides = [((targets > 0) == side).float() for side in (True, False)]
    means = [(support * s.unsqueeze(-1)).sum(1) / s.sum(1, keepdim=True).clamp(min=1) for s in sides]
    near, far = ((query - m.unsqueeze(1)).square().sum(-1) for m in means)
    return far - near
