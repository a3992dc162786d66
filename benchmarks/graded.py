"""Numbers from pictures: how far a handful of graded pictures tells the grade of others. `python -m benchmarks.graded`

Two public sets whose classes are grades (brain MR: dementia 0 to 3; fundus: retinopathy 0 to 4), the grade taken as a
number. So many labelled pictures of different patients, the grades alike; all other patients asked. Printed: mean
squared error in units of always saying the labelled pictures' mean (1 is knowing nothing), rank correlation, and how
often the 80 % interval holds the truth, with 95 % bootstrap intervals over draws. The same draws for every method.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.encoder_table import interval
from benchmarks.inner_curves import embed
from benchmarks.real_data import folder
from engine.encoders import Encoder, load_encoder
from engine.episodes import open_archive
from engine.learners import NumberSupport, adapt_number, learner, learners

GRADES = {
    "brain_mri_dementia4": ("none", "very_mild", "mild", "moderate"),
    "fundus_aptos": ("no_dr", "mild", "moderate", "severe", "proliferate"),
}
LABELLED = (12, 24)
MOST_A_GRADE = 60  # pictures: the rest would only sharpen the figures of the commonest grade


def graded(path: Path, encoder: Encoder, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Embeddings (n, d), grades (n,) and patients (n,) of at most MOST_A_GRADE pictures a grade."""
    archive = open_archive(path)
    order = GRADES[path.stem]
    kept = [rng.permutation(np.flatnonzero(archive.labels == grade))[:MOST_A_GRADE] for grade in order]
    index = np.sort(np.concatenate(kept))
    x = embed(encoder, [np.asarray(archive.images[int(i)]) for i in index])
    grades = torch.tensor([float(order.index(archive.labels[i])) for i in index])
    return x, grades, archive.groups[index]


def draw(grades: torch.Tensor, patients: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` pictures of different patients, the grades taken in turn."""
    waiting = {g: list(rng.permutation(np.flatnonzero((grades == g).numpy()))) for g in grades.unique().tolist()}
    taken: list[int] = []
    seen: set[str] = set()
    while len(taken) < count and any(waiting.values()):
        for rest in waiting.values():
            while rest and patients[rest[-1]] in seen:
                rest.pop()
            if rest and len(taken) < count:
                taken.append(int(rest.pop()))
                seen.add(patients[taken[-1]])
    return np.array(taken)


def judge(name: str, x: torch.Tensor, grades: torch.Tensor, patients: np.ndarray, taught: np.ndarray) -> list[float]:
    """Error in units of the mean's, rank correlation, share of truths inside the 80 % interval."""
    asked = ~np.isin(patients, patients[taught])
    support = NumberSupport(x[taught], grades[taught], "grade", tuple(patients[taught].tolist()))
    model, truth = adapt_number(learner(name), support), grades[asked]
    said, range_ = model.mean(x[asked]).detach(), model.interval(x[asked])
    plain = (support.targets.mean() - truth).square().mean()
    inside = ((truth >= range_[0]) & (truth <= range_[1])).float().mean() if range_ else torch.nan
    return [float((said - truth).square().mean() / plain), float(spearmanr(said, truth).statistic), float(inside)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="archives (default: the corpus of HANDFUL_TEST_DATA)")
    parser.add_argument("--draws", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    where, encoder = folder("corpus", args.folder), load_encoder()
    names = [each.name for each in learners("number")]
    figures: dict[tuple[str, int], list[list[float]]] = defaultdict(list)
    for stem in GRADES:
        rng = np.random.default_rng(0)
        x, grades, patients = graded(where / f"{stem}.zip", encoder, rng)
        print(f"{stem}: {len(grades)} pictures, {len(set(patients))} patients", flush=True)
        for count in LABELLED:
            for _ in range(args.draws):
                taught = draw(grades, patients, count, rng)
                for name in names:
                    figures[name, count].append(judge(name, x, grades, patients, taught))
    heads = [f"{what}, {count} labelled" for count in LABELLED for what in ("error", "rank correlation", "inside 80 %")]
    print("\n| method | " + " | ".join(heads) + " |\n|---|" + "---|" * len(heads))
    for name in names:
        cells = [interval(column) for count in LABELLED for column in np.array(figures[name, count]).T]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
