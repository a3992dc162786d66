"""What a record's embedding looks like: first what the record encoder made of the row, then the row's own numbers."""

from __future__ import annotations

import torch
from torch import Tensor

# So many numbers of mean 0 and mean square 1/4 (engine/encoders/record.py), which no image's embedding begins with.
ROW_NUMBERS, ROW_SQUARE = 32, 0.25


def are_records(embeddings: Tensor) -> bool:
    """Whether these (n, d) are rows of a table."""
    row = embeddings[:, :ROW_NUMBERS].detach()
    return embeddings.shape[1] > ROW_NUMBERS and torch.allclose(
        torch.stack([row.mean(1), row.square().mean(1)]), torch.tensor([[0.0], [ROW_SQUARE]]).to(row), atol=2e-3
    )


def own_numbers(embeddings: Tensor) -> Tensor:
    """(n, d) -> (n, d - ROW_NUMBERS): the row's own numbers."""
    return embeddings[:, ROW_NUMBERS:].float()
