"""Self-supervised steps before the labels are looked at: two varied views of a picture must lie nearer to each other
than to any other picture of the same set (SimCLR: Chen et al. 2020, arXiv 2002.05709, equation 1).

The embedding is the product's, and the same deep blocks move as in supervised training. No label is read, so sets
without any would do as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.training.loop import Report, Run

if TYPE_CHECKING:
    from engine.training.encoder import Source, Training

PICTURES = 24  # of one set a step, each twice
TEMPERATURE = 0.2
HIDDEN, SIZE = 256, 128  # of the projection, which is thrown away afterwards


class Contrast(nn.Module):
    """The module that is trained, and the projection in which views are compared."""

    def __init__(self, module: Training):
        super().__init__()
        self.module = module
        self.projection = nn.Sequential(nn.Linear(len(module.centre), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, SIZE))

    def forward(self, views: Tensor) -> Tensor:
        """(k, 3, px, px) -> (k, SIZE) of length one."""
        return F.normalize(self.projection(self.module(views)), dim=1)


def contrast_loss(first: Tensor, second: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """(k, d) and (k, d) of length one, row by row two views of a picture -> mean cross-entropy of finding the other
    view among the 2k - 1 that are not oneself."""
    both, count = torch.cat([first, second]), len(first)
    alike = both @ both.T / temperature
    alike = alike.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=both.device), -torch.inf)
    return F.cross_entropy(alike, torch.arange(2 * count, device=both.device).roll(count))


def pretrain(
    module: Training,
    sources: Sequence[Source],
    weights: np.ndarray,
    settings: dict[str, Any],
    out: Path,
    seed: int,
    report: Report,
) -> None:
    """`settings["self_supervised"]` steps at the rate of the supervised ones; a killed run goes on under `out`."""
    torch.manual_seed(seed)
    contrast = Contrast(module).to(module.centre.device)

    def loss(rng: np.random.Generator) -> Tensor:
        source = sources[int(rng.choice(len(sources), p=weights))]
        count = min(PICTURES, len(source.labels))
        chosen = torch.from_numpy(rng.choice(len(source.labels), count, replace=False))
        seen = contrast(torch.cat([source.views(chosen, rng), source.views(chosen, rng)]))
        return contrast_loss(*seen.split(count))

    run = Run(contrast, out / "self-supervised", seed=seed, rate=settings["rate"], decay=settings["decay"])
    run.resume()
    run.train(loss, settings["self_supervised"], every=settings["every"], report=report)
