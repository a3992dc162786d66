"""Many slices -> one embedding, with a weight for each slice that says how much it mattered."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REDUCED, HIDDEN = 24, 48


class SlicePooling(nn.Module):
    """Gated attention over slices (Ilse, Tomczak & Welling 2018, arXiv 1802.04712, eq. 9), mixed with the plain mean.

    The score of a slice looks at the slice and at its difference from the study's mean slice. `share` (0..1) of the
    pooled embedding follows the attention, the rest the mean: a study unlike the training ones loses little.
    """

    def __init__(self, dimensions: int):
        super().__init__()
        self.reduce = nn.Linear(dimensions, REDUCED, bias=False)
        self.value = nn.Linear(2 * REDUCED, HIDDEN)
        self.gate = nn.Linear(2 * REDUCED, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)
        self.register_buffer("share", torch.tensor(0.5))
        nn.init.zeros_(self.score.weight)  # starts as the plain mean
        nn.init.zeros_(self.score.bias)

    def scores(self, embeddings: Tensor) -> Tensor:
        """(..., k, d) -> (..., k) log weights before normalising."""
        seen = self.reduce(embeddings)
        seen = torch.cat([seen, seen - seen.mean(-2, keepdim=True)], -1)
        hidden = torch.tanh(self.value(seen)) * torch.sigmoid(self.gate(seen))
        return self.score(hidden).squeeze(-1)

    def attention(self, embeddings: Tensor) -> Tensor:
        """(..., k, d) -> (..., k) weights that sum to one."""
        return self.scores(embeddings).softmax(-1)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(..., k, d) -> (..., d)."""
        focused = (self.attention(embeddings).unsqueeze(-1) * embeddings).sum(-2)
        return self.share * focused + (1 - self.share) * embeddings.mean(-2)
