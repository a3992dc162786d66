"""Lesson 1: a start that has seen waves needs one step where a fresh one needs hundreds."""

from __future__ import annotations

import statistics

import pytest
import torch

from engine.lessons import wave, waves
from engine.lessons.plan import BY_NAME
from engine.lessons.run import compute
from engine.lessons.wave_starts import wave_start


def test_the_practised_start_is_nearer_after_one_step_on_nearly_every_wave():
    """30 waves that trained nothing: amplitude, phase and points drawn anew."""
    draw = torch.Generator().manual_seed(5)
    near = []
    for seed in range(30):
        amplitude, phase = (float(v) for v in torch.rand(2, generator=draw) * torch.tensor([4.0, 3.0]))
        x, y = wave.task_points(BY_NAME["wave"].read({"amplitude": 1 + amplitude, "phase": phase, "seed": seed}))
        where = waves.grid(1, wave.PLACES)
        truth = (1 + round(2 * amplitude) / 2) * torch.sin(where + round(5 * phase) / 5)
        practised, fresh = (wave.walk(s, x, y, where, truth) for s in (wave_start(), wave.untaught(seed)))
        near.append(practised["error"][1] / fresh["error"][1])
    assert sum(ratio < 0.9 for ratio in near) >= 27
    assert statistics.median(near) < 0.4


def test_as_the_lesson_opens_one_step_is_enough_and_three_hundred_fresh_ones_are_not():
    told = compute("wave", {})
    assert told["starts"]["maml"]["error"][1] < 0.4
    assert told["starts"]["maml"]["error"][5] < 0.1
    assert told["long"]["error"] > told["starts"]["maml"]["error"][1]


def test_a_wrong_label_costs_the_practised_start_too():
    right = compute("wave", {"points": 5})["starts"]["maml"]["error"][10]
    wrong = compute("wave", {"points": 5, "moved": 2, "by": 4.0})["starts"]["maml"]["error"][10]
    assert wrong > 5 * right


def test_the_steps_are_plain_gradient_descent():
    """Oracle: torch.optim.SGD on the same network, written with nn.Linear."""
    settings = BY_NAME["wave"].read({})
    x, y = wave.task_points(settings)
    start = wave.untaught(settings["seed"])
    layers = []
    for k in range(3):
        linear = torch.nn.Linear(*start[f"w{k}"].shape[1:])
        linear.weight.data, linear.bias.data = start[f"w{k}"][0].T.clone(), start[f"b{k}"][0, 0].clone()
        layers += [linear, torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.SGD(net.parameters(), 0.01)
    for _ in range(3):
        optimiser.zero_grad()
        (net(x[0]) - y[0]).square().mean().backward()
        optimiser.step()
    told = compute("wave", {})["starts"]["scratch"]["curves"][3]
    mine = net(waves.grid(1, wave.PLACES)[0])[:, 0].tolist()
    assert told == pytest.approx(mine, abs=2e-3)
