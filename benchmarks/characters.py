"""Omniglot's minimal split as tensors: characters of one small background set to train, of the other to test.

The full background and evaluation sets are too large to ship with the test data, so the papers' random split of 1,200
against 423 characters isn't possible. Here small1 (136 characters of 5 alphabets, with rotations by 90 degrees as
further classes: 544) trains, and the 106 characters (3 alphabets: katakana, Sanskrit, Tagalog) that are in small2
alone test, upright. No alphabet is on both sides, which is harder than the papers' split; training has a ninth of
their classes. Data: HANDFUL_TEST_DATA/omniglot, or the `--data` of the commands.
"""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
DRAWERS = 20


def data_folder() -> Path:
    return Path(os.environ.get("HANDFUL_TEST_DATA", ROOT.parent / "shared" / "data")) / "omniglot"


@dataclass(frozen=True)
class Task:
    """One episode: pictures (n, 1, rows, columns) in [0, 1] with ink bright, targets (n,), class by class."""

    support: Tensor
    support_targets: Tensor
    query: Tensor
    query_targets: Tensor


@dataclass(frozen=True)
class Characters:
    """`pictures` (characters, drawers, rows, columns) float32 in [0, 1]; `alphabet` (characters,)."""

    pictures: Tensor
    alphabet: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)

    def with_rotations(self) -> Characters:
        """Each character turned by 0, 90, 180 and 270 degrees is four characters (Santoro et al. 2016)."""
        turned = [torch.rot90(self.pictures, k, (2, 3)) for k in range(4)]
        return Characters(torch.cat(turned), np.tile(self.alphabet, 4))

    def draw(self, ways: int, shots: int, queries: int, rng: np.random.Generator) -> Task:
        """`ways` characters at random, for each `shots` and `queries` drawings by different people."""
        chosen = rng.choice(len(self), ways, replace=False)
        order = np.stack([rng.permutation(DRAWERS)[: shots + queries] for _ in range(ways)])
        pictures = self.pictures[torch.from_numpy(chosen)[:, None], torch.from_numpy(order)]  # (ways, shots + q, r, c)
        support, query = pictures[:, :shots].flatten(0, 1), pictures[:, shots:].flatten(0, 1)
        names = torch.arange(ways)
        return Task(support[:, None], names.repeat_interleave(shots), query[:, None], names.repeat_interleave(queries))


def load(*parts: str, pixels: int = 28) -> Characters:
    """The characters of these parts: "small1", "small2", "small1+small2" (in both).

    28 pixels as in the papers, or 105 (the drawings) averaged down to another size.
    """
    name = "background_28px.npz" if pixels == 28 else "background_105px.npz"
    with np.load(data_folder() / name, allow_pickle=False) as raw:
        wanted = np.isin(raw["part"], parts)
        if pixels == 28:
            images = raw["images"][wanted].astype(np.float32) / 255
        else:
            images = np.unpackbits(raw["packed"][wanted], axis=1)[:, : 105 * 105].reshape(-1, 105, 105)
        alphabet, character = raw["alphabet"][wanted].astype(int), raw["character"][wanted].astype(int)
        drawer = raw["drawer"][wanted].astype(int)
    order = np.lexsort((drawer, character, alphabet))
    pictures = torch.from_numpy(np.ascontiguousarray(images[order], dtype=np.float32))
    if pixels != 28:
        pictures = shrink(pictures, pixels)
    return Characters(pictures.unflatten(0, (-1, DRAWERS)), alphabet[order][::DRAWERS])


def shrink(pictures: Tensor, pixels: int) -> Tensor:
    """(n, 105, 105) ink -> (n, pixels, pixels), anti-aliased."""
    size = (pixels, pixels)
    return torch.nn.functional.interpolate(pictures[:, None], size, mode="bilinear", antialias=True)[:, 0]


def training() -> Characters:
    """small1 with rotations: 544 classes."""
    return load("small1", "small1+small2").with_rotations()


def testing() -> Characters:
    """What is in small2 alone: 106 characters of three alphabets that training never saw."""
    return load("small2")


def one_shot_runs(pixels: int) -> list[Task]:
    """Lake's twenty runs: 20-way one-shot within one alphabet, a drawing by one person against one by another."""
    with zipfile.ZipFile(data_folder() / "all_runs.zip") as archive:
        return [_run(archive, f"run{i:02d}", pixels) for i in range(1, 21)]


def _run(archive: zipfile.ZipFile, run: str, pixels: int) -> Task:
    pairs = [line.split() for line in archive.read(f"{run}/class_labels.txt").decode().splitlines() if line.strip()]
    trained = sorted({taught for _, taught in pairs})
    support = torch.stack([_drawing(archive, name) for name in trained])
    query = torch.stack([_drawing(archive, name) for name, _ in pairs])
    targets = torch.tensor([trained.index(taught) for _, taught in pairs])
    small = [shrink(each, pixels)[:, None] for each in (support, query)]
    return Task(small[0], torch.arange(len(trained)), small[1], targets)


def _drawing(archive: zipfile.ZipFile, name: str) -> Tensor:
    with Image.open(io.BytesIO(archive.read(name))) as picture:
        return 1 - torch.from_numpy(np.asarray(picture.convert("L"), dtype=np.float32) / 255)
