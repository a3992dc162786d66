"""Lake's twenty one-shot runs: 20-way, within one alphabet, a drawing by one person against one by another.

    python -m benchmarks.one_shot_runs train --seconds 300     a turn of training; call again to go on
    python -m benchmarks.one_shot_runs                         what was trained, on the runs
    python -m benchmarks.one_shot_runs --method matching train

Trained on both small background sets together (242 characters, with rotations) at 56 px, every picture shifted,
turned, scaled and sheared at random, half of the episodes within one alphabet as the runs are. At test the features of
`VIEWS` slightly moved copies are averaged. The runs' alphabets are in neither set.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from benchmarks.characters import Characters, Task, load, one_shot_runs
from benchmarks.convnet import Body
from benchmarks.omniglot_methods import Budget, Method
from benchmarks.turns import SEED, Turn
from engine.evidence.ranges import exact_interval
from engine.learners import matching
from engine.learners.protonet import squared_distances

PIXELS, WAYS, QUERIES = 56, 20, 4
TURN, SCALE, SHEAR, SHIFT = math.radians(12), 0.15, 0.2, 0.12  # largest, each uniform on both sides
VIEWS = 16
STEPS = 700

# Error on the runs after training on the 30 background alphabets, and on one small set of five: Lake et al. 2015;
# Lake, Salakhutdinov & Tenenbaum 2019 (as summarised there; see docs/results.md).
PUBLISHED = {
    "people": (4.5, None),
    "Bayesian program learning": (3.3, 4.2),
    "simple convolution net": (13.5, 23.2),
    "prototypical network": (13.7, 30.1),
    "modified Hausdorff distance": (38.8, 38.8),
}


def moved(pictures: Tensor, draw: torch.Generator, strength: float = 1.0) -> Tensor:
    """(n, 1, px, px), each turned, scaled, sheared and shifted by its own amount."""

    def amount(most: float) -> Tensor:
        return strength * most * (2 * torch.rand(len(pictures), generator=draw) - 1)

    angle, shear = amount(TURN), amount(SHEAR)
    across, down = 1 + amount(SCALE), 1 + amount(SCALE)
    rows = [
        torch.stack([across * angle.cos(), shear - angle.sin(), amount(SHIFT)], 1),
        torch.stack([angle.sin(), down * angle.cos(), amount(SHIFT)], 1),
    ]
    grid = affine_grid(torch.stack(rows, 1), list(pictures.shape), align_corners=False)
    return grid_sample(pictures, grid, align_corners=False)


class Runs(Method):
    """One body, answers as prototypical or as matching networks; with one case a class they differ in the likeness
    alone (squared distance, or cosine)."""

    def __init__(self, characters: Characters, cosine: bool, steps: int = STEPS):
        super().__init__(characters, Budget(steps, 2e-3))
        self.cosine, self.body = cosine, Body("running")
        self.module = nn.ModuleDict({"body": self.body})
        self.module.scale = nn.Parameter(torch.tensor(matching.SCALE))
        self.by_alphabet = [np.flatnonzero(characters.alphabet == a) for a in np.unique(characters.alphabet)]

    def loss(self, rng: np.random.Generator) -> Tensor:
        draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
        task = self.episode(rng).draw(WAYS, 1, QUERIES, rng)
        features = self.body(moved(torch.cat([task.support, task.query]), draw))
        return cross_entropy(
            self.likeness(features[len(task.support) :], features[: len(task.support)]), task.query_targets
        )

    def episode(self, rng: np.random.Generator) -> Characters:
        """All characters, or those of one alphabet, in one of four orientations."""
        if rng.random() < 0.5:
            return self.characters
        large = [rows for rows in self.by_alphabet if len(rows) >= 4 * WAYS]
        rows = large[int(rng.integers(len(large)))]
        turned = rows[rows // (len(self.characters) // 4) == rng.integers(4)]
        return Characters(self.characters.pictures[turned], self.characters.alphabet[turned])

    def likeness(self, query: Tensor, support: Tensor) -> Tensor:
        if self.cosine:
            return matching.attention(query, support, self.module.scale)
        return -squared_distances(query, support) / 16  # 1,024 features: so that the start isn't a certainty

    def answer(self, task: Task) -> Tensor:
        """Mean likeness over moved copies of the new drawings and of the labelled ones."""
        draw, total = torch.Generator().manual_seed(0), torch.zeros(len(task.query), len(task.support))
        with torch.no_grad():
            for view in range(VIEWS):
                strength = 0.5 if view else 0.0
                support, query = (self.body(moved(x, draw, strength)) for x in (task.support, task.query))
                total += self.likeness(query, support).softmax(1)
        return total


def make(name: str) -> Runs:
    torch.manual_seed(SEED)
    characters = load("small1", "small2", "small1+small2", pixels=PIXELS).with_rotations()
    return Runs(characters, name == "matching")


def test(name: str, folder: Path) -> None:
    run = Turn(make(name), folder / f"runs-{name}")
    method = run.method
    method.ready()
    wrong = asked = 0
    for task in one_shot_runs(PIXELS):
        wrong += int((method.answer(task).argmax(1) != task.query_targets).sum())
        asked += len(task.query)
    low, high = exact_interval(wrong, asked)
    interval = f"{100 * wrong / asked:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    print(f"{name}: {wrong} of {asked} wrong, {interval}, {run.step} episodes, {run.seconds:.0f} CPU-s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", nargs="?", choices=("train", "test"), default="test")
    parser.add_argument("--method", choices=("prototypes", "matching"), default="prototypes")
    parser.add_argument("--folder", type=Path, default=Path("scratch/omniglot"))
    parser.add_argument("--seconds", type=float, default=float("inf"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.do == "train":
        Turn(make(args.method), args.folder / f"runs-{args.method}").train(args.seconds)
        return
    test(args.method, args.folder)
    for name, (all_thirty, small) in PUBLISHED.items():
        print(f"{name}: {all_thirty} %" + ("" if small is None else f", {small} % after one small set"))


if __name__ == "__main__":
    main()
