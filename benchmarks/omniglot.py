"""Omniglot, 5-way one- and five-shot, every method beside the paper and a peer's code: `make bench-models` runs it.

    python -m benchmarks.omniglot train maml --seconds 300    a turn of training; call again to go on
    python -m benchmarks.omniglot test maml                   600 episodes at 1 and 5 shots
    python -m benchmarks.omniglot                             train whatever isn't, test, print the table

What is trained lies under --folder (default scratch/omniglot), never in the product. Split: `benchmarks.characters`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks import characters
from benchmarks.omniglot_methods import METHODS, QUERIES, SHOTS, WAYS, Method
from benchmarks.omniglot_peers import PEERS
from engine.training.loop import CLIP, Run

EPISODES = 600
FEWER = {"scratch": 120}  # a network a case costs more than the rest together
Z = 1.96  # 95 % of a normal distribution
SEED = 0


class Turn(Run):
    """As any training run of ours, but the method computes the gradient itself, and steps plainly where it says so."""

    def __init__(self, method: Method, folder: Path):
        super().__init__(method.module, folder, seed=SEED, rate=method.budget.rate, decay=0.0)
        if method.plain_steps:
            self.optimiser = torch.optim.SGD(method.module.parameters(), lr=method.budget.rate)
        self.method = method

    def _take(self, loss: object, steps: int) -> float:
        """Same random stream for every method's step, so all see comparable tasks."""
        rng = np.random.default_rng([self.seed, self.step])
        torch.manual_seed(self.step)
        left = 1 - self.step / steps if self.method.plain_steps else 0.5 * (1 + np.cos(np.pi * self.step / steps))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * left
        self.optimiser.zero_grad(set_to_none=True)
        value = self.method.gradient(rng)
        if not self.method.plain_steps:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
        self.optimiser.step()
        self.step += 1
        return value


def make(name: str) -> Method:
    """Ours by its name, or a peer's with the budget of ours that it stands beside."""
    taught = characters.training()
    torch.manual_seed(SEED)
    if name in METHODS:
        return METHODS[name](taught)
    ours, _, theirs = PEERS[name]
    budget = METHODS[ours](taught).budget
    torch.manual_seed(SEED)  # the same first weights
    return theirs(taught, budget)


def train(name: str, folder: Path, seconds: float) -> bool:
    """Go on training for at most `seconds`; True when the budget is used up."""
    method = make(name)
    if method.begins_from and not (folder / name).exists():
        method.net.load_state_dict(trained(method.begins_from, folder).module.state_dict())
        method.begin()
    run = Turn(method, folder / name)
    run.resume()
    ends, began = time.monotonic() + seconds, time.process_time()

    def report(done: int, total: int, text: str) -> None:
        print(f"{name} {done}/{total} {text}", flush=True)

    done = run.train(
        lambda rng: rng, method.budget.steps, every=50, report=report, cancelled=lambda: time.monotonic() > ends
    )
    spent = folder / name / "cpu-seconds.json"
    before = json.loads(spent.read_text()) if spent.exists() else 0.0
    spent.write_text(json.dumps(before + time.process_time() - began))
    if done:
        (folder / name / "complete").touch()
    return done


def trained(name: str, folder: Path) -> Method:
    """The method with what was trained so far."""
    method = make(name)
    if method.budget.steps:
        run = Turn(method, folder / name)
        run.resume()
        if run.step < method.budget.steps:
            print(f"{name}: trained for {run.step} of {method.budget.steps} steps", flush=True)
    method.ready()
    return method


def test(name: str, folder: Path) -> dict[str, list[float]]:
    """{"1": [accuracy, half width of the 95 % interval, episodes], "5": ...} on the characters never seen."""
    method, unseen, out = trained(name, folder), characters.testing(), {}
    for shots in SHOTS:
        rng = np.random.default_rng([SEED, shots])  # every method answers the same episodes
        right = []
        for _ in range(FEWER.get(name, EPISODES)):
            task = unseen.draw(WAYS, shots, QUERIES, rng)
            right.append(float((method.answer(task).argmax(1) == task.query_targets).float().mean()))
        half = Z * float(np.std(right, ddof=1)) / len(right) ** 0.5
        out[str(shots)] = [float(np.mean(right)), half, len(right)]
        print(f"{name} {shots}-shot {100 * out[str(shots)][0]:.1f} +- {100 * half:.1f}", flush=True)
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "test.json").write_text(json.dumps(out))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", nargs="?", choices=("train", "test"))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--folder", type=Path, default=Path("scratch/omniglot"))
    parser.add_argument("--seconds", type=float, default=float("inf"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.names:
        if args.do == "train":
            train(name, args.folder, args.seconds)
        else:
            test(name, args.folder)


if __name__ == "__main__":
    main()
