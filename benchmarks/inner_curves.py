"""Is adapting better than not adapting, and how far does it carry? Curves over inner steps, over shots, and abroad.

    python -m benchmarks.inner_curves [FOLDER] [--episodes 40] [--phantoms 16] [--markdown FILE]

1. Accuracy against inner steps (0: the start, nothing adapted) for every method that has steps, and against shots for
   every method, on two sets that trained nothing (head CT, haemorrhage or not; brain MR, four classes).
2. Taught at home, asked at home and abroad: head CT under another window, and places in synthetic CT (smooth or
   spiculated nodule) of another hospital's scanner. Seeds that trained nothing.

Groups never on both sides; the same episodes for every method; 95 % bootstrap intervals over episodes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.encoder_table import interval
from benchmarks.real_data import folder
from engine.encoders import Encoder, load_encoder
from engine.episodes import Archive, Episode, episodes, open_archive
from engine.learners import Support, learner, learners
from engine.nouns import Geometry, Place, Volume
from engine.phantoms import make_phantom

SETS = ("head_ct_hemorrhage", "brain_mri_tumor4")
STEPS = (0, 1, 2, 5, 10, 20)
SHOTS = (1, 2, 5, 10)
STEPPED = ("maml", "maml-first-order", "anil", "reptile", "lstm", "platipus")
OTHER_WINDOW = (50.0, 200.0)  # greys that the other hospital shows as black and white
FIRST_SEED = 900  # below 2000: phantoms that test
CLASSES = ("smooth", "spiculated")


def embed(encoder: Encoder, pictures: list[np.ndarray]) -> torch.Tensor:
    """(n, d) embeddings of single pictures."""
    rows = [encoder.encode(Volume(p[None], Geometry(measured=False), False)).embedding for p in pictures]
    return torch.from_numpy(np.stack(rows))


def other_window(picture: np.ndarray) -> np.ndarray:
    low, high = OTHER_WINDOW
    return ((picture.astype(np.float32) - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)


def places(encoder: Encoder, hospital: str, count: int, first: int) -> tuple[torch.Tensor, np.ndarray]:
    """Embeddings of the places of `count` nodules a class, and their classes."""
    rows, labels = [], []
    for i in range(2 * count):
        made = make_phantom(first + i, CLASSES[i % 2], hospital, slices=5, cover_mm=25, around_finding=True)
        assert made.truth.centre_mm is not None
        rows.append(encoder.encode(made.volume, region=Place(made.truth.centre_mm)).embedding)
        labels.append(CLASSES[i % 2])
    return torch.from_numpy(np.stack(rows)), np.array(labels)


def accuracy(name: str, steps: int | None, taught: torch.Tensor, asked: torch.Tensor, archive: Archive, e: Episode):
    """Share right of one episode; `taught` and `asked` are the embeddings of the archive for support and query."""
    groups = tuple(archive.groups[e.support].tolist())
    support = Support(taught[e.support], torch.from_numpy(e.support_targets).long(), e.classes, groups)
    model = learner(name).adapt(support, steps=steps)
    with torch.no_grad():
        chosen = model.probabilities(asked[e.query]).argmax(1).numpy()
    return float((chosen == e.query_targets).mean())


def drawn(archive: Archive, shots: int, count: int) -> list[Episode]:
    return list(episodes(archive, 5, shots, 15, count, 0))


def table(title: str, heads: list[str], rows: dict[str, list[str]]) -> str:
    lines = [f"### {title}", "", "| method | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())])


def curves(archive: Archive, x: torch.Tensor, names: list[str], count: int) -> list[str]:
    """The two tables of one set."""
    five = drawn(archive, 5, count)
    steps = {
        name: [interval(np.array([accuracy(name, s, x, x, archive, e) for e in five])) for s in STEPS]
        for name in STEPPED
    }
    by_shots = {k: drawn(archive, k, count) for k in SHOTS}
    shots = {
        name: [interval(np.array([accuracy(name, None, x, x, archive, e) for e in by_shots[k]])) for k in SHOTS]
        for name in names
    }
    return [
        table(f"{archive.name}: accuracy after so many inner steps, 5 shots", [str(s) for s in STEPS], steps),
        table(f"{archive.name}: accuracy with so many labelled a class", [str(k) for k in SHOTS], shots),
    ]


def abroad(name: str, archive: Archive, home: torch.Tensor, away: torch.Tensor, names: list[str], count: int) -> str:
    """Taught with `home`, asked with `home` and with `away` (the same cases seen elsewhere)."""
    five = drawn(archive, 5, count)
    rows = {}
    for each in names:
        values = [np.array([accuracy(each, None, home, x, archive, e) for e in five]) for x in (home, away)]
        rows[each] = [interval(values[0]), interval(values[1]), interval(values[1] - values[0])]
    return table(f"{name}: taught at home, 5 shots", ["asked at home", "asked abroad", "difference"], rows)


def hospitals(encoder: Encoder, names: list[str], each: int, count: int) -> str:
    """Nodules of hospital A and the same patients on the scanner of hospital B: only the scanner differs."""
    home, labels = places(encoder, "A", each, FIRST_SEED)
    away, _ = places(encoder, "B", each, FIRST_SEED)
    archive = Archive("phantoms", [], labels, np.array([str(i) for i in range(len(labels))]))
    return abroad("Smooth or spiculated, hospital A and B", archive, home, away, names, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="archives (default: the pictures of HANDFUL_TEST_DATA)")
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--phantoms", type=int, default=16, help="nodules a class")
    parser.add_argument("--markdown", type=Path, help="also write the tables there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    encoder, names = load_encoder(), [each.name for each in learners("classes")]
    parts: list[str] = []

    def done(text: str) -> None:
        print(text + "\n", flush=True)
        parts.append(text)

    done(hospitals(encoder, names, args.phantoms, args.episodes))
    for name in SETS:
        archive = open_archive(folder("images", args.folder) / f"{name}.npz")
        pictures = [np.asarray(p) for p in archive.images]
        x = embed(encoder, pictures)
        for text in curves(replace(archive, images=()), x, names, args.episodes):
            done(text)
        if name == SETS[0]:
            away = embed(encoder, [other_window(p) for p in pictures])
            done(abroad("Head CT, another window", archive, x, away, names, args.episodes))
    if args.markdown:
        args.markdown.write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
