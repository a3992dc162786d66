"""How good are records' learners on disease families that trained nothing? Tables x labelled rows x methods.

    python -m benchmarks.records_table [FOLDER] [--episodes 10] [--kept FILE.json] [--only METHOD ...] [--markdown FILE]

FOLDER holds tables/, regression/ and a MANIFEST.md with each file's family (default: records of HANDFUL_TEST_DATA).
Reported are the families that engine/training/configs/records.toml leaves out of training. Every method sees the same
episodes: all classes with enough rows (10 at most), up to 40 asked rows a class, no group (hospital, patient) on both
sides. Rivals get the row's own numbers, scaled as the product scales them; logistic regression is tuned by 5-fold
cross-validation on the labelled rows. Intervals: 95 % bootstrap over tables. Results are kept in a JSON and gone on
from.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.real_data import ROOT, folder
from engine.encoders import tabular
from engine.episodes import Archive, episodes
from engine.episodes.scoring import macro_auroc
from engine.learners import NumberSupport, Support, SupportError, adapt_number, learner
from engine.sentences import Refusal
from engine.tables import Dictionary, Table, first_table, propose, rows
from engine.training.record_real import GROUP, LABEL, families

SHOTS, LABELLED = (5, 10, 20), (20, 40, 80)
WAYS, QUERIES, ASKED = 10, 40, 100
CONFIG = ROOT / "engine" / "training" / "configs" / "records.toml"
OURS = ("incontext", "protonet", "matching", "maml", "reptile", "lstm", "platipus", "logistic", "nearest")
RIVALS = ("logistic regression", "random forest", "boosted trees", "nearest class mean")
NUMBERS = ("incontext", "ridge regression", "forest of numbers")
LEVEL = 0.8  # of the intervals of numbers


@dataclass(frozen=True)
class Task:
    """Embeddings and targets of one episode; `own` numbers at the end of each embedding; (labelled, asked)."""

    embeddings: tuple[np.ndarray, np.ndarray]
    own: int
    targets: tuple[np.ndarray, np.ndarray]
    groups: tuple[str, ...]

    @property
    def plain(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(each[:, -self.own :] for each in self.embeddings)


@dataclass(frozen=True)
class Source:
    """One file: the table as the product reads it, targets and groups of its rows."""

    name: str
    table: Table
    dictionary: Dictionary
    targets: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray

    def task(self, labelled: np.ndarray, asked: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> Task:
        prepared = tabular.prepare(self.table, self.dictionary, labelled)
        made = prepared.embeddings(labelled), prepared.embeddings(asked)
        own = prepared.rows(labelled[:1]).flat().shape[1]
        return Task(made, own, (known, wanted), tuple(self.groups[labelled]))


def read(path: Path, number: bool) -> Source:
    table = first_table(path)
    dictionary = propose(table, label=LABEL)
    groups = np.arange(len(table)).astype(str)
    if GROUP in table.columns:
        dictionary = dictionary.change(GROUP, role="site")
        groups = np.array([str(g) for g in rows.texts_of(table.frame[GROUP])])
    targets, classes = rows.targets(table, dictionary, number=number)
    return Source(path.name.split(".")[0], table, dictionary, targets, classes, groups)


def class_tasks(source: Source, shots: int, count: int, seed: int) -> list[Task]:
    there = np.flatnonzero(source.targets >= 0)
    labels = np.array([source.classes[t] for t in source.targets[there]])
    archive = Archive(source.name, (), labels, source.groups[there])
    return [
        source.task(there[e.support], there[e.query], e.support_targets, e.query_targets)
        for e in episodes(archive, WAYS, shots, QUERIES, count, seed)
    ]


def number_tasks(source: Source, labelled: int, count: int, seed: int) -> list[Task]:
    """Labelled rows at random, asked rows of other groups; with few groups half of them are asked."""
    rng, tasks = np.random.default_rng([seed, labelled]), []
    there = np.flatnonzero(np.isfinite(source.targets))
    names = np.unique(source.groups[there])
    for _ in range(count):
        side = rng.permutation(names)[: len(names) // 2]
        known = np.isin(source.groups[there], side)
        first = rng.permutation(there[known])[:labelled]
        second = rng.permutation(there[~known])[:ASKED]
        tasks.append(source.task(first, second, source.targets[first], source.targets[second]))
    return tasks


def answer_classes(method: str, task: Task) -> np.ndarray:
    """(m, c) of the asked rows, larger is likelier."""
    known, count = task.targets[0], int(task.targets[0].max()) + 1
    if method in OURS:
        names = tuple(f"class {k}" for k in range(count))
        groups = tuple(f"row {i}" for i in range(len(known)))
        support = Support(torch.from_numpy(task.embeddings[0]), torch.from_numpy(known).long(), names, groups)
        model = learner(method).adapt(support)
        with torch.no_grad():
            return model.probabilities(torch.from_numpy(task.embeddings[1])).double().numpy()
    x, asked = task.plain
    if method == "nearest class mean":
        means = np.stack([x[known == k].mean(0) for k in range(count)])
        far = np.square(asked[:, None] - means[None]).sum(2)
        return np.exp(far.min(1, keepdims=True) - far) / np.exp(far.min(1, keepdims=True) - far).sum(1, keepdims=True)
    return RIVAL[method]().fit(x, known).predict_proba(asked)


def _logistic():
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    strengths = np.logspace(-2.5, 1, 6)
    return LogisticRegressionCV(Cs=strengths, cv=folds, scoring="neg_log_loss", solver="newton-cholesky")


def _forest():
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, random_state=0)


def _boosted():
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=50, min_samples_leaf=3, random_state=0)


RIVAL: dict[str, Callable] = {"logistic regression": _logistic, "random forest": _forest, "boosted trees": _boosted}


def score_number(method: str, task: Task) -> tuple[float, float]:
    """R2 on the asked rows, and the share of them inside the 80 % interval (NaN for a rival without intervals)."""
    known, wanted = task.targets
    if method == "incontext":
        support = NumberSupport(torch.from_numpy(task.embeddings[0]), torch.from_numpy(known), "", task.groups)
        model, asked = adapt_number(learner(method), support), torch.from_numpy(task.embeddings[1])
        with torch.no_grad():
            guess = model.mean(asked).double().numpy()
            found = model.interval(asked, LEVEL)
        low, high = (each.double().numpy() for each in found) if found else (np.nan, np.nan)
        inside = float(((wanted >= low) & (wanted <= high)).mean()) if found else float("nan")
    else:
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.linear_model import RidgeCV

        made = {
            "ridge regression": RidgeCV(np.logspace(-1, 3, 9)),
            "forest of numbers": RandomForestRegressor(100, random_state=0),
        }
        guess, inside = made[method].fit(task.plain[0], known).predict(task.plain[1]), float("nan")
    return 1 - float(np.square(wanted - guess).sum() / np.square(wanted - wanted.mean()).sum()), inside


Kept = dict[str, dict[str, dict[str, list]]]  # table -> rows labelled -> method -> a value an episode


def measure(path: Path, number: bool, methods: list[str], kept: Kept, count: int, seed: int) -> bool:
    """Add what is not kept yet of one file; whether anything was added."""
    name, sizes = path.name.split(".")[0], LABELLED if number else SHOTS
    if all(m in kept.get(name, {}).get(str(size), {}) for size in sizes for m in methods):
        return False
    source = read(path, number)
    for size in sizes:
        done = kept.setdefault(name, {}).setdefault(str(size), {})
        todo = [m for m in methods if m not in done]
        try:
            tasks = (number_tasks if number else class_tasks)(source, size, count, seed) if todo else []
        except Refusal:  # too few rows of a class for so many
            done.update({m: [] for m in todo})
            continue
        for method in todo:
            done[method] = []
            for task in tasks:
                try:
                    value = (
                        score_number(method, task)
                        if number
                        else macro_auroc(answer_classes(method, task), task.targets[1])
                    )
                except SupportError:
                    continue
                done[method].append(value)
    return True


def table_of(kept: Kept, sizes: tuple[int, ...], methods: list[str], rivals: list[str]) -> str:
    """Markdown: the mean over tables of each method at each size, then our first method against the best rival."""
    lines = ["| | " + " | ".join(f"{size}" for size in sizes) + " |", "|" + "---|" * (len(sizes) + 1)]
    matrices = {size: matrix(kept, size, methods) for size in sizes}
    if not all(names for _, names in matrices.values()):
        return "No table has every method at every size yet."
    counts = " | ".join(str(len(m)) for m, _ in matrices.values())
    lines.append(f"| tables | {counts} |")
    for j, method in enumerate(methods):
        lines.append(f"| {method} | " + " | ".join(interval(m[:, j]) for m, _ in matrices.values()) + " |")
    for rival in rivals:
        k = methods.index(rival)
        cells = []
        for m, names in matrices.values():
            gain = m[:, 0] - m[:, k]
            worst = int(gain.argmin())
            wins = f"{(gain > 0).sum()} of {len(gain)}"
            cells.append(f"{interval(gain, sign=True)}; ahead on {wins}; worst {gain[worst]:+.3f} ({names[worst]})")
        lines.append(f"| {methods[0]} less {rival} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def matrix(kept: Kept, size: int, methods: list[str]) -> tuple[np.ndarray, list[str]]:
    """(tables, methods) mean over episodes, for the tables where every method answered; their names."""
    names = [n for n, each in sorted(kept.items()) if all(each.get(str(size), {}).get(m) for m in methods)]
    found = [[np.mean(first(kept[n][str(size)][m])) for m in methods] for n in names]
    return np.array(found).reshape(len(names), len(methods)), names


def first(values: list) -> list[float]:
    return [v[0] if isinstance(v, (list, tuple)) else v for v in values]


def interval(values: np.ndarray, sign: bool = False) -> str:
    """Mean and 95 % bootstrap over tables."""
    draws = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    low, high = np.percentile(values[draws].mean(1), [2.5, 97.5])
    style = "+.3f" if sign else ".3f"
    return f"{values.mean():{style}} ({low:{style}} to {high:{style}})"


def per_table(kept: Kept, sizes: tuple[int, ...], methods: list[str]) -> str:
    lines = ["| table | rows labelled | " + " | ".join(methods) + " |", "|" + "---|" * (len(methods) + 2)]
    for name, each in sorted(kept.items()):
        for size in sizes:
            values = each.get(str(size), {})
            if all(values.get(m) for m in methods):
                lines.append(
                    f"| {name} | {size} | " + " | ".join(f"{np.mean(first(values[m])):.3f}" for m in methods) + " |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="these methods alone")
    parser.add_argument("--kept", type=Path, default=ROOT / "scratch" / "records_table.json")
    parser.add_argument("--markdown", type=Path, help="also write the tables there")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after the table in which so many have passed")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for kind in (UserWarning, FutureWarning):  # scikit-learn about few rows, and about its own next version
        warnings.filterwarnings("ignore", category=kind)
    corpus = folder("records", args.folder)
    held = tomllib.loads(CONFIG.read_text("utf-8"))["data"]["leave_out"]
    args.kept.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(args.kept.read_text("utf-8")) if args.kept.exists() else {"classes": {}, "numbers": {}}
    began = time.monotonic()
    for file, family in sorted(families(corpus).items(), key=lambda one: (one[0].startswith("regression"), one)):
        number = file.startswith("regression")
        methods = [m for m in (NUMBERS if number else (*OURS, *RIVALS)) if not args.only or m in args.only]
        if family not in held or not methods or time.monotonic() - began > args.seconds:
            continue
        if measure(corpus / file, number, methods, kept["numbers" if number else "classes"], args.episodes, args.seed):
            args.kept.write_text(json.dumps(kept), "utf-8")
            print(f"{file}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    text = report(kept)
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n", "utf-8")


def report(kept: dict[str, Kept]) -> str:
    methods = [m for m in (*OURS, *RIVALS) if any(m in size for t in kept["classes"].values() for size in t.values())]
    rivals = [m for m in methods if m in RIVALS]
    parts = ["## Classes: AUROC by labelled rows a class", table_of(kept["classes"], SHOTS, methods, rivals)]
    parts += ["### Each table", per_table(kept["classes"], SHOTS, methods)]
    if kept["numbers"]:
        parts += [
            "## Numbers: R2 by labelled rows",
            table_of(kept["numbers"], LABELLED, list(NUMBERS), list(NUMBERS[1:])),
        ]
        inside = {
            size: [v[1] for t in kept["numbers"].values() for v in t.get(str(size), {}).get("incontext", [])]
            for size in LABELLED
        }
        told = ", ".join(f"{np.nanmean(v):.3f} at {size}" for size, v in inside.items() if v)
        parts.append(f"Share of asked rows inside the 80 % interval of the in-context network: {told}.")
        parts += ["### Each table", per_table(kept["numbers"], LABELLED, list(NUMBERS))]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
