"""Do the maps point at the lesion? `python -m benchmarks.saliency [--phantoms FOLDER]`

Phantoms with known lesion masks: learn from a few of one finding against normal, map the queries that have the
finding for that class, and score each map two ways.

- hit: the map's strongest point lies within 10 mm of the lesion (pointing game, Zhang et al. 2018, arXiv 1608.00507)
- energy: the share of the marks *for* the class that lies within 5 mm of the lesion (Wang et al. 2020, Score-CAM),
  beside the share that even marks over all the body that was looked at would have there ("even")

The guess to beat is a point in the middle of a lung (the nearer one, so the guess is told the side). Whole case: the
model looks at everything. Pointed: at a 40 mm square round a click up to 8 mm beside the lesion's centre.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from engine.encoders import load_encoder
from engine.evidence.attribution import METHODS
from engine.evidence.ranges import exact_interval
from engine.evidence.saliency import Saliency, explain
from engine.learners import Support, learner, learners
from engine.nouns import Geometry, Place, Volume
from engine.phantoms import FINDINGS, make_phantom

HIT_MM, NEAR_MM = 10.0, 5.0
CLICK_MM = 8.0
LUNG_HU = (-980, -500)
FIRST_SEED = {"train": 10_000, "test": 20_000}  # no phantom of the second kind trains anything
HOSPITALS = {"train": ("A", "B", "C", "screening"), "test": ("A", "B")}


def phantom(folder: Path | None, split: str, number: int, finding: str) -> tuple[Volume, np.ndarray]:
    """A phantom of 24 slices round its finding, kept in `folder` for the next run."""
    kind = FINDINGS.index(finding)
    seed = FIRST_SEED[split] + number * len(FINDINGS) + kind
    hospitals = HOSPITALS[split]
    hospital = hospitals[(number + kind * (split == "train")) % len(hospitals)]
    path = folder and folder / f"{split}_{seed}_{finding}_{hospital}.npz"
    if path and path.exists():
        with np.load(path, allow_pickle=False) as raw:
            return Volume(raw["v"], Geometry.from_json(json.loads(str(raw["geo"]))), True), raw["m"]
    made = make_phantom(seed, finding, hospital, slices=24, cover_mm=120, around_finding=True)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, v=made.volume.voxels, m=made.mask, geo=json.dumps(made.volume.geometry.to_json()))
    return made.volume, made.mask


def centre_mm(mask: np.ndarray, geometry: Geometry) -> np.ndarray:
    return geometry.to_mm(np.argwhere(mask).mean(0))


def click(volume: Volume, mask: np.ndarray, rng: np.random.Generator) -> Place:
    """On the lesion as a person would; in a normal case somewhere in the lung."""
    if mask.any():
        aside = rng.normal(size=3)
        aside *= CLICK_MM * rng.random() / np.linalg.norm(aside)
        return Place(tuple(centre_mm(mask, volume.geometry) + aside))
    where = np.argwhere(lungs(volume))
    return Place(tuple(volume.geometry.to_mm(where[rng.integers(len(where))])))


def lungs(volume: Volume) -> np.ndarray:
    """The two largest air-like parts inside the body (not the air around it)."""
    air = (volume.voxels > LUNG_HU[0]) & (volume.voxels < LUNG_HU[1])
    labels, count = ndimage.label(ndimage.binary_opening(air, iterations=2))
    edge = set(np.unique(labels[:, [0, -1]])) | set(np.unique(labels[:, :, [0, -1]]))
    sizes = [(np.sum(labels == i), i) for i in range(1, count + 1) if i not in edge]
    return np.isin(labels, [i for _, i in sorted(sizes)[-2:]])


def score(saliency: Saliency, volume: Volume, mask: np.ndarray) -> tuple[bool, float, float]:
    """(hit, energy near the lesion, even share there)."""
    away = ndimage.distance_transform_edt(~mask, sampling=volume.geometry.spacing_mm)
    grid = np.stack(np.meshgrid(*map(np.arange, saliency.map.shape), indexing="ij"), -1)
    spots = np.round(volume.geometry.to_voxel(saliency.geometry.to_mm(grid))).astype(int)
    inside = ((spots >= 0) & (spots < volume.voxels.shape)).all(-1)
    clipped = np.clip(spots, 0, np.array(volume.voxels.shape) - 1)
    distance = np.where(inside, away[tuple(np.moveaxis(clipped, -1, 0))], np.inf)
    body = inside & (volume.voxels[tuple(np.moveaxis(clipped, -1, 0))] > -980)
    marks = np.clip(saliency.map, 0, None)
    best = np.unravel_index(marks.argmax(), marks.shape)
    energy = float(marks[distance <= NEAR_MM].sum() / max(marks.sum(), 1e-12))
    return bool(distance[best] <= HIT_MM), energy, float((distance[body] <= NEAR_MM).mean())


def guess(volume: Volume, mask: np.ndarray) -> bool:
    """Whether the centre of the lung on the lesion's side lies within 10 mm of the lesion."""
    labels, count = ndimage.label(lungs(volume))
    away = ndimage.distance_transform_edt(~mask, sampling=volume.geometry.spacing_mm)
    centres = [np.round(ndimage.center_of_mass(labels == i)).astype(int) for i in range(1, count + 1)]
    return min((away[tuple(c)] for c in centres), default=np.inf) <= HIT_MM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phantoms", type=Path, default=Path("scratch/saliency"), help="keeps the phantoms")
    parser.add_argument("--findings", nargs="+", default=["consolidation", "spiculated", "cavity"])
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--queries", type=int, default=8)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--looks", nargs="+", default=["pointed", "whole"], choices=["pointed", "whole"])
    parser.add_argument("--learners", nargs="+", default=[each.name for each in learners("classes")])
    args = parser.parse_args()
    torch.set_num_threads(1)
    encoder, rng = load_encoder(), np.random.default_rng(0)
    results: dict[tuple[str, ...], list[tuple[bool, float, float, float, float]]] = defaultdict(list)
    guesses: list[bool] = []
    certain: dict[tuple[str, str], list[float]] = defaultdict(list)
    for finding in args.findings:
        taught = [phantom(args.phantoms, "train", i, f) for f in (finding, "normal") for i in range(args.shots)]
        asked = [phantom(args.phantoms, "test", i, finding) for i in range(args.queries)]
        guesses += [guess(v, m) for v, m in asked]
        for mode in args.looks:
            spots = [click(v, m, rng) if mode == "pointed" else None for v, m in (*taught, *asked)]
            embeddings = [
                torch.from_numpy(encoder.encode(v, region=p).embedding)
                for (v, _), p in zip(taught, spots, strict=False)
            ]
            support = Support(
                torch.stack(embeddings),
                torch.tensor([0] * args.shots + [1] * args.shots),
                (finding, "normal"),
                tuple(str(i) for i in range(2 * args.shots)),
            )
            for name in args.learners:
                adapted = learner(name).adapt(support)
                for (volume, mask), place in zip(asked, spots[len(taught) :], strict=True):
                    embedded = torch.from_numpy(encoder.encode(volume, region=place).embedding)
                    certain[mode, name].append(float(adapted.probabilities(embedded[None])[0, 0]))
                    for method in args.methods:
                        began = time.process_time()
                        drawn = explain(
                            encoder,
                            adapted,
                            volume,
                            target=0,
                            method=method,
                            region=place,
                            check=not results[mode, method, name],
                        )
                        spent = time.process_time() - began
                        likeness = np.nan if drawn.likeness is None else drawn.likeness
                        results[mode, method, name].append((*score(drawn, volume, mask), likeness, spent))
                for method in args.methods:
                    print(row(mode, method, name, results[mode, method, name], certain[mode, name]), flush=True)
    low, high = exact_interval(sum(guesses), len(guesses))
    print(f"centre of the lung: hit {sum(guesses)} of {len(guesses)} ({low:.2f}-{high:.2f})")
    print(HEADING)
    for (mode, method, name), rows in sorted(results.items()):
        print(row(mode, method, name, rows, certain[mode, name]))


HEADING = "looks at map         learner    p(class)  hit (95 %)                 energy    even likeness  CPU s"


def row(mode: str, method: str, name: str, rows: list, certain: list[float]) -> str:
    """One line of the table; likeness is that of the first query."""
    hits, energy, even, like, seconds = zip(*rows, strict=True)
    low, high = exact_interval(sum(hits), len(hits))
    return (
        f"{mode:9s}{method:12s}{name:10s} {np.mean(certain):8.2f}  {sum(hits):3d} of {len(hits):3d} "
        f"({low:.2f}-{high:.2f})  {np.mean(energy):12.3f} {np.mean(even):7.3f} {like[0]:8.2f} {np.median(seconds):6.1f}"
    )


if __name__ == "__main__":
    main()
