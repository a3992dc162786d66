"""The two meta-learned starts that the lessons ship, trained anew: `python -m engine.training.lesson_starts`.

wave        MAML on sinusoids (Finn, Abbeel & Levine 2017, section 5.1), 10 points, one inner step of 0.01
ambiguous   PLATIPUS on noisy sinusoids and lines (Finn, Xu & Levine 2018, section 5), 1 to 10 points
Both are networks 1-40-40-1; some minutes of one core in all. They land in assets/lessons.
"""

from __future__ import annotations

import argparse
import time

import torch
from safetensors.torch import save_file

from engine.learners import inner_fast, platipus
from engine.learners.descent import Parameters
from engine.lessons import wave_starts
from engine.lessons.waves import NOISE, draw_curves, expand, network, points, squared

TASKS, OUTER_RATE = 25, 1e-3  # as both papers
WAVE_STEPS, AMBIGUOUS_STEPS = 15_000, 12_000  # meta-steps; the papers take 60,000 and more
SPREADS_RATE, RATES_RATE = 0.01, 0.01  # Adam's, of the logarithms of variances; of inner rates, relative to them
KL = 2 * NOISE**2 / 10  # squared errors of noise 0.3, a mean over 10 points: what the evidence bound weighs KL by
CLIP = 10.0


def train_wave(steps: int, seed: int = 0) -> Parameters:
    """Second order, Adam with a falling rate."""
    draw, start = torch.Generator().manual_seed(seed), network(wave_starts.WIDTHS, seed)
    rates = {name: torch.tensor([wave_starts.RATE]) for name in start}
    adam = torch.optim.Adam(start.values(), OUTER_RATE)
    fade = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    shots = wave_starts.SHOTS
    for _ in range(steps):
        x, y = points(draw_curves(TASKS, draw), 2 * shots, draw)
        theta = inner_fast.adapt(squared(x[:, :shots], y[:, :shots]), expand(start, TASKS), rates, 1)
        adam.zero_grad()
        (squared(x[:, shots:], y[:, shots:])(theta) / TASKS).backward()
        adam.step()
        fade.step()
    return start


def train_ambiguous(steps: int, seed: int = 0) -> platipus.Distribution:
    """Algorithm 1, each task with its own draw, 1 to 10 points to learn from and 10 more to be judged by."""
    draw = torch.Generator().manual_seed(seed)
    rate = wave_starts.AMBIGUOUS_RATE
    learned = platipus.begin(network(wave_starts.WIDTHS, seed), rate, sigma=wave_starts.SIGMA)
    adam = torch.optim.Adam(
        [
            {"params": [*learned.mean.values(), *learned.gamma_p.values(), *learned.gamma_q.values()]},
            {"params": [*learned.log_variance.values(), *learned.log_variance_q.values()], "lr": SPREADS_RATE},
            {"params": list(learned.rates.values()), "lr": RATES_RATE * rate},
        ],
        OUTER_RATE,
    )
    fade = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        few = int(torch.randint(1, 11, (1,), generator=draw))
        x, y = points(draw_curves(TASKS, draw, lines=0.5), few + 10, draw, NOISE)
        noise = {n: torch.randn(TASKS, *t.shape[1:], generator=draw) for n, t in learned.mean.items()}
        loss = platipus.objective(
            learned, squared(x[:, :few], y[:, :few]), squared(x[:, few:], y[:, few:]), noise,
            wave_starts.AMBIGUOUS_STEPS, KL,
        )  # fmt: skip
        adam.zero_grad()
        (loss / TASKS).backward()
        torch.nn.utils.clip_grad_norm_(learned.tensors, CLIP)
        adam.step()
        fade.step()
    return learned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", default=["wave", "ambiguous"])
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of steps, for a quick look")
    args = parser.parse_args()
    torch.set_num_threads(1)
    wave_starts.FOLDER.mkdir(parents=True, exist_ok=True)
    for which in args.which:
        began = time.process_time()
        if which == "wave":
            steps = round(WAVE_STEPS * args.share)
            tensors = train_wave(steps)
        else:
            steps = round(AMBIGUOUS_STEPS * args.share)
            tensors = wave_starts.flat_distribution(train_ambiguous(steps))
        kept = {name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}
        save_file(kept, wave_starts.FOLDER / f"{which}.safetensors", {"meta_steps": str(steps), "seed": "0"})
        print(f"{which}: {steps} meta-steps of {TASKS} tasks, {time.process_time() - began:.0f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
