"""What a handful of labels tells apart in synthetic chest CT: places pointed at, and whole studies.

    python -m benchmarks.findings [--each 10] [--draws 40]

Places: the square of 40 mm around the true centre; two kinds of finding, five labelled a class, in one hospital, asked
in the same or another one, or drawn from all four. Whole studies: nobody points; eight questions (normal against each
kind, three pairs of kinds), the slices pooled in several ways, last only those that hold the finding. 24 slices of
5 mm, seeds that trained nothing. 95 % bootstrap intervals over draws of the same phantoms.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from benchmarks.encoder_table import interval
from engine.encoders import Encoder, load_encoder
from engine.episodes import score
from engine.learners import Support, learner
from engine.nouns import Place
from engine.phantoms import FINDINGS, HOSPITALS, make_phantom

FIRST_SEED = 70_000
SHOTS = 5
CLICK_SD_MM = 3.0
PAIRS = (("smooth", "spiculated"), ("ground_glass", "smooth"), ("cavity", "consolidation"))
WAYS = {"mean": "mean", "max": "largest", "ships": "mean and attention (ships)", "true": "mean of the true slices"}


@dataclass(frozen=True)
class Seen:
    """One phantom: `place` and `off` (d,) at its centre and beside it, `whole` by way of pooling; no voxels."""

    finding: str
    hospital: str
    place: torch.Tensor | None
    off: torch.Tensor | None
    whole: dict[str, torch.Tensor]


def look(encoder: Encoder, seed: int, finding: str, hospital: str) -> Seen:
    made = make_phantom(seed, finding, hospital, slices=24, cover_mm=120, around_finding=True)
    whole = encoder.encode(made.volume)
    slices = torch.from_numpy(whole.slice_embeddings)
    shown = [i for i, s in enumerate(whole.slices) if made.mask[s].any()] or list(range(len(slices)))
    pooled = {"mean": slices.mean(0), "max": slices.amax(0), "ships": torch.from_numpy(whole.embedding)}
    pooled["true"] = slices[shown].mean(0)
    if made.truth.centre_mm is None:
        return Seen(finding, hospital, None, None, pooled)
    beside = np.array(made.truth.centre_mm) + np.random.default_rng(seed).normal(0, CLICK_SD_MM, 3)
    at = [Place(tuple(float(c) for c in centre)) for centre in (made.truth.centre_mm, beside)]
    place, off = (torch.from_numpy(encoder.encode(made.volume, region=p).embedding) for p in at)
    return Seen(finding, hospital, place, off, pooled)


def judge(name: str, x: torch.Tensor, target: np.ndarray, teach: np.ndarray, ask: np.ndarray) -> tuple[float, float]:
    """(accuracy, AUROC) of one draw; indices into `x`."""
    support = Support(x[teach], torch.from_numpy(target[teach]), ("a", "b"), tuple(str(i) for i in teach))
    with torch.no_grad():
        right = score(learner(name).adapt(support).probabilities(x[ask]).double().numpy(), target[ask])
    return right.accuracy, right.auroc


def drawn(target: np.ndarray, home: np.ndarray, away: np.ndarray, draws: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(labelled, asked): SHOTS a class of `home`, all of `away` that are not labelled. Each phantom is a patient."""
    rng = np.random.default_rng(0)
    out = []
    for _ in range(draws):
        teach = [rng.permutation(np.flatnonzero(home & (target == k)))[:SHOTS] for k in (0, 1)]
        labelled = np.concatenate(teach)
        out.append((labelled, np.setdiff1d(np.flatnonzero(away), labelled)))
    return out


def places(seen: list[Seen], draws: int) -> None:
    heads = ["question", "labelled in, asked in", "asked", *("accuracy", "AUROC") * 2]
    print(f"Logistic regression, then prototypes.\n\n| {' | '.join(heads)} |\n|" + "---|" * 7)
    for pair, where in [*product(PAIRS, ("place",)), (PAIRS[0], "off")]:
        mine = [s for s in seen if s.finding in pair]
        target = np.array([pair.index(s.finding) for s in mine])
        hospital = np.array([s.hospital for s in mine])
        x = torch.stack([getattr(s, where) for s in mine])
        for home, away in (("A", "A"), ("A", "B"), ("B", "A"), ("any", "any")):
            inside = [np.full(len(mine), True) if h == "any" else hospital == h for h in (home, away)]
            tasks = drawn(target, inside[0], inside[1], draws)
            cells = []
            for name in ("logistic", "protonet"):
                cells += [interval(v) for v in np.array([judge(name, x, target, *task) for task in tasks]).T]
            beside = f", click off by {CLICK_SD_MM:g} mm (sd, each axis)" if where == "off" else ""
            asked = len(tasks[0][1])
            print(f"| {pair[0]} / {pair[1]}{beside} | {home}, {away} | {asked} | {' | '.join(cells)} |", flush=True)


def whole(seen: list[Seen], draws: int) -> None:
    print("\n| slices pooled by | AUROC, mean of eight questions |\n|---|---|")
    pairs = [("normal", kind) for kind in FINDINGS if kind != "normal"] + list(PAIRS)
    for way, said in WAYS.items():
        values = []
        for pair in pairs:
            mine = [s for s in seen if s.finding in pair]
            target = np.array([pair.index(s.finding) for s in mine])
            x, everywhere = torch.stack([s.whole[way] for s in mine]), np.full(len(mine), True)
            tasks = drawn(target, everywhere, everywhere, draws)
            values.append([judge("logistic", x, target, *task)[1] for task in tasks])
        print(f"| {said} | {interval(np.array(values).mean(0))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=10, help="phantoms of each kind in each hospital")
    parser.add_argument("--draws", type=int, default=40)
    args = parser.parse_args()
    torch.set_num_threads(1)
    encoder = load_encoder()
    kinds = list(product(HOSPITALS, FINDINGS, range(args.each)))
    seen = [look(encoder, FIRST_SEED + i, finding, hospital) for i, (hospital, finding, _) in enumerate(kinds)]
    print(f"{len(seen)} phantoms, encoder {encoder.identity}\n")
    places(seen, args.draws)
    whole(seen, args.draws)


if __name__ == "__main__":
    main()
