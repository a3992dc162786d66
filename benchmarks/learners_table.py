"""What does each learner make of a handful? Sets x shots x {every learner, untouched features, pixels, HOG}.

    python benchmarks/learners_table.py FOLDER [--episodes 60] [--shots 1 5 10] [--learners NAME ...] [--markdown FILE]

FOLDER holds archives (npz with images, label, group) that trained nothing. Every method sees the same episodes: up to
5 classes, 15 queries a class, no group on both sides. Learners work on the shipped encoder's embedding; the three last
columns are logistic regression on the network as ImageNet left it, on 32 x 32 pixels and on histograms of oriented
gradients (Dalal & Triggs 2005). Intervals: 95 % bootstrap over episodes; other patients differ more.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.encoder_table import interval
from benchmarks.real_data import folder
from engine.encoders import Encoder, load_encoder
from engine.episodes import Archive, episodes, open_archive, score
from engine.learners import Support, SupportError, learner, learners
from engine.nouns import Geometry, Volume

CONTROLS = ("untouched + logistic", "pixels + logistic", "hog + logistic")
# Where the class is the source, or pictures of the same source are in the training corpus (docs/encoder.md): shown,
# but no part of the mean.
APART = {"covid_chest_xray", "chest_xray_pneumoniamnist28"}
HOG_PX = 64


@dataclass
class Column:
    """One method: its value in each episode of a set, and the seconds it took."""

    accuracy: list[float] = field(default_factory=list)
    auroc: list[float] = field(default_factory=list)
    seconds: float = 0.0


def features(archive: Archive, ours: Encoder, untouched: Encoder) -> dict[str, torch.Tensor]:
    """(n, d) of every picture by each of the four kinds of features."""
    from skimage.feature import hog

    kept: dict[str, list[torch.Tensor]] = defaultdict(list)
    with torch.inference_mode():
        for picture in archive.images:
            views = ours.views(Volume(np.asarray(picture)[None], Geometry(measured=False), False))
            kept["ours"].append(ours.pool(ours.embed_views(views))[None])
            kept["untouched"].append(untouched.pool(untouched.embed_views(views))[None])
            kept["pixels"].append(F.interpolate(views, (32, 32), mode="bilinear", antialias=True).flatten(1))
            small = F.interpolate(views.mean(1, keepdim=True), (HOG_PX, HOG_PX), mode="bilinear", antialias=True)
            kept["hog"].append(torch.from_numpy(hog(small[0, 0].numpy(), pixels_per_cell=(8, 8)))[None].float())
    return {name: torch.cat(parts).clone() for name, parts in kept.items()}


def measure(archive: Archive, made: dict[str, torch.Tensor], names: list[str], shots: int, count: int, seed: int):
    """{column: values} over the same episodes; a method that refuses a support is left out of that episode."""
    columns: dict[str, Column] = {name: Column() for name in (*names, *CONTROLS)}
    for episode in episodes(archive, 5, shots, 15, count, seed):
        groups = tuple(archive.groups[episode.support].tolist())
        targets = torch.from_numpy(episode.support_targets).long()
        for name, column in columns.items():
            kind, method = (name.split(" + ")[0], "logistic") if name in CONTROLS else ("ours", name)
            support = Support(made[kind][episode.support], targets, episode.classes, groups)
            began = time.process_time()
            try:
                model = learner(method).adapt(support, seed=seed)
            except SupportError:
                continue
            column.seconds += time.process_time() - began
            with torch.no_grad():
                result = score(model.probabilities(made[kind][episode.query]).double().numpy(), episode.query_targets)
            column.accuracy.append(result.accuracy)
            column.auroc.append(result.auroc)
    return columns


def table(rows: list[tuple[str, int, int, int, dict[str, Column]]], value: str) -> str:
    """Markdown: a line a set and shots, then the means over the sets that count."""
    names = list(rows[0][4])
    lines = ["| set (pictures, groups) | shots | " + " | ".join(names) + " |", "|" + "---|" * (len(names) + 2)]
    for name, pictures, groups, shots, columns in rows:
        cells = [interval(np.array(v)) if (v := getattr(columns[n], value)) else "refused" for n in names]
        mark = " *" if name in APART else ""
        lines.append(f"| {name}{mark} ({pictures}, {groups}) | {shots} | " + " | ".join(cells) + " |")
    for shots in sorted({row[3] for row in rows}):
        some = [row[4] for row in rows if row[3] == shots and row[0] not in APART]
        cells = []
        for n in names:
            values = [np.array(getattr(columns[n], value)) for columns in some]
            least = min(len(v) for v in values) if values else 0
            cells.append(interval(np.mean([v[:least] for v in values], 0)) if least else "refused")
        lines.append(f"| **mean of {len(some)} sets** | {shots} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="archives (default: the pictures of HANDFUL_TEST_DATA)")
    parser.add_argument("--episodes", type=int, default=60)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5, 10])
    parser.add_argument("--learners", nargs="+", default=[one.name for one in learners() if "classes" in one.targets])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", type=Path, help="also write the tables there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    ours, untouched = load_encoder(), load_encoder(trained=False)
    rows = []
    for path in sorted(folder("images", args.folder).glob("*.npz")):
        archive = open_archive(path)
        made = features(archive, ours, untouched)
        for shots in args.shots:
            columns = measure(archive, made, args.learners, shots, args.episodes, args.seed)
            rows.append((archive.name, len(archive.labels), len(set(archive.groups)), shots, columns))
            print(table(rows[-1:], "auroc").splitlines()[2], flush=True)
    seconds = {n: sum(row[4][n].seconds for row in rows) / (len(rows) * args.episodes) for n in rows[0][4]}
    text = "## AUROC\n\n" + table(rows, "auroc") + "\n\n## Accuracy\n\n" + table(rows, "accuracy")
    text += "\n\nSeconds of one core to adapt, mean: " + ", ".join(f"{n} {s:.3f}" for n, s in seconds.items()) + "."
    text += "\n\n\\* the class is the source, or the source also trained the encoder: not in the means."
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
