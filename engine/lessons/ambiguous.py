"""More than one right answer: a few noisy points that could be a wave or a line, and models that PLATIPUS draws.

Finn, Xu & Levine 2018, section 5: half of the tasks that trained the distribution are sinusoids, half are lines. Each
model is one draw of a start, adapted to the points (`engine.learners.platipus.sample`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.learners import platipus
from engine.lessons import waves
from engine.lessons.wave_starts import AMBIGUOUS_STEPS, ambiguous_start

PLACES = 61
MOST = 12  # points that can be given


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"x", "truth", "points", "curves": [a row a model], "lines": how many of them are lines, "models", "spread":
    [standard deviation of the models at each place], "asked": {"x", "low", "high"}}

    `width`: their mean spread. `asked`: where the models disagree most, and where nine of ten of them lie there.
    """
    x, y, truth = task_points(settings)
    curves = models(x, y, settings["models"], settings["seed"])
    where = waves.grid(1, PLACES)[0, :, 0]
    spread = curves.std(0)
    most = int(spread.argmax())
    low, high = torch.quantile(curves[:, most], torch.tensor([0.05, 0.95])).tolist()
    return {
        "x": _row(where),
        "truth": _row(truth),
        "points": [[round(a, 3), round(b, 3)] for a, b in zip(_row(x), _row(y), strict=True)],
        "curves": [_row(curve) for curve in curves],
        "lines": int(is_line(curves, where).sum()),
        "models": len(curves),
        "spread": _row(spread),
        "width": round(float(spread.mean()), 3),
        "asked": {"x": round(float(where[most]), 2), "low": round(low, 2), "high": round(high, 2)},
    }


def task_points(settings: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """x, y (1, points, 1) and the truth at PLACES. The first points lie where a wave and a line look alike: on the
    rising part of the wave sin(x), round x = 0; further ones lie anywhere."""
    draw = torch.Generator().manual_seed(settings["seed"])
    slope, amplitude = 1.3, 2.2
    near = 1.1 * (2 * torch.rand(1, 4, 1, generator=draw) - 1)
    far = waves.REACH * (2 * torch.rand(1, MOST - 4, 1, generator=draw) - 1)
    noise = waves.NOISE * torch.randn(1, MOST, 1, generator=draw) * 0.5
    x, where = torch.cat([near, far], 1), waves.grid(1, PLACES)

    def at(places: Tensor) -> Tensor:
        return amplitude * torch.sin(places) if settings["truth"] == "wave" else slope * places

    count = settings["points"]
    x = x[:, :count]
    return x, at(x) + noise[:, :count], at(where)


def models(x: Tensor, y: Tensor, count: int, seed: int) -> Tensor:
    """(count, PLACES): what each of `count` models says."""
    learned, draw = ambiguous_start(), torch.Generator().manual_seed(seed)
    noise = {n: torch.randn(count, *t.shape[1:], generator=draw) for n, t in learned.mean.items()}
    loss = waves.squared(x.expand(count, -1, -1), y.expand(count, -1, -1))
    theta, _ = platipus.sample(learned, loss, noise, AMBIGUOUS_STEPS)
    with torch.no_grad():
        return waves.forward(theta, waves.grid(count, PLACES))[..., 0]


def is_line(curves: Tensor, where: Tensor) -> Tensor:
    """(models,) bool: nearer to its best line than to its best wave of period 2 pi (least squares)."""
    line = torch.stack([where, torch.ones_like(where)], 1)
    wave = torch.stack([where.sin(), where.cos()], 1)
    return _misfit(line, curves) < _misfit(wave, curves)


def _misfit(basis: Tensor, curves: Tensor) -> Tensor:
    solution = torch.linalg.lstsq(basis, curves.T).solution
    return (basis @ solution - curves.T).square().mean(0)


def _row(values: Tensor) -> list[float]:
    return [round(v, 3) for v in values.flatten().tolist()]
