"""Which cells of 6 mm lie in the body and which in the lungs: the only places where a finding can be."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from engine.encoders.proposer import AIR, CELL

TISSUE_ABOVE = -350.0  # HU of a cell's mean that count as tissue: a table's sheet, thinner than a cell, stays below
AIR_BELOW = -920.0  # mean HU of a region touching the picture's edge that is air around the body, not a cut lung
LUNG = (-960.0, -500.0)  # HU of a cell's mean; partial volume with vessels and wall included
SMALL = 0.15  # a piece of tissue smaller than this share of the slice's largest is table, blanket or arm


def body_and_lung(hu: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(z, y, x) HU on the network's grid -> two bool arrays over its cells (`Proposed`): body with lungs, lungs."""
    extra = [-n % c for n, c in zip(hu.shape, CELL, strict=True)]
    full = F.pad(hu, (0, extra[2], 0, extra[1], 0, extra[0]), value=AIR)
    cells = F.avg_pool3d(full[None, None], CELL)[0, 0].numpy()
    body = np.stack([_body_of_slice(plane) for plane in cells])
    lung = body & (cells > LUNG[0]) & (cells < LUNG[1])
    return body, ndimage.binary_opening(lung, np.ones((1, 2, 2), bool))


def _body_of_slice(plane: np.ndarray) -> np.ndarray:
    """Tissue without table, and what it encloses; a lung cut by the picture's edge stays in."""
    pieces, count = ndimage.label(plane > TISSUE_ABOVE)
    if not count:
        return np.zeros(plane.shape, bool)
    sizes = np.bincount(pieces.ravel())[1:]
    body = np.isin(pieces, 1 + np.flatnonzero(sizes >= SMALL * sizes.max()))
    gaps, count = ndimage.label(~body)
    edge = np.unique(np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]]))
    for gap in range(1, count + 1):
        region = gaps == gap
        if gap not in edge or np.median(plane[region]) > AIR_BELOW:
            body |= region
    return body
