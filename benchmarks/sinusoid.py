"""Sinusoids: MAML, first order, Reptile, the LSTM meta-learner and PLATIPUS beside the papers' figures.

    python -m benchmarks.sinusoid                     everything (some 16 minutes of one core)
    python -m benchmarks.sinusoid --steps 2000        a quick look
    python -m benchmarks.sinusoid maml-5 reptile-10   some of it

Mean squared error after 0, 1, 5, 10 and 32 steps on 1,000 new sinusoids, at 100 points between -5 and 5; mean, and
median below it (a few large amplitudes make the mean). PLATIPUS's task "a sinusoid or a line?": `benchmarks.ambiguous`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from engine.learners import inner_fast, lstm_meta, platipus, reptile
from engine.learners.descent import Parameters
from engine.learners.maml import inner_loop
from engine.learners.protocol import SupportError
from engine.lessons.waves import draw_curves, each, expand, forward, grid, network, points, squared

TEST_TASKS = 1000
AFTER = (0, 1, 5, 10, 32)
INNER_RATE, OUTER_RATE, TASKS = 0.01, 1e-3, 25
STEPS = 30_000

# Finn et al. 2017 (figure 3 and their code's log): 70,000 steps of 25 tasks.
PUBLISHED = {
    "maml-5": {1: 0.67, 5: 0.38, 10: 0.35},
    "pretrained on all, fine-tuned (5 shots)": {1: 2.41, 5: 2.23, 10: 2.19},
}

Adapt = Callable[[Tensor, Tensor, int], Parameters]


def judge(adapt: Adapt, shots: int, activation=torch.relu, tasks: int = TEST_TASKS) -> dict[int, tuple[float, float]]:
    """{steps: (mean, median)} of the error of `adapt(x, y, steps)`, weights of all tasks at once."""
    draw = torch.Generator().manual_seed(1)
    curves = draw_curves(tasks, draw)
    x, y = points(curves, shots, draw)
    everywhere = grid(tasks)
    out = {}
    for steps in AFTER:
        theta = adapt(x, y, steps)
        with torch.no_grad():
            errors = each(theta, everywhere, curves.at(everywhere), activation)
        out[steps] = (float(errors.mean()), float(errors.median()))
    return out


def gradient_steps(start: Parameters, activation=torch.relu, rate: float = INNER_RATE) -> Adapt:
    def adapt(x: Tensor, y: Tensor, steps: int) -> Parameters:
        rates = {name: torch.tensor([rate]) for name in start}
        own = {n: t.detach() for n, t in expand(start, len(x)).items()}
        return inner_loop(squared(x, y, activation), own, rates, steps, second_order=False)[0]

    return adapt


def train_maml(
    shots: int, steps: int, second_order: bool = True, rate: float = OUTER_RATE, seed: int = 0
) -> Parameters:
    """Adam 1e-3 (cosine), 25 tasks a step, one inner step of 0.01, as the paper but for the number of steps."""
    draw, start = torch.Generator().manual_seed(seed), network(seed=seed)
    rates = {name: torch.tensor([INNER_RATE]) for name in start}
    adam = torch.optim.Adam(start.values(), rate)
    fade = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        x, y = points(draw_curves(TASKS, draw), 2 * shots, draw)
        on_support, on_query = squared(x[:, :shots], y[:, :shots]), squared(x[:, shots:], y[:, shots:])
        adam.zero_grad()
        if second_order:
            theta = inner_fast.adapt(on_support, expand(start, TASKS), rates, 1)
        else:
            theta, _ = inner_loop(on_support, expand(start, TASKS), rates, 1, second_order=False)
        (on_query(theta) / TASKS).backward()
        adam.step()
        fade.step()
    return start


REPTILE_RATE, REPTILE_TASKS, REPTILE_BATCHES = 0.02, 5, 5


@cache
def train_reptile(steps: int, seed: int = 0) -> Parameters:
    """As their example: 50 points of a wave, five mini-batches of 10, plain inner steps of 0.02, tanh 64-64, epsilon
    falling from 0.3 to 0; five waves a step instead of one."""
    draw, start = torch.Generator().manual_seed(seed), network((1, 64, 64, 1), seed)
    rates = {name: torch.tensor([REPTILE_RATE]) for name in start}
    start = {name: tensor.detach() for name, tensor in start.items()}
    x = grid(REPTILE_TASKS, 50)
    for step in range(steps):
        y = draw_curves(REPTILE_TASKS, draw).at(x)
        own = expand(start, REPTILE_TASKS)
        for rows in torch.randperm(50, generator=draw).chunk(REPTILE_BATCHES):
            own, _ = inner_loop(squared(x[:, rows], y[:, rows], torch.tanh), own, rates, 1, second_order=False)
            own = {name: tensor.detach() for name, tensor in own.items()}
        size = reptile.epsilon(step, steps, 0.3)
        start = {n: t + size * (own[n].mean(0, keepdim=True) - t) for n, t in start.items()}
    return start


PLATIPUS_KL = 0.01
SPREADS_RATE = 0.01
RATES_RATE = 0.01  # of the learned inner rates, relative to where they start


def train_platipus(
    shots: int | tuple[int, int],
    steps: int,
    *,
    lines: float = 0.0,
    noise: float = 0.0,
    widths: tuple[int, ...] = (1, 40, 40, 1),
    inner_rate: float = INNER_RATE,
    inner_steps: int = 1,
    kl: float = PLATIPUS_KL,
    sigma: float = platipus.SIGMA,
    seed: int = 0,
) -> platipus.Distribution:
    """Algorithm 1, 25 tasks a step, each with its own draw. `shots`: a number, or the fewest and the most."""
    draw = torch.Generator().manual_seed(seed)
    learned = platipus.begin(network(widths, seed), inner_rate, sigma=sigma)
    rates = list(learned.rates.values())  # small numbers: a step of Adam's usual size would double them
    spreads = [*learned.log_variance.values(), *learned.log_variance_q.values()]  # logarithms: have far to go
    others = [*learned.mean.values(), *learned.gamma_p.values(), *learned.gamma_q.values()]
    groups = [
        {"params": others},
        {"params": spreads, "lr": SPREADS_RATE},
        {"params": rates, "lr": RATES_RATE * inner_rate},
    ]
    adam = torch.optim.Adam(groups, OUTER_RATE)
    fade = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    few, many = shots if isinstance(shots, tuple) else (shots, shots)
    for _ in range(steps):
        number = int(torch.randint(few, many + 1, (1,), generator=draw))
        x, y = points(draw_curves(TASKS, draw, lines), number + 10, draw, noise)
        on_support, on_query = squared(x[:, :number], y[:, :number]), squared(x[:, number:], y[:, number:])
        loss = platipus.objective(learned, on_support, on_query, noise_for(learned, TASKS, draw), inner_steps, kl)
        adam.zero_grad()
        (loss / TASKS).backward()
        torch.nn.utils.clip_grad_norm_(learned.tensors, 10.0)
        adam.step()
        fade.step()
    return learned


def noise_for(learned: platipus.Distribution, count: int, draw: torch.Generator) -> Parameters:
    return {n: torch.randn(count, *t.shape[1:], generator=draw) for n, t in learned.mean.items()}


def judge_platipus(learned: platipus.Distribution, shots: int, samples: int = 10, tasks: int = 300) -> dict:
    """As `judge`, the answer being the mean of the models' answers. Numbers of steps that run away are left out."""
    draw = torch.Generator().manual_seed(1)
    curves = draw_curves(tasks, draw)
    x, y = points(curves, shots, draw)
    everywhere, out = grid(tasks), {}
    for steps in AFTER:
        try:
            said = drawn_answers(learned, x, y, everywhere, samples, steps).mean(1)
        except SupportError:
            continue
        errors = (said - curves.at(everywhere)).square().mean((1, 2))
        out[steps] = (float(errors.mean()), float(errors.median()))
    return out


def drawn_answers(
    learned: platipus.Distribution, x: Tensor, y: Tensor, where: Tensor, samples: int, steps: int, seed: int = 2
) -> Tensor:
    """Algorithm 2: (tasks, samples, points, 1), what each of `samples` models says at `where`; all of them at once."""
    draw = torch.Generator().manual_seed(seed)
    noise = noise_for(learned, len(x) * samples, draw)
    each_model = squared(x.repeat_interleave(samples, 0), y.repeat_interleave(samples, 0))
    theta, _ = platipus.sample(learned, each_model, noise, steps)
    with torch.no_grad():
        return forward(theta, where.repeat_interleave(samples, 0)).unflatten(0, (len(x), samples))


LSTM_TASKS, LSTM_STEPS = 5, 5


def train_lstm(shots: int, steps: int, seed: int = 0) -> tuple[Parameters, lstm_meta.MetaLSTM]:
    """The rule and the start, five inner updates; one task at a time, since the rule sees each task's own loss."""
    draw, start = torch.Generator().manual_seed(seed), network(seed=seed)
    rule = lstm_meta.MetaLSTM(rate=INNER_RATE)
    learned = [*start.values(), *rule.parameters()]
    adam = torch.optim.Adam(learned, OUTER_RATE)
    fade = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        x, y = points(draw_curves(LSTM_TASKS, draw), 2 * shots, draw)
        adam.zero_grad()
        for a, b in zip(x.split(1), y.split(1), strict=True):
            theta = lstm_meta.unroll(squared(a[:, :shots], b[:, :shots]), start, rule, LSTM_STEPS)
            (squared(a[:, shots:], b[:, shots:])(theta) / LSTM_TASKS).backward()
        torch.nn.utils.clip_grad_norm_(learned, 0.25)
        adam.step()
        fade.step()
    return start, rule


def lstm_updates(start: Parameters, rule: lstm_meta.MetaLSTM) -> Adapt:
    def adapt(x: Tensor, y: Tensor, steps: int) -> Parameters:
        with torch.no_grad():
            ends = [
                lstm_meta.unroll(squared(a, b), start, rule, steps) for a, b in zip(x.split(1), y.split(1), strict=True)
            ]
        return {n: torch.cat([end[n] for end in ends]) for n in start}

    return adapt


def meta_steps(name: str, steps: int) -> int:
    """The LSTM's cost twenty times the others': it takes a task at a time, and has a state for every weight."""
    return max(steps // 5, 1) if name.startswith("lstm") else steps


def run(name: str, steps: int) -> dict[int, tuple[float, float]]:
    """Train and judge one row. The shots stand in its name."""
    method, shots = name.rsplit("-", 1)[0], int(name.rsplit("-", 1)[1])
    if method == "reptile":
        return judge(gradient_steps(train_reptile(steps), torch.tanh, REPTILE_RATE), shots, torch.tanh)
    if method == "platipus":
        return judge_platipus(train_platipus(shots, steps), shots)
    if method == "lstm":
        return judge(lstm_updates(*train_lstm(shots, meta_steps(name, steps))), shots, tasks=200)
    return judge(gradient_steps(train_maml(shots, steps, method == "maml")), shots)


ROWS = (
    "maml-5",
    "maml-10",
    "first-order-5",
    "first-order-10",
    "reptile-5",
    "reptile-10",
    "platipus-5",
    "platipus-10",
    "lstm-10",
)


def show(name: str, told: dict, seconds: float | None = None, steps: str = "") -> None:
    cells = " ".join(f"{told[k][0]:6.2f}" if k in told else "     -" for k in AFTER)
    below = " ".join(f"{told[k][1]:6.2f}" if k in told else "     -" for k in AFTER)
    print(
        f"{name:24} {cells}   median {below}   {steps} {'' if seconds is None else f'{seconds:.0f} CPU-s'}", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=ROWS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--save", type=Path, help="a JSON file to which rows are added")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':24} " + " ".join(f"{k:6d}" for k in AFTER) + "   steps after; mean squared error, mean of tasks")
    for name, told in PUBLISHED.items():
        print(f"{'paper: ' + name:46.46} " + ", ".join(f"{k}: {v}" for k, v in told.items()))
    for name in args.rows:
        began = time.process_time()
        told = run(name, args.steps)
        show(name, told, time.process_time() - began, f"{meta_steps(name, args.steps)} meta-steps")
        if args.save:
            kept = json.loads(args.save.read_text()) if args.save.exists() else {}
            kept[name] = {"steps": meta_steps(name, args.steps), "seconds": time.process_time() - began, "errors": told}
            args.save.write_text(json.dumps(kept))


if __name__ == "__main__":
    main()
