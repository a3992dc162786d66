"""Is the embedding better than pixels, than ImageNet's last layer and than its stages untrained? At 5 and 10 shots.

    python benchmarks/encoder_table.py FOLDER [--episodes 100] [--markdown FILE]

FOLDER holds archives (npz with images, label, group). Logistic regression (the product's own learner, same scaling for
all features), macro one-against-rest AUROC, 95 % bootstrap intervals over episodes; differences are paired.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.real_data import folder
from engine.encoders import Encoder, load_encoder
from engine.episodes import Archive, Episode, episodes, open_archive, score
from engine.learners import Support, learner
from engine.nouns import Geometry, Volume

FEATURES = ("pixels", "last layer", "untouched", "ours")
SHOTS = (5, 10)
PIXELS = 32


@dataclass(frozen=True)
class Row:
    """AUROC of every episode, by feature."""

    name: str
    shots: int
    auroc: dict[str, np.ndarray]

    def gain(self, over: str = "last layer") -> np.ndarray:
        return self.auroc["ours"] - self.auroc[over]


def features(encoder: Encoder, untouched: Encoder, archive: Archive) -> dict[str, torch.Tensor]:
    """(n, d) of every picture, four ways, from the same 128 px views."""
    kept: dict[str, list[torch.Tensor]] = {name: [] for name in FEATURES}
    with torch.inference_mode():
        for picture in archive.images:
            views = encoder.views(Volume(np.asarray(picture)[None], Geometry(measured=False), False))
            small = F.interpolate(views, (PIXELS, PIXELS), mode="bilinear", antialias=True)
            kept["pixels"].append(small.flatten(1))
            kept["last layer"].append(untouched.embedder.network(views)[-1].mean((2, 3)))
            kept["untouched"].append(untouched.pool(untouched.embed_views(views))[None])
            kept["ours"].append(encoder.pool(encoder.embed_views(views))[None])
    return {name: torch.cat(parts).clone() for name, parts in kept.items()}


def auroc(method: str, x: torch.Tensor, archive: Archive, episode: Episode) -> float:
    groups = tuple(archive.groups[episode.support].tolist())
    support = Support(x[episode.support], torch.from_numpy(episode.support_targets).long(), episode.classes, groups)
    with torch.no_grad():
        probabilities = learner(method).adapt(support).probabilities(x[episode.query])
    return score(probabilities.double().numpy(), episode.query_targets).auroc


def measure(path: Path, encoders: tuple[Encoder, Encoder], count: int, method: str, seed: int = 0) -> list[Row]:
    archive = open_archive(path)
    made = features(*encoders, archive)
    rows = []
    for shots in SHOTS:
        drawn = list(episodes(archive, 5, shots, 15, count, seed))
        values = {name: np.array([auroc(method, x, archive, e) for e in drawn]) for name, x in made.items()}
        rows.append(Row(archive.name, shots, values))
    return rows


def interval(values: np.ndarray) -> str:
    """Mean and its 95 % interval over episodes."""
    draws = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    low, high = np.quantile(values[draws].mean(1), [0.025, 0.975])
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def table(rows: list[Row]) -> str:
    """Markdown: one line a set and shots, then the means over sets."""
    lines = [
        "| set | shots | pixels | last layer | all stages, untouched | ours | less last layer | less untouched |",
        "|" + "---|" * 8,
    ]
    for row in rows:
        cells = [interval(row.auroc[name]) for name in FEATURES]
        cells += [interval(row.gain()), interval(row.gain("untouched"))]
        lines.append(f"| {row.name} | {row.shots} | " + " | ".join(cells) + " |")
    for shots in SHOTS:
        some = [r for r in rows if r.shots == shots]
        # Episodes of different sets are drawn independently: their means have the interval of a mean of sets.
        means = [interval(np.mean([r.auroc[name] for r in some], 0)) for name in FEATURES]
        means += [interval(np.mean([r.gain(over) for r in some], 0)) for over in ("last layer", "untouched")]
        lines.append(f"| **mean of {len(some)} sets** | {shots} | " + " | ".join(means) + " |")
    return "\n".join(lines)


def verdict(rows: list[Row]) -> str:
    """The claim that the encoder is judged by, and every set that breaks it."""
    lines = []
    for over in ("last layer", "untouched"):
        gains = [(r, r.gain(over).mean()) for r in rows]
        behind = [f"{r.name} at {r.shots} shots ({gain:+.3f})" for r, gain in gains if gain < -0.01]
        means = {s: np.mean([gain for r, gain in gains if r.shots == s]) for s in SHOTS}
        text = ", ".join(f"{gain:+.3f} at {shots} shots" for shots, gain in means.items())
        named = "the last layer" if over == "last layer" else "all stages untouched"
        lines.append(f"Ours against {named}: {text}. More than 0.01 behind: {', '.join(behind) or 'nowhere'}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="archives (default: the pictures of HANDFUL_TEST_DATA)")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--learner", default="logistic")
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    encoders = (load_encoder(), load_encoder(trained=False))
    for path in sorted(folder("images", args.folder).glob("*.npz")):
        rows += measure(path, encoders, args.episodes, args.learner)
        print(table(rows[-2:]).splitlines()[2:4], flush=True)
    text = table(rows) + "\n\n" + verdict(rows)
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
