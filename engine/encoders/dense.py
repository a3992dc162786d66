"""Dense: what is kept of a scan to find things in it later: features at places of a 6 mm grid, once per case.

A few hundred kilobytes a case. Every place in the body is kept while there are few; of many, those that stand out
and an even sample of the rest, lungs first, so that a click anywhere has a kept place nearby.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.encoders.body import body_and_lung
from engine.encoders.proposer import (
    AIR,
    CELL,
    TRAITS,
    Grid,
    load_proposer,
    look,
    to_grid,
    weights_hash,
    windowed,
)
from engine.nouns import Volume

RECIPE = "1"  # raise it with every change of code that changes what is kept: it is part of the identity
MOST_PLACES = 9000  # kept of a case: 1.4 MB at most
TOP_PLACES = 3000  # of them, those that stand out most
LUNG_SHARE = 0.6  # of the even sample, where a scan shows lungs
LEAST_LUNG = 1400  # cells (0.3 litres): less is not a chest
STATISTICS = 10  # plain numbers beside the network's: mean and spread of both windows at 6, 18 and 30 mm


@dataclass(frozen=True)
class Dense:
    """Places of one case, m of them, in no order.

    `features` (m, f) float16: the network's, its traits (`Proposed`), then `STATISTICS` plain numbers.
    `positions_mm` (m, 3) float32, patient mm. `objectness` (m,) float32 in 0..1: that the centre of a finding of any
    kind lies here, before anyone has pointed. `centres_mm` (m, 3): where the network takes that centre to be.
    `radius_mm` (m,): how large it takes the finding to be. `identity`: weights and recipe that made this.
    """

    features: np.ndarray
    positions_mm: np.ndarray
    objectness: np.ndarray
    centres_mm: np.ndarray
    radius_mm: np.ndarray
    identity: str

    def save(self, path: Path) -> None:
        """Write as npz; the file has its name only once it is whole."""
        part = path.with_name(path.name + ".part")
        with part.open("wb") as out:
            np.savez_compressed(out, **{f.name: np.asarray(getattr(self, f.name)) for f in fields(self)})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Dense:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as raw:
            values = {f.name: raw[f.name] for f in fields(cls)}
        return cls(**{**values, "identity": str(values["identity"])})


def identity() -> str:
    """What a kept Dense must say to be still valid: the recipe and the proposer's weights."""
    return f"{RECIPE}-{weights_hash()}"


def propose(volume: Volume, seed: int = 0) -> Dense:
    """Look over a whole case once. Seconds on one core; `seed` only draws which unremarkable places are kept."""
    grid = to_grid(volume)
    body, lung = body_and_lung(grid.hu) if volume.is_hu else (not_background(grid.hu), None)
    if not body.any():
        body = np.ones_like(body)
    out = look(load_proposer(), grid.hu)
    kept = _choose(out.logit[0].numpy(), body, lung, np.random.default_rng(seed))
    at = tuple(kept.T)
    rows = [out.features[0], out.traits[0], statistics(grid.hu)]
    features = torch.cat([r[(slice(None), *at)] for r in rows]).T
    middles = kept * np.array(CELL) + (np.array(CELL) - 1) / 2
    shift = out.offset[0][(slice(None), *at)].T.numpy().clip(-2, 2) * np.array(CELL)
    return Dense(
        features.numpy().astype(np.float16),
        _to_mm(volume, grid, middles),
        out.logit[0][at].sigmoid().numpy(),
        _to_mm(volume, grid, middles + shift),
        np.exp(out.traits[0, 0][at].numpy().clip(0.7, 4.0)),
        identity(),
    )


def network_width(features: int) -> int:
    """How many of so many features are the network's own."""
    return features - TRAITS - STATISTICS


def statistics(hu: Tensor) -> Tensor:
    """(z, y, x) HU -> (`STATISTICS`, d, h, w): per window the mean over 6, 18 and 30 mm, the spread over 6 and 18."""
    extra = [-n % c for n, c in zip(hu.shape, CELL, strict=True)]
    full = F.pad(hu, (0, extra[2], 0, extra[1], 0, extra[0]), value=AIR)
    seen = windowed(full)[None]
    mean, square = F.avg_pool3d(seen, CELL), F.avg_pool3d(seen**2, CELL)

    def wider(x: Tensor, cells: int) -> Tensor:
        ones, reach = torch.ones_like(x[:, :1]), [cells // 2] * 6  # own padding: scans may be thinner than the window
        return F.avg_pool3d(F.pad(x, reach), cells, 1) / F.avg_pool3d(F.pad(ones, reach), cells, 1)

    mean18, square18 = wider(mean, 3), wider(square, 3)
    spreads = [(s - m**2).clamp(min=0).sqrt() for m, s in ((mean, square), (mean18, square18))]
    return torch.cat([mean, mean18, wider(mean, 5), *spreads], 1)[0]


def not_background(hu: Tensor) -> np.ndarray:
    """Cells of a scan without HU that are not background: its values were mapped so that background is air."""
    extra = [-n % c for n, c in zip(hu.shape, CELL, strict=True)]
    full = F.pad(hu, (0, extra[2], 0, extra[1], 0, extra[0]), value=AIR)
    return F.avg_pool3d(full[None, None], CELL)[0, 0].numpy() > -800


def _choose(logit: np.ndarray, body: np.ndarray, lung: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """(m, 3) cells to keep: all in the body, or the most remarkable and an even sample of the others."""
    inside = np.flatnonzero(body)
    if len(inside) > MOST_PLACES:
        order = inside[np.argsort(logit.ravel()[inside])[::-1]]
        kept, rest = order[:TOP_PLACES], order[TOP_PLACES:]
        chance = np.ones(len(rest))
        if lung is not None and lung.sum() >= LEAST_LUNG:
            here = lung.ravel()[rest]
            for part, share in ((here, LUNG_SHARE), (~here, 1 - LUNG_SHARE)):
                chance[part] = share / max(1, part.sum())
        sample = rng.choice(rest, MOST_PLACES - TOP_PLACES, replace=False, p=chance / chance.sum())
        inside = np.sort(np.concatenate([kept, sample]))
    return np.stack(np.unravel_index(inside, body.shape), 1)


def _to_mm(volume: Volume, grid: Grid, points: np.ndarray) -> np.ndarray:
    return volume.geometry.to_mm(grid.to_voxel(points)).astype(np.float32)
