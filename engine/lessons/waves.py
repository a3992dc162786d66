"""Sinusoids and lines as batches of tasks, and a small network with weights of its own for every task.

Finn, Abbeel & Levine 2017, section 5.1: amplitude 0.1 to 5, phase 0 to pi, x in -5..5, a network 1-40-40-1. Lines and
noise as in Finn, Xu & Levine 2018, section 5: slope and intercept in -3..3, noise of spread 0.3, half of each family.
Tasks are the first axis of everything, so that one product of matrices serves all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.learners.descent import Loss, Parameters

REACH = 5.0
NOISE = 0.3
GRID = 100  # points between -5 and 5 on which an answer is judged

Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Curves:
    """`line` (tasks,) bool; the parameters of both families (tasks, 1, 1), of which one counts."""

    line: Tensor
    amplitude: Tensor
    phase: Tensor
    slope: Tensor
    intercept: Tensor

    def at(self, x: Tensor) -> Tensor:
        """(tasks, points, 1) -> true values of the same shape."""
        sine = self.amplitude * torch.sin(x + self.phase)
        return torch.where(self.line[:, None, None], self.slope * x + self.intercept, sine)


def draw_curves(count: int, draw: torch.Generator, lines: float = 0.0) -> Curves:
    """`lines`: the share of lines."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=draw)

    line = torch.rand(count, generator=draw) < lines
    return Curves(line, uniform(0.1, 5.0), uniform(0.0, math.pi), uniform(-3, 3), uniform(-3, 3))


def points(curves: Curves, number: int, draw: torch.Generator, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    """x and y (tasks, number, 1), x uniform in -5..5."""
    x = REACH * (2 * torch.rand(len(curves.line), number, 1, generator=draw) - 1)
    return x, curves.at(x) + noise * torch.randn(x.shape, generator=draw)


def grid(count: int, number: int = GRID) -> Tensor:
    """(count, number, 1)"""
    return torch.linspace(-REACH, REACH, number)[None, :, None].expand(count, number, 1)


def network(widths: tuple[int, ...] = (1, 40, 40, 1), seed: int = 0) -> Parameters:
    """{"w0": (1, in, out), "b0": (1, 1, out), ...}, as torch starts its linear layers."""
    torch.manual_seed(seed)
    start = {}
    for layer, (fan_in, fan_out) in enumerate(zip(widths, widths[1:], strict=False)):
        linear = nn.Linear(fan_in, fan_out)
        start[f"w{layer}"] = linear.weight.detach().T[None].clone().requires_grad_()
        start[f"b{layer}"] = linear.bias.detach()[None, None].clone().requires_grad_()
    return start


def forward(parameters: Parameters, x: Tensor, activation: Activation = torch.relu) -> Tensor:
    """(tasks, points, 1) -> (tasks, points, 1)"""
    layers = len(parameters) // 2
    for layer in range(layers):
        x = torch.baddbmm(parameters[f"b{layer}"], x, parameters[f"w{layer}"])
        x = activation(x) if layer + 1 < layers else x
    return x


def expand(start: Parameters, count: int) -> Parameters:
    """The same weights for each of `count` tasks."""
    return {name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in start.items()}


def squared(x: Tensor, y: Tensor, activation: Activation = torch.relu) -> Loss:
    """Mean over points, summed over tasks: each task's weights see their own gradient alone."""
    return lambda parameters: each(parameters, x, y, activation).sum()


def each(parameters: Parameters, x: Tensor, y: Tensor, activation: Activation = torch.relu) -> Tensor:
    """Mean squared error of every task, (tasks,)."""
    return (forward(parameters, x, activation) - y).square().mean((1, 2))
