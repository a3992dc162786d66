"""Train the attention over slices: which slice of a study holds the finding.

Phantoms know it (the share of the lesion's voxels in each slice is the target of the attention). Real pictures are
put together to studies that hold a few pictures of an abnormal class among normal ones of the same set.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import dropout

from engine.encoders import Encoder, load_encoder
from engine.encoders.pooling import SlicePooling
from engine.episodes import open_archive
from engine.nouns import Geometry, Volume
from engine.phantoms import FINDINGS, make_phantom
from engine.training.loop import Report, Run

CALM = 0.2  # weight of the wish that nothing stands out in a study without a finding
DROPPED = 0.5  # share of the embedding's dimensions that is hidden in training


@dataclass(frozen=True)
class Study:
    """`embeddings` (k, d) of a study's slices and the `share` (k,) of the finding in each, all zero if normal."""

    embeddings: Tensor
    share: Tensor


def make_study(seed: int, index: int, hospitals: list[str], folder: Path, encoder: Encoder) -> None:
    """One phantom, embedded slice by slice, as the demo's are: 24 slices of 5 mm. Quick where it exists already."""
    path = folder / f"{seed}.safetensors"
    if path.exists():
        return
    patient, finding = divmod(index, len(FINDINGS))
    hospital = hospitals[(patient + finding) % len(hospitals)]
    phantom = make_phantom(seed, FINDINGS[finding], hospital, slices=24, cover_mm=120, around_finding=True)
    share = torch.from_numpy(phantom.mask.sum((1, 2)).astype(np.float32))
    encoding = encoder.encode(phantom.volume)
    embeddings = torch.from_numpy(encoding.slice_embeddings).half()
    about = {"finding": FINDINGS[finding], "hospital": hospital}
    save_file({"embeddings": embeddings, "share": share / share.sum().clamp_min(1)}, path, about)


def make_studies(first_seed: int, count: int, hospitals: list[str], folder: Path, report: Report) -> list[Study]:
    """Make what is missing, load all."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        make_study(first_seed + i, i, hospitals, folder, load_encoder())
        if (i + 1) % 10 == 0:
            report(i + 1, count, "synthetic studies")
    return [load_study(folder / f"{first_seed + i}.safetensors") for i in range(count)]


def load_study(path: Path) -> Study:
    tensors = load_file(path)
    return Study(tensors["embeddings"].float(), tensors["share"].float())


def embed_set(path: Path, most: int, folder: Path, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """(n, d) embeddings of at most `most` pictures of an archive, drawn at random, and their labels; cached."""
    archive = open_archive(path)
    chosen = np.random.default_rng(seed).permutation(len(archive.labels))[:most]
    cache = folder / f"{path.stem}.safetensors"
    if not cache.exists():
        encoder, rows = load_encoder(), []
        for i in chosen:
            picture = Volume(np.asarray(archive.images[i])[None], Geometry(measured=False), False)
            rows.append(torch.from_numpy(encoder.encode(picture).embedding))
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"embeddings": torch.stack(rows).half()}, cache)
    return load_file(cache)["embeddings"].float(), archive.labels[chosen]


def mixed_study(embeddings: Tensor, normal: np.ndarray, size: int, rng: np.random.Generator) -> Study:
    """`size` pictures of one set, one to three of them abnormal; one time in six none."""
    odd = 0 if rng.random() < 1 / 6 else int(rng.integers(1, 4))
    abnormal = rng.choice(np.flatnonzero(~normal), odd, replace=False)
    usual = rng.choice(np.flatnonzero(normal), min(size - odd, int(normal.sum())), replace=False)
    share = torch.zeros(len(abnormal) + len(usual))
    share[:odd] = 1 / max(odd, 1)
    return Study(embeddings[np.concatenate([abnormal, usual]).astype(int)], share)


def study_loss(pooling: SlicePooling, study: Study, rng: np.random.Generator) -> Tensor:
    """Cross-entropy of the attention to where the finding is; to the even spread, weighted less, where there is none.

    Half of the time only every other slice is there, so that the number and the distance of slices don't matter.
    """
    keep = slice(int(rng.integers(2)), None, 2) if rng.random() < 0.5 else slice(None)
    share = study.share[keep]
    logs = pooling.scores(dropout(study.embeddings[keep], DROPPED)).log_softmax(-1)
    if share.sum() > 0:
        return -(share / share.sum() * logs).sum()
    return -CALM * logs.mean()


def top_slice_hits(pooling: SlicePooling, studies: list[Study]) -> list[bool]:
    """For each study with a finding: does the slice with the largest weight hold a part of it?"""
    with torch.inference_mode():
        return [
            bool(s.share[pooling.attention(s.embeddings).argmax()] > 0) for s in studies if float(s.share.sum()) > 0
        ]


def train(config: dict[str, Any], out: Path, report: Report) -> Path:
    """Train from a config (configs/pooling.toml says what it may hold); returns the file of the 16-bit weights."""
    data, settings = config["data"], config["train"]
    studies = make_studies(data["first_seed"], data["phantoms"], data["hospitals"], out / "phantoms", report)
    sets = []
    for entry in config.get("mixed", []):
        embeddings, labels = embed_set(Path(data["corpus"]) / entry["file"], data["pictures"], out / "pictures")
        normal = labels == entry["normal"]
        if normal.sum() < 4 or (~normal).sum() < 3:
            raise ValueError(f"{entry['file']} has too few pictures with and without the label {entry['normal']}")
        sets.append((embeddings, normal))
    torch.manual_seed(config["seed"])
    pooling = SlicePooling(studies[0].embeddings.shape[1])
    pooling.share.fill_(settings["share"])
    run = Run(pooling, out, seed=config["seed"], rate=settings["rate"], decay=settings["decay"])
    run.resume()

    def loss(rng: np.random.Generator) -> Tensor:
        batch = [studies[i] for i in rng.integers(0, len(studies), settings["batch"])]
        if sets:
            for i in rng.integers(0, len(sets), settings["batch"] // 2):
                batch.append(mixed_study(*sets[i], int(rng.integers(8, 25)), rng))
        return torch.stack([study_loss(pooling, study, rng) for study in batch]).mean()

    run.train(loss, settings["steps"], every=settings["every"], report=report)
    file = out / "pooling.safetensors"
    save_file({k: v.half().contiguous() for k, v in pooling.state_dict().items()}, file)
    return file
