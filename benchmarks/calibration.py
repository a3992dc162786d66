"""Does it know what it doesn't know? Every learner on sets of pictures that trained nothing, one table.

    python -m benchmarks.calibration [FOLDER] [--episodes 4] [--shots 5 10] [--seconds N] [--markdown FILE]

FOLDER holds archives (npz with images, label, group); by default `images` of HANDFUL_TEST_DATA. For each learner, over
all episodes of all sets together:
    ECE       expected calibration error, with its own temperature and with the one that leaving patients out gives
    80, 90 %  how often the conformal set holds the right class, class by class, and how many of the classes it holds;
              only where the patients allow a promise (4 and 9 a class)
    shuffled  accuracy above chance with labels thrown over the labelled cases: nothing may be left of it
Below it the AUROC of telling pictures of another organ or modality from the task's own, whatever the learner.
What was measured is kept in --kept and not measured again, so that a run can be stopped and gone on with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine.commands.evaluate import embed
from engine.encoders import load_encoder
from engine.episodes import Archive, Episode, episodes, open_archive
from engine.episodes.scoring import ece, macro_auroc, score
from engine.evidence.conformal import LEVELS, prediction_sets
from engine.evidence.folds import judge_folds, leave_out
from engine.evidence.uncertainty import calibrated, nearness
from engine.learners import Learner, Support, learners
from engine.learners.starts import start_file

ROOT = Path(__file__).resolve().parents[1]
WAYS, QUERIES, STRANGERS = 5, 15, 40
RESAMPLES = 2000
# What is in the picture: a stranger must differ in it. A set that is not named here is a kind of its own.
KINDS = {
    "blood_cells_bccd": "blood",
    "blood_cells_pbc_lineage": "blood",
    "brain_mri_tumor4": "brain MR",
    "brain_mri_tumor_yesno": "brain MR",
    "chest_ct_contrast": "chest CT",
    "covid_ct": "chest CT",
    "chest_xray_pneumoniamnist28": "chest X-ray",
    "covid_chest_xray": "chest X-ray",
}


class Sets:
    """The archives with the embedding of every picture, computed once for an encoder and kept in a folder."""

    def __init__(self, folder: Path, kept: Path) -> None:
        encoder = load_encoder()
        self.identity = encoder.identity
        self.archives: dict[str, Archive] = {}
        self.embeddings: dict[str, torch.Tensor] = {}
        for path in sorted(folder.glob("*.npz")):
            name, file = path.stem, kept / f"{path.stem}-{encoder.identity}.npy"
            self.archives[name] = open_archive(path)
            if not file.exists():
                kept.mkdir(parents=True, exist_ok=True)
                np.save(file, embed(encoder, self.archives[name].images).numpy())
                print(f"embedded {name}: {len(self.archives[name].images)} pictures", file=sys.stderr, flush=True)
            self.embeddings[name] = torch.from_numpy(np.load(file)).float()

    def strangers(self, name: str, rng: np.random.Generator) -> torch.Tensor:
        """(STRANGERS, d) pictures of other kinds than a set's own."""
        pool = torch.cat(
            [e for other, e in self.embeddings.items() if KINDS.get(other, other) != KINDS.get(name, name)]
        )
        return pool[torch.from_numpy(rng.choice(len(pool), STRANGERS, replace=False))]


def support_of(archive: Archive, embeddings: torch.Tensor, episode: Episode) -> Support:
    return Support(
        embeddings[episode.support],
        torch.from_numpy(episode.support_targets).long(),
        episode.classes,
        tuple(archive.groups[episode.support].tolist()),
    )


def measure(method: Learner, support: Support, query: torch.Tensor, targets: np.ndarray, strangers: torch.Tensor,
            seed: int, rng: np.random.Generator) -> dict[str, Any]:  # fmt: skip
    """One episode of one learner. `rng` throws the labels."""
    plain = method.adapt(support, seed=seed)
    left_out = judge_folds(method, support, leave_out(support, seed), seed, query=query)
    adapted = calibrated(plain, left_out)
    found: dict[str, Any] = {}
    with torch.no_grad():
        for name, model in (("own", plain), ("calibrated", adapted)):
            found[name] = score(model.probabilities(query).double().numpy(), targets).bins.tolist()
    (_, near), (_, far) = nearness(support, query), nearness(support, strangers)
    side = np.repeat([0, 1], [len(near), len(far)])
    distance = np.concatenate([near, far])
    found["reject"] = macro_auroc(np.stack([-distance, distance], 1), side)
    for level in LEVELS:
        sets = prediction_sets(left_out, support, level)
        if len(sets.promises) == len(support.classes):
            held = [support.classes[t] in s for t, s in zip(targets.tolist(), sets.sets, strict=True)]
            found[str(level)] = [
                float(np.mean([np.mean(np.array(held)[targets == k]) for k in np.unique(targets)])),
                float(np.mean([len(s) for s in sets.sets])) / len(support.classes),
            ]
    found["shuffled"] = shuffled(method, support, query, targets, seed, rng)
    return found


def start_of(method: Learner) -> str:
    """Which meta-learned start a learner took: a digest of its file, "plain" where none ships."""
    file = start_file(method.name)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.exists() else "plain"


def shuffled(
    method: Learner, support: Support, query: torch.Tensor, targets: np.ndarray, seed: int, rng: np.random.Generator
) -> float:
    """Accuracy above chance, each class with the same say, after labels were thrown over the labelled cases."""
    order = torch.from_numpy(rng.permutation(len(support.targets)))
    thrown = method.adapt(replace(support, targets=support.targets[order]), seed=seed)
    with torch.no_grad():
        answers = thrown.logits(query).argmax(1).numpy()
    by_class = [np.mean(answers[targets == k] == k) for k in np.unique(targets)]
    return float(np.mean(by_class)) - 1 / len(support.classes)


class Kept:
    """What was measured before, by encoder, set, shots, learner, seed and episode; on disk after each episode."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def add(self, key: str, found: dict[str, Any]) -> None:
        self.known[key] = found
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.known), "utf-8")
        part.replace(self.path)


def measured(
    sets: Sets, methods: list[Learner], shots: list[int], count: int, seed: int, kept: Kept, until: float
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(shots, learner, episode's figures), the first episode of every set before the second of any.

    After `until` (monotonic seconds) only what is known is given.
    """
    for i in range(count):
        for (name, archive), shot in product(sets.archives.items(), shots):
            try:
                *_, episode = episodes(archive, WAYS, shot, QUERIES, i + 1, seed)
            except ValueError as error:
                print(error, file=sys.stderr)
                continue
            for method in methods:
                key = f"{sets.identity} {name} {shot} {method.name} {start_of(method)} {seed} {i}"
                if key not in kept.known and time.monotonic() < until:
                    embeddings = sets.embeddings[name]
                    support = support_of(archive, embeddings, episode)
                    rng = np.random.default_rng([seed, i, shot, *name.encode()])
                    others, targets = sets.strangers(name, rng), episode.query_targets
                    kept.add(key, measure(method, support, embeddings[episode.query], targets, others, seed + i, rng))
                if key in kept.known:
                    yield shot, method.name, kept.known[key]


def interval(values: list[float]) -> str:
    """Mean and its 95 % interval, by resampling episodes."""
    if not values:
        return "-"
    each = np.array(values)
    draws = np.random.default_rng(0).integers(0, len(each), (RESAMPLES, len(each)))
    low, high = np.quantile(each[draws].mean(1), [0.025, 0.975])
    return f"{each.mean():.3f} ({low:.3f} to {high:.3f})"


def above_chance(gains: list[float]) -> bool:
    """More than four standard errors above: not by luck, even in so many rows that share their episodes."""
    return len(gains) > 1 and float(np.mean(gains)) > 4 * float(np.std(gains, ddof=1)) / len(gains) ** 0.5


def row(shots: int, name: str, found: list[dict[str, Any]]) -> str:
    """One line of the table."""
    errors = [f"{ece(np.sum([e[kind] for e in found], 0)):.3f}" for kind in ("own", "calibrated")]
    cells = [str(shots), name, str(len(found)), *errors]
    for level in LEVELS:
        promised = [e[str(level)] for e in found if str(level) in e]
        cells.append(interval([e[0] for e in promised]))
        cells.append(f"{np.mean([e[1] for e in promised]):.2f}" if promised else "-")
    cells.append(interval([e["shuffled"] for e in found]))
    return "| " + " | ".join(cells) + " |"


def table(rows: dict[tuple[int, str], list[dict[str, Any]]]) -> str:
    head = [
        "cases a class",
        "learner",
        "episodes",
        "ECE own",
        "ECE calibrated",
        "held at 80 %",
        "share of classes",
        "held at 90 %",
    ]
    head += ["share of classes", "shuffled, above chance"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [row(shots, name, found) for (shots, name), found in rows.items()]
    for shots in sorted({shots for shots, _ in rows}):  # the same for every learner: take the one with most episodes
        most = max((found for (each, _), found in rows.items() if each == shots), key=len)
        told = interval([e["reject"] for e in most])
        lines.append(f"\nAUROC of telling other kinds from the task's own, {shots} cases a class: {told}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("HANDFUL_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("folder", type=Path, nargs="?", default=data / "images")
    parser.add_argument("--episodes", type=int, default=4, help="a set")
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--learners", nargs="*", help="all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="then print what there is")
    parser.add_argument(
        "--kept", type=Path, default=ROOT / "scratch" / "calibration", help="folder for what was computed"
    )
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sets = Sets(args.folder, args.kept)
    methods = [each for each in learners("classes") if not args.learners or each.name in args.learners]
    rows: dict[tuple[int, str], list[dict[str, Any]]] = {
        (shots, method.name): [] for shots in args.shots for method in methods
    }
    kept = Kept(args.kept / "calibration.json")
    until = time.monotonic() + args.seconds
    for shots, name, found in measured(sets, methods, args.shots, args.episodes, args.seed, kept, until):
        rows[shots, name].append(found)
    text = table({key: found for key, found in rows.items() if found})
    print(f"{len(sets.archives)} sets, up to {args.episodes} episodes each, encoder {sets.identity}\n\n{text}")
    strange = [key for key, found in rows.items() if found and above_chance([e["shuffled"] for e in found])]
    if args.markdown:
        args.markdown.write_text(text + "\n", "utf-8")
    if strange:
        sys.exit(f"Shuffled labels do not give chance: {strange}")


if __name__ == "__main__":
    main()
