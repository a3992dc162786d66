"""Labelled sets of pictures held ready for training, and how a picture may vary without changing its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.encoders.framing import frame
from engine.encoders.views import VIEW_PX, make_views
from engine.episodes import open_archive
from engine.nouns import Geometry, Volume

KEPT_PX = 160  # kept a little larger than a view, so that zooming in finds pixels


@dataclass(frozen=True)
class Pictures:
    """One set: `views` (n, 1 or 3, KEPT_PX, KEPT_PX) uint8, `labels` (n,) long into `classes`, `groups` (n,) patients.

    `sided`: left and right matter (the label tells a side), so nothing is mirrored or turned far.
    """

    name: str
    views: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    groups: np.ndarray
    sided: bool = False


def load_pictures(path: Path, sided: bool = False, most: int = 0, seed: int = 0) -> Pictures:
    """An archive (`engine.episodes`) as the encoder sees it; at most `most` pictures, drawn at random (0: all)."""
    archive = open_archive(path)
    order = np.random.default_rng(seed).permutation(len(archive.labels))[: most or None]
    views = [_kept(np.asarray(archive.images[i])) for i in order]
    if any(len(v) == 3 for v in views):
        views = [v.expand(3, -1, -1) for v in views]
    classes = archive.classes
    labels = torch.tensor([classes.index(archive.labels[i]) for i in order])
    return Pictures(archive.name, torch.stack(views), labels, classes, archive.groups[order], sided)


def _kept(picture: np.ndarray) -> Tensor:
    volume = Volume(picture[None], Geometry(measured=False), False)
    view = make_views(volume, frame(volume), px=KEPT_PX)[0]
    grey = picture.ndim == 2 or bool((view[0] == view[1]).all() and (view[0] == view[2]).all())
    return (view[:1] if grey else view).mul(255).round().to(torch.uint8)


def draw_batch(
    labels: Tensor, groups: Sequence[object] | np.ndarray | None, ways: int, size: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """An episode of at most `ways` classes and `size` cases: (index (k,), target (k,), is support (k,) bool).

    Each class gives half of its cases to the support; no group stands on both sides where groups are known. Labels
    below 0 are left out. Classes of fewer than two cases can't be asked and are never drawn; ValueError where fewer
    than two classes are left.
    """
    counts = torch.bincount(labels[labels >= 0])
    usable = torch.nonzero(counts >= 2).flatten().numpy()
    if len(usable) < 2:
        raise ValueError("a set to train on needs two classes of two cases at least")
    chosen = rng.permutation(usable)[:ways]
    each = size // len(chosen)
    index, target, support, seen = [], [], [], set()
    for position, label in enumerate(chosen):
        cases = rng.permutation(np.flatnonzero(labels.numpy() == label))[:each]
        half = len(cases) // 2
        if groups is None:
            mine = [True] * half + [False] * (len(cases) - half)
        else:
            teach = {groups[i] for i in cases[:half]}
            mine = [groups[i] in teach for i in cases]
            seen |= teach
        index += cases.tolist()
        target += [position] * len(cases)
        support += mine
    if groups is not None:  # a patient of two classes: asked nowhere when taught anywhere
        support = [s or groups[i] in seen for s, i in zip(support, index, strict=True)]
    return torch.tensor(index), torch.tensor(target), torch.tensor(support)


def plain_views(pictures: Pictures, index: Tensor) -> Tensor:
    """(k,) chosen pictures as they are: (k, 3, VIEW_PX, VIEW_PX) in 0..1."""
    x = pictures.views[index].float() / 255
    x = F.interpolate(x, (VIEW_PX, VIEW_PX), mode="bilinear", antialias=True, align_corners=False)
    return x.expand(-1, 3, -1, -1).clamp(0, 1)


def vary_pictures(pictures: Pictures, index: Tensor, rng: np.random.Generator) -> Tensor:
    """(k,) chosen pictures -> (k, 3, VIEW_PX, VIEW_PX) in 0..1: moved, turned, zoomed, mirrored, other exposure."""
    k = len(index)
    x = pictures.views[index].float() / 255
    turn = rng.normal(0, 0.12, k) if pictures.sided or rng.random() < 0.6 else rng.uniform(-np.pi, np.pi, k)
    mirror = np.ones(k) if pictures.sided else rng.choice([-1.0, 1.0], k)
    zoom = np.exp(rng.normal(0, 0.12, k))
    shear = np.exp(rng.normal(0, 0.06, k))  # sides of a picture stretched against each other
    shift = rng.normal(0, 0.06, (k, 2))
    theta = np.stack(
        [
            np.stack([np.cos(turn) * zoom * mirror * shear, -np.sin(turn) * zoom, shift[:, 0]], 1),
            np.stack([np.sin(turn) * zoom * mirror * shear, np.cos(turn) * zoom, shift[:, 1]], 1),
        ],
        1,
    )
    grid = F.affine_grid(torch.from_numpy(theta).float(), [k, x.shape[1], VIEW_PX, VIEW_PX], align_corners=False)
    x = F.grid_sample(x, grid, align_corners=False)
    if x.shape[1] == 3 and rng.random() < 0.15:
        x = x.mean(1, keepdim=True)
    x = x.expand(-1, 3, -1, -1)
    return _exposed(x, rng)


def _exposed(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Another window, gamma, colour, sharpness and noise for each picture: (k, 3, rows, columns)."""
    k = len(x)

    def each(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).float().view(k, -1, 1, 1)

    low, high = each(rng.uniform(-0.12, 0.12, k)), each(rng.uniform(0.85, 1.15, k))
    x = ((x - low) / (high - low)).clamp(0, 1)
    x = x.clamp_min(1e-4) ** each(np.exp(rng.normal(0, 0.2, k)))
    if rng.random() < 0.5:
        x = x * each(np.exp(rng.normal(0, 0.06, (k, 3)))) if bool((x[:, 0] != x[:, 1]).any()) else x
    draw = rng.random()
    if draw < 0.25:
        x = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear", align_corners=False)
    elif draw < 0.45:
        x = x + float(rng.uniform(0.3, 1.0)) * (x - F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1))
    if rng.random() < 0.5:
        noise = torch.from_numpy(rng.standard_normal((k, 1, *x.shape[2:]), dtype=np.float32))
        x = x + noise * each(rng.uniform(0, 0.06, k))
    return x.clamp(0, 1)
