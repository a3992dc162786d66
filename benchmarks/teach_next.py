"""Are labels saved by labelling the proposed cases next? `python -m benchmarks.teach_next [FOLDER] [--repeats 20]`

On sets of pictures that trained nothing: start from one labelled case a class drawn by chance, add three at a time in
the order of a policy, and ask after each round about patients that are never proposed. Policies: chance; the least
sure (smallest margin); the page's proposals (`engine.evidence.teach_next`). Printed: accuracy of logistic regression
after so many labels with a bootstrap 95 % interval over the repeats, the difference from chance repeat by repeat, and
how many labels each policy needs for what chance reaches at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine.commands.evaluate import embed
from engine.encoders import load_encoder
from engine.episodes import open_archive
from engine.evidence.teach_next import teach_next
from engine.learners import Support, learner

SETS = ("head_ct_hemorrhage", "brain_mri_tumor_yesno")
MOST, STEP, END, TESTED = 500, 3, 32, 0.4
ROOT = Path(__file__).resolve().parents[1]


def by_chance(pool: np.ndarray, rng: np.random.Generator, **_) -> list[int]:
    return rng.permutation(pool)[:STEP].tolist()


def least_sure(pool: np.ndarray, rng: np.random.Generator, probabilities: torch.Tensor, **_) -> list[int]:
    two = probabilities.topk(2, dim=1).values
    return pool[(two[:, 0] - two[:, 1]).argsort()[:STEP].numpy()].tolist()


def proposed(pool: np.ndarray, rng: np.random.Generator, probabilities, classes, x, groups, labelled, **_) -> list[int]:
    found = teach_next(probabilities, classes, x[pool], [groups[i] for i in pool], x[labelled], count=STEP)
    return [int(pool[p.index]) for p in found]


POLICIES: dict[str, Callable[..., list[int]]] = {
    "chance": by_chance,
    "least sure": least_sure,
    "proposed": proposed,
}


def curve(policy: Callable, x: torch.Tensor, y: np.ndarray, groups: list[str], classes, seed: int) -> list[float]:
    """Accuracy on patients set aside after each round of labels."""
    rng = np.random.default_rng(seed)
    people = np.unique(groups)
    aside = set(rng.permutation(people)[: int(TESTED * len(people))])
    tested = np.flatnonzero([g in aside for g in groups])
    rest = rng.permutation(np.flatnonzero([g not in aside for g in groups]))
    labelled = [int(next(i for i in rest if y[i] == k)) for k in range(len(classes))]
    scores = []
    while True:
        support = Support(
            x[labelled], torch.from_numpy(y[labelled]).long(), classes, tuple(groups[i] for i in labelled)
        )
        model = learner("logistic").adapt(support, seed=seed)
        with torch.no_grad():
            scores.append(float((model.logits(x[tested]).argmax(1).numpy() == y[tested]).mean()))
            if len(labelled) + STEP > END:
                return scores
            known = {groups[i] for i in labelled}
            pool = np.array([i for i in rest if groups[i] not in known])
            probabilities = model.probabilities(x[pool])
        labelled += policy(
            pool, rng=rng, probabilities=probabilities, classes=classes, x=x, groups=groups, labelled=labelled
        )


def interval(values: np.ndarray) -> str:
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def one_set(path: Path, repeats: int) -> None:
    archive = open_archive(path)
    chosen = np.random.default_rng(0).permutation(len(archive.images))[:MOST]
    x = embed(load_encoder(), archive.images[chosen]).float()
    names, y = np.unique(np.asarray(archive.labels)[chosen], return_inverse=True)
    classes, groups = tuple(str(n) for n in names), [str(g) for g in np.asarray(archive.groups)[chosen]]
    curves = {
        name: np.array([curve(policy, x, y, groups, classes, s) for s in range(repeats)])
        for name, policy in POLICIES.items()
    }
    counts = [len(classes) + STEP * i for i in range(curves["chance"].shape[1])]
    shown = [i for i in range(len(counts)) if i % 2 == 0]
    print(f"\n{path.stem}: {len(x)} pictures, {len(set(groups))} patients, {repeats} repeats\n")
    print("| labels | " + " | ".join(str(counts[i]) for i in shown) + " | labels for chance's last |")
    print("|" + "---|" * (len(shown) + 2))
    goal = curves["chance"].mean(0)[-1]
    for name, found in curves.items():
        mean = found.mean(0)
        reached = next((counts[i] for i in range(len(counts)) if mean[i] >= goal), None)
        print(f"| {name} | " + " | ".join(interval(found[:, i]) for i in shown) + f" | {reached or 'not reached'} |")
    for name in ("least sure", "proposed"):
        gain = curves[name] - curves["chance"]
        print(f"| {name} less chance | " + " | ".join(interval(gain[:, i]) for i in shown) + " | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    data = Path(os.environ.get("HANDFUL_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("folder", type=Path, nargs="?", default=data / "images")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.sets:
        one_set(args.folder / f"{name}.npz", args.repeats)


if __name__ == "__main__":
    main()
