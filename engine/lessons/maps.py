"""One view, one map: the page's own attribution methods on a picture that is its own only slice."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.encoders import Encoder
from engine.evidence.attribution import GRAIN, METHODS, Explained, blurred, smooth
from engine.learners import Adapted


def explained(encoder: Encoder, adapted: Adapted, target: int, view: Tensor) -> Explained:
    """The question "why this class?" about one view (3, n, n)."""
    with torch.no_grad():
        embedding = encoder.embed_views(view[None])
    return Explained(encoder, adapted, target, embedding, [0])


def drawn(model: Explained, view: Tensor, method: str) -> Tensor:
    """(1, k, k) the map, above 0 for the class; smoothed as the page does it."""
    found = METHODS[method](model, view[None], blurred(view[None])).map
    return smooth(found, GRAIN[method] * view.shape[-1] / 128) if method in GRAIN else found


def energy(marks: np.ndarray, inside: np.ndarray) -> float:
    """Share of what speaks for the class (k, k) that lies inside a mask of the same shape; 0 where nothing does."""
    positive = np.clip(marks, 0, None)
    return float(positive[inside].sum() / positive.sum()) if positive.sum() > 0 else 0.0


def shrunk(mask: np.ndarray, side: int) -> np.ndarray:
    """Bool (n, n) -> bool (side, side): a place counts if any of it does."""
    rows, cols = (np.linspace(0, n, side + 1).astype(int) for n in mask.shape)
    out = np.zeros((side, side), bool)
    for i in range(side):
        for j in range(side):
            out[i, j] = mask[rows[i] : max(rows[i + 1], rows[i] + 1), cols[j] : max(cols[j + 1], cols[j] + 1)].any()
    return out
