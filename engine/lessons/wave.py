"""Learning to learn on a wave: a few points, one network, two starts. One has seen a thousand waves, one has not.

Both adapt by the same steps of gradient descent (`engine.learners.maml.inner_loop`) at the same rate from the same
points; only the start differs (Finn, Abbeel & Levine 2017, section 5.1 and figure 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.learners.descent import Parameters
from engine.learners.maml import inner_loop
from engine.lessons import waves
from engine.lessons.wave_starts import RATE, WIDTHS, wave_start

STEPS = 10
LONG = 300  # steps after which the untaught start is looked at once more: patience instead of experience
PLACES = 81  # at which curves are drawn


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"x", "truth", "points": [[x, y]], "starts": {"maml" | "scratch": {"curves": [STEPS + 1 rows], "error": [...]}},
    "long": {"steps", "curve", "error"}}; `error` is the mean squared distance from the true wave."""
    x, y = task_points(settings)
    where = waves.grid(1, PLACES)
    truth = settings["amplitude"] * torch.sin(where + settings["phase"])
    starts = {"maml": wave_start(), "scratch": untaught(settings["seed"])}
    walked = {name: walk(start, x, y, where, truth) for name, start in starts.items()}
    theta = _descend(starts["scratch"], x, y, LONG)
    curve = waves.forward(theta, where)
    return {
        "x": _row(where),
        "truth": _row(truth),
        "points": [[round(a, 3), round(b, 3)] for a, b in zip(_row(x), _row(y), strict=True)],
        "starts": walked,
        "long": {"steps": LONG, "curve": _row(curve), "error": _error(curve, truth)},
    }


def task_points(settings: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """x and y (1, points, 1) of the wave, from left to right; the point numbered `moved` (from 1) is lifted `by`."""
    draw = torch.Generator().manual_seed(settings["seed"])
    drawn = waves.REACH * (2 * torch.rand(1, 10, 1, generator=draw) - 1)  # fewer points are the first of the same ten
    x = drawn[:, : settings["points"]].sort(1).values
    y = settings["amplitude"] * torch.sin(x + settings["phase"])
    if 1 <= settings["moved"] <= settings["points"]:
        y[0, settings["moved"] - 1] += settings["by"]
    return x, y


def untaught(seed: int) -> Parameters:
    """The same network with random weights, as torch starts its layers."""
    return {name: tensor.detach() for name, tensor in waves.network(WIDTHS, seed).items()}


def walk(start: Parameters, x: Tensor, y: Tensor, where: Tensor, truth: Tensor) -> dict[str, Any]:
    """The curve and its error after no step, one, two, ... STEPS."""
    curves, theta = [waves.forward(start, where)], start
    for _ in range(STEPS):  # plain descent remembers nothing, so ten times one step is ten steps
        theta = _descend(theta, x, y, 1)
        curves.append(waves.forward(theta, where))
    return {"curves": [_row(curve) for curve in curves], "error": [_error(curve, truth) for curve in curves]}


def _descend(start: Parameters, x: Tensor, y: Tensor, steps: int) -> Parameters:
    rates = {name: torch.tensor([RATE]) for name in start}
    own = {name: tensor.clone() for name, tensor in start.items()}
    theta, _ = inner_loop(waves.squared(x, y), own, rates, steps, second_order=False)
    return {name: tensor.detach() for name, tensor in theta.items()}


def _row(values: Tensor) -> list[float]:
    return [round(v, 3) for v in values.flatten().tolist()]


def _error(curve: Tensor, truth: Tensor) -> float:
    return round(float((curve - truth).square().mean()), 4)
