"""PLATIPUS's own question: a few noisy points that could be a sinusoid or a line (Finn, Xu & Levine 2018, section 5).

    python -m benchmarks.ambiguous                  train (20 minutes of one core) and print
    python -m benchmarks.ambiguous --steps 2000     a quick look

What the paper shows in pictures is counted here: whether models drawn for the same few points belong to both families
where the points leave it open, whether they spread before data and draw together with more of it, and whether the
truth lies within them. MAML stands beside it: one answer, so no spread at all.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.sinusoid import drawn_answers, noise_for, train_platipus
from engine.learners import platipus
from engine.lessons.waves import NOISE, Curves, draw_curves, forward, grid, points

WIDTHS = (1, 100, 100, 1)
SHOTS = (1, 10)  # points in training: from the fewest to the most
INNER_RATE, INNER_STEPS = 0.003, 3  # the paper: 0.001 and 5
SIGMA = 0.1  # where the spread of the starts starts
# L is a mean over points of squared errors with noise of 0.3: the evidence bound weighs KL by 2 * 0.3^2 / points.
KL = 2 * NOISE**2 / 10
STEPS = 60_000
SAMPLES, TASKS = 50, 60
BOTH = 0.1  # of the models in each family, at least: then both are said to appear
LEVEL = 0.9


@dataclass(frozen=True)
class Told:
    """`spread`: the models' standard deviation, median over places. `both`: share of tasks where both families appear.
    `family`: of the models, the share in the family of the truth. `inside`: share of places where the truth lies
    between the 5th and 95th hundredth of the models. `error` of their mean, squared, median over tasks. Medians, since
    one model of thousands may run away from a single point."""

    spread: float
    both: float
    family: float
    inside: float
    error: float


def train(steps: int, widths: tuple[int, ...] = WIDTHS, seed: int = 0) -> platipus.Distribution:
    return train_platipus(
        SHOTS,
        steps,
        lines=0.5,
        noise=NOISE,
        widths=widths,
        inner_rate=INNER_RATE,
        inner_steps=INNER_STEPS,
        kl=KL,
        sigma=SIGMA,
        seed=seed,
    )


def is_line(answers: Tensor, where: Tensor) -> Tensor:
    """(..., points, 1) -> (...) bool: nearer to its best line than to its best sinusoid of period 2 pi."""
    x = where[..., 0].expand(answers.shape[:-1])
    ones = torch.ones_like(x)
    line = torch.stack([x, ones], -1)
    wave = torch.stack([x.sin(), x.cos()], -1)
    return residual(line, answers) < residual(wave, answers)


def residual(basis: Tensor, values: Tensor) -> Tensor:
    """Squared error of the least-squares fit of (..., points, 1) in (..., points, k)."""
    solution = torch.linalg.lstsq(basis, values).solution
    return (basis @ solution - values).square().mean((-2, -1))


def judge(learned: platipus.Distribution, shots: int, *, tasks: int = TASKS, samples: int = SAMPLES) -> Told:
    draw = torch.Generator().manual_seed(shots)
    curves = draw_curves(tasks, draw, 0.5)
    x, y = points(curves, shots, draw, NOISE)
    where = grid(tasks)
    if shots == 0:  # nothing to adapt to: models as they are drawn before any data
        noise = noise_for(learned, tasks * samples, draw)
        theta = platipus.draw(platipus.spread_out(learned.mean, noise), learned.log_variance, noise)
        with torch.no_grad():
            answers = forward(theta, where.repeat_interleave(samples, 0)).unflatten(0, (tasks, samples))
    else:
        answers = drawn_answers(learned, x, y, where, samples, INNER_STEPS)
    return told(answers, curves, where)


def told(answers: Tensor, curves: Curves, where: Tensor) -> Told:
    """From (tasks, samples, points, 1)."""
    truth = curves.at(where)
    line = is_line(answers, where[:, None])  # (tasks, samples)
    share = line.float().mean(1)
    low, high = torch.quantile(answers, (1 - LEVEL) / 2, 1), torch.quantile(answers, (1 + LEVEL) / 2, 1)
    return Told(
        spread=float(answers.std(1).median()),
        both=float(((share >= BOTH) & (share <= 1 - BOTH)).float().mean()),
        family=float((line == curves.line[:, None]).float().mean()),
        inside=float(((truth >= low) & (truth <= high)).float().mean()),
        error=float((answers.mean(1) - truth).square().mean((1, 2)).median()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    learned = train(args.steps)
    print(
        f"{args.steps} meta-steps of 25 tasks, {time.process_time() - began:.0f} CPU-s; {TASKS} tasks, {SAMPLES} models"
    )
    print("points  spread  both families  right family  truth inside 90 %  error of the mean")
    for shots in (0, 1, 2, 3, 5, 10):
        row = judge(learned, shots)
        cells = f"{row.spread:6.2f}  {row.both:13.2f}  {row.family:12.2f}  {row.inside:17.2f}  {row.error:17.2f}"
        print(f"{shots:6d}  {cells}")


if __name__ == "__main__":
    main()
