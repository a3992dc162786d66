"""Drug discovery: a few active and inactive molecules of an assay never trained on, ROC-AUC over all its others.

    python -m benchmarks.molecules_table [--shots 10 5 1] [--episodes 20] [--markdown FILE]
    python -m benchmarks.molecules_table --unseen             the same, molecules asked about new to the encoder as well
    python -m benchmarks.molecules_table --table FILE.csv --smiles smiles       the shipped weights on other assays

Without --table: three of the nine Tox21 training assays are left out at a time, the encoder is trained on the others
(engine/training/configs/molecules.toml; kept in --out, so a stopped run goes on), and the left out ones are asked. As
in the literature the molecules asked about were in training with labels of other assays; --unseen takes a third of
all molecules, whole scaffolds, out of training, and asks about them alone.

Every method answers the same episodes. A table's mean is over assays; intervals are 95 % bootstraps over episodes
(which molecules were labelled), not over assays. ECFP4 are 2,048 counted bits.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.real_data import folder
from engine.commands.train import CONFIGS
from engine.encoders.molecule import SIZE, MoleculeNet, load_molecule_encoder
from engine.encoders.tabular import say_of
from engine.episodes.scoring import macro_auroc
from engine.learners import Support, learner
from engine.tables.molecules import BITS
from engine.training.assays import Assays, load_assays
from engine.training.molecules import open_assays, recipe_of, train_net

FOLDS = (
    ("NR-AR", "NR-Aromatase", "NR-PPAR-gamma"),
    ("NR-AR-LBD", "NR-ER", "SR-ARE"),
    ("NR-AhR", "NR-ER-LBD", "SR-ATAD5"),
)
OURS = ("protonet", "matching", "maml", "logistic")
# 10, 5 and 1 a class on Tox21's SR-HSE, SR-MMP and SR-p53, as their papers give them (Wang et al. 2021 and later).
PUBLISHED: dict[str, dict[int, float]] = {
    "Siamese": {10: 80.4, 1: 65.0},
    "ProtoNet on a graph net": {10: 75.0, 1: 65.6},
    "MAML on a graph net": {10: 80.2, 1: 75.7},
    "Meta-MGNN, pre-trained": {10: 83.0, 5: 76.1, 1: 82.1},
    "PAR, pre-trained": {10: 84.9, 5: 84.0, 1: 83.0},
    "GS-Meta, sees other assays of the same molecules": {10: 86.7, 5: 86.4},
}
Answer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Question:
    """One assay to be asked: `labels` (n,) of 0, 1 and NaN where a molecule is no part of it, and each molecule seen by
    our net (n, e) and as counts (n, 2377) and scaled inputs (n, 2397). `known`: the share of them that training saw."""

    name: str
    labels: np.ndarray
    embedding: np.ndarray
    fragments: np.ndarray
    inputs: np.ndarray
    known: float

    @property
    def both(self) -> np.ndarray:
        """(n, e + 2048)"""
        return np.concatenate([self.embedding, self.fragments], axis=1)


def draws(labels: np.ndarray, shots: int, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`count` times: the labelled molecules (`shots` active, then as many inactive), and all others of the assay."""
    pools = [np.flatnonzero(labels == c) for c in (1, 0)]
    for episode in range(count):
        rng = np.random.default_rng([seed, shots, episode])
        support = np.concatenate([rng.choice(pool, shots, replace=False) for pool in pools])
        yield support, np.setdiff1d(np.concatenate(pools), support)


def by_learner(name: str) -> Answer:
    def answer(support: np.ndarray, targets: np.ndarray, query: np.ndarray) -> np.ndarray:
        groups = tuple(str(i) for i in range(len(targets)))
        given = Support(torch.from_numpy(support), torch.from_numpy(targets).long(), ("inactive", "active"), groups)
        model = learner(name).adapt(given, seed=0)
        with torch.no_grad():
            scores = model.logits(torch.from_numpy(query))
        return (scores[:, 1] - scores[:, 0]).numpy()

    return answer


def beside(answer: Answer, known: float, size: int = SIZE) -> Answer:
    """The same with embedding and fragments side by side, as in the product (`engine.encoders.tabular.say_of`)."""
    say = say_of(known)

    def joined(support: np.ndarray, targets: np.ndarray, query: np.ndarray) -> np.ndarray:
        far = [np.sqrt(part.var(0).sum()) for part in (support[:, :size], support[:, size:])]
        scale = np.ones(support.shape[1], np.float32)
        scale[:size] = say * far[1] / max(far[0], 1e-9)
        return answer(support * scale, targets, query * scale)

    return joined


def cosine_mean(support: np.ndarray, targets: np.ndarray, query: np.ndarray) -> np.ndarray:
    long = lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)  # noqa: E731
    means = np.stack([long(support)[targets == c].mean(0) for c in (0, 1)])
    near = long(query) @ long(means).T
    return near[:, 1] - near[:, 0]


def logistic(support: np.ndarray, targets: np.ndarray, query: np.ndarray) -> np.ndarray:
    return LogisticRegression(max_iter=1000).fit(support, targets).decision_function(query)


def forest(support: np.ndarray, targets: np.ndarray, query: np.ndarray) -> np.ndarray:
    return RandomForestClassifier(100, random_state=0).fit(support, targets).predict_proba(query)[:, 1]


def methods(known: float) -> dict[str, tuple[str, Answer]]:
    """By name: how it sees molecules (a field of `Question`) and how it answers. `known` as in `Question`."""
    sides = {name: beside(by_learner(name), known) for name in ("protonet", "logistic")}
    return {
        **{f"our encoder + {name}": ("embedding", by_learner(name)) for name in OURS},
        **{f"our encoder beside ECFP4 + {name}": ("both", answer) for name, answer in sides.items()},
        "our encoder's inputs + logistic regression": ("inputs", logistic),
        "ECFP4 + logistic regression": ("fragments", logistic),
        "ECFP4 + cosine nearest mean": ("fragments", cosine_mean),
        "ECFP4 + random forest": ("fragments", forest),
    }


METHODS = tuple(methods(1.0))


def ask(question: Question, shots: int, count: int, seed: int) -> dict[str, np.ndarray]:
    """{method: (count,) ROC-AUC}; every method on the same draws."""
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    asked = methods(question.known)
    kinds = {kind: getattr(question, kind) for kind, _ in asked.values()}
    for support, query in draws(question.labels, shots, count, seed):
        targets, truth = question.labels[support].astype(int), question.labels[query].astype(int)
        for name, (kind, answer) in asked.items():
            seen = kinds[kind]
            scores = answer(seen[support], targets, seen[query])
            found[name].append(macro_auroc(np.stack([-scores, scores], 1), truth))
    return {name: np.array(values) for name, values in found.items()}


def kept(path: Path, work: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What `work` gives, or gave in a run before: asking one assay takes seconds, all of them minutes."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **work())
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in METHODS}


def questions(
    assays: Assays, names: list[str], net: MoleculeNet, rows: np.ndarray, seen: np.ndarray, shots: int
) -> Iterator[Question]:
    """Each assay of `names`, its molecules among `rows` (n,) bool, of which training saw those in `seen` (n,) bool;
    those too small are named and left out."""
    counts, descriptors = torch.from_numpy(assays.counts[rows]), torch.from_numpy(assays.descriptors[rows])
    batches = zip(counts.split(1000), descriptors.split(1000), strict=True)
    with torch.no_grad():
        embedding = torch.cat([net(*batch) for batch in batches])
        inputs = net.inputs(counts, descriptors).numpy()
    for name in names:
        labels = assays.of(name)[rows]
        if min((labels == 0).sum(), (labels == 1).sum()) <= shots:
            print(f"{name}: fewer than {shots + 1} active or inactive molecules, left out", file=sys.stderr)
            continue
        known = float(seen[rows][~np.isnan(labels)].mean())
        yield Question(name, labels, embedding.numpy(), inputs[:, :BITS], inputs, known)


def scaffold_third(keys: tuple[str, ...], seed: int = 0) -> np.ndarray:
    """(n,) bool: a third of the scaffolds (Bemis & Murcko 1996), with all their molecules; without rings, its own."""
    scaffolds = []
    for key in keys:
        scaffolds.append(MurckoScaffold.MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(key)) or key)
    unique = sorted(set(scaffolds))
    chosen = np.random.default_rng(seed).permutation(len(unique)) < len(unique) // 3
    asked = {scaffold for scaffold, is_in in zip(unique, chosen, strict=True) if is_in}
    return np.array([scaffold in asked for scaffold in scaffolds])


def left_out(args: argparse.Namespace) -> dict[int, dict[str, dict[str, np.ndarray]]]:
    """{shots: {assay: {method: values}}} over the folds, training an encoder for each."""
    config = tomllib.loads((CONFIGS / "molecules.toml").read_text("utf-8"))
    config["data"]["corpus"] = str(folder("records/molecules", args.data))
    assays = open_assays(config, args.out / "molecules", progress)
    asked = scaffold_third(assays.keys) if args.unseen else np.ones(len(assays.keys), bool)
    results: dict[int, dict[str, dict[str, np.ndarray]]] = {shots: {} for shots in args.shots}
    for index, fold in enumerate(FOLDS):
        names = [f"tox21:{name}" for name in fold]
        known = assays.without(names)
        if args.unseen:
            known = known.blind(asked)
        place = args.out / (f"unseen-{index}" if args.unseen else f"fold-{index}")
        net = train_net(known, recipe_of(config), place, config["seed"], progress).eval()
        seen = (~np.isnan(known.labels)).any(1)
        for question in questions(assays, names, net, asked, seen, max(args.shots)):
            for shots in args.shots:
                file = place / f"{question.name.split(':')[1]}-{shots}-{args.episodes}-{args.seed}.npz"
                asking = partial(ask, question, shots, args.episodes, args.seed)
                results[shots][question.name] = kept(file, asking)
    return results


def other_table(args: argparse.Namespace) -> dict[int, dict[str, dict[str, np.ndarray]]]:
    """The same for the assays of a CSV, by the weights that ship."""
    assays = load_assays({args.table.stem: args.table}, args.out / "molecules", smiles=args.smiles, report=progress)
    encoder, rows = load_molecule_encoder(), np.ones(len(assays.keys), bool)
    seen = np.array([encoder.known([key]) > 0 for key in assays.keys])
    results: dict[int, dict[str, dict[str, np.ndarray]]] = {shots: {} for shots in args.shots}
    for question in questions(assays, list(assays.names), encoder.net, rows, seen, max(args.shots)):
        for shots in args.shots:
            results[shots][question.name] = ask(question, shots, args.episodes, args.seed)
    return results


def interval(assays: list[np.ndarray], seed: int = 0) -> tuple[float, float]:
    """Mean over assays of their means over episodes, and half of its 95 % bootstrap interval over episodes."""
    rng, values = np.random.default_rng(seed), np.stack(assays)
    drawn = rng.integers(values.shape[1], size=(1000, *values.shape))
    means = np.take_along_axis(values[None], drawn, axis=2).mean((1, 2))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(high - low) / 2


def markdown(results: dict[int, dict[str, dict[str, np.ndarray]]]) -> str:
    """The mean over assays a method and shots, then each assay at the most shots."""
    sizes = list(results)
    lines = ["| method | " + " | ".join(f"{s} a class" for s in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for name in METHODS:
        cells = [interval([found[name] for found in results[s].values()]) for s in sizes]
        lines.append(f"| {name} | " + " | ".join(f"{100 * m:.1f} ± {100 * h:.1f}" for m, h in cells) + " |")
    for name, figures in PUBLISHED.items():
        cells = [f"*{figures[s]:.1f}*" if s in figures else "" for s in sizes]
        lines.append(f"| *published test assays: {name}* | " + " | ".join(cells) + " |")
    most = max(sizes)
    names = list(results[most])
    lines += ["", f"| {most} a class | " + " | ".join(n.split(":", 1)[1] for n in names) + " |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for name in METHODS:
        cells = [f"{100 * results[most][assay][name].mean():.1f}" for assay in names]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def progress(done: int, total: int, text: str) -> None:
    print(f"{done}/{total} {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the training assays' tables")
    parser.add_argument("--table", type=Path, help="a CSV of assays to judge the shipped weights by")
    parser.add_argument("--smiles", default="smiles", help="its column of structures")
    parser.add_argument("--unseen", action="store_true", help="ask about molecules that training never saw")
    parser.add_argument("--shots", type=int, nargs="+", default=[10, 5, 1])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("scratch") / "molecules_table")
    parser.add_argument("--markdown", type=Path, help="write the tables here as well")
    args = parser.parse_args()
    torch.set_num_threads(1)
    text = markdown(other_table(args) if args.table else left_out(args))
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
