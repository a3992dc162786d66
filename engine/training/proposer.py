"""Train the proposer on synthetic scans: `python -m engine.training.proposer CONFIG [--weights FILE]`.

Makes the scans it lacks, trains, keeps a checkpoint that a killed run goes on from (each step draws from its own
random stream, so a resumed run sees what an unbroken one would), and writes the averaged weights in half precision.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy import ndimage
from torch import Tensor

from engine.encoders.body import body_and_lung
from engine.encoders.dense import not_background
from engine.encoders.proposer import AIR, CELL, GRID_MM, KINDS, Proposed, Proposer, look, to_grid, windowed
from engine.phantoms import FINDINGS, HOSPITALS, make_phantom
from engine.training.loop import load_optimiser, optimiser_tensors
from engine.training.painted import UNNAMED, Finding, Softness, paint, paint_soft
from engine.training.real_scans import real_versions

PATCH = (24, 48, 48)  # grid steps: 72 mm each way; small, so that most of what is seen is worth seeing
CELLS = tuple(n // c for n, c in zip(PATCH, CELL, strict=True))
NEAR_MM = 15.0  # a first guess this near the centre counts as found, in training as in the benchmark
MEASURED = 40  # scans on which the features' mean and spread are measured
SOFT_IN_PHANTOM, SOFT_IN_REAL = 0.2, 0.4  # of what is painted where there is lung, the share outside it
LEAST_LUNG = 60  # cells of a patch: with fewer, findings are painted outside the lung
AVERAGE = 0.996  # weight of the past in the averaged weights
SHARES = {
    "normal": 0.12,
    "smooth": 0.28,
    "spiculated": 0.28,
    "ground_glass": 0.14,
    "consolidation": 0.09,
    "cavity": 0.09,
}


@dataclass(frozen=True)
class Scan:
    """A training scan on the network's grid: `hu` int16 (z, y, x), memory-mapped; its cells (bool); its finding.

    `real`: somebody's scan and no phantom; `grey`: its values were no HU; `soft`: how soft its edges are.
    """

    name: str
    hu: np.ndarray
    body: np.ndarray
    lung: np.ndarray
    finding: Finding | None
    real: bool = False
    grey: bool = False
    soft: Softness = (0.0, 0.0, 0.0)


def make_scan(seed: int, folder: Path) -> None:
    """One phantom with a random finding on a random scanner, resampled and kept under `folder`; quick if it exists."""
    if (folder / f"{seed}.json").exists():
        return
    rng = np.random.default_rng([seed, 77])
    kind = str(rng.choice(FINDINGS, p=[SHARES[f] for f in FINDINGS]))
    hospital = str(rng.choice(HOSPITALS))
    change, slices = {}, 48
    if rng.random() < 0.7:
        change = {
            "kernel": str(rng.choice(["soft", "medium", "sharp"])),
            "noise": float(rng.uniform(8, 42)),
            "thick": float(rng.uniform(1.5, 5)),
            "contrast": float(rng.random() < 0.35),
            "fov": float(rng.uniform(320, 420)),
        }
        slices = int(rng.choice([48, 48, 60, 80]))
    phantom = make_phantom(seed, kind, hospital, slices=slices, **change)
    grid = to_grid(phantom.volume)
    about = {"finding": kind, "hospital": hospital, **change}
    if phantom.mask.any():
        centre = grid.from_voxel(phantom.volume.geometry.to_voxel(np.array(phantom.truth.centre_mm)))
        about["centre"] = centre.tolist()
        about["radius_mm"] = phantom.truth.radius_mm
        about["density"] = float(phantom.volume.voxels[phantom.mask].mean())
    keep_scan(folder, seed, grid.hu.numpy(), about)


def keep_scan(folder: Path, seed: int, hu: np.ndarray, about: dict) -> None:
    """Write voxels, then the description: a scan with a description is whole."""
    np.save(folder / f"{seed}.npy", np.round(hu).astype(np.int16))
    (folder / f"{seed}.json").write_text(json.dumps(about))


def load_scans(folder: Path, names: Iterable[int | str]) -> list[Scan]:
    """Those of `names` (seeds of phantoms, versions of real scans) that were made, in order."""
    scans = []
    for name in names:
        if not (folder / f"{name}.json").exists():
            continue
        about = json.loads((folder / f"{name}.json").read_text())
        finding = None
        if "centre" in about:
            kind = KINDS.index(about["finding"])
            finding = Finding(tuple(about["centre"]), about["radius_mm"], about["density"], kind)
        hu = np.load(folder / f"{name}.npy", mmap_mode="r")
        values = torch.from_numpy(np.array(hu, dtype=np.float32))
        grey = about.get("grey", False)
        body, lung = body_and_lung(values)
        if grey:
            body, lung = not_background(values), np.zeros_like(lung)
        soft = tuple(about.get("soft", (0.0, 0.0, 0.0)))
        scans.append(Scan(str(name), hu, body, lung, finding, about["finding"] == "unread", grey, soft))
    return scans


def patch(scan: Scan, rng: np.random.Generator, hard: list, painted: float) -> tuple[np.ndarray, list[Finding]]:
    """A piece of a scan with the findings in it: round its finding, round a known mistake, or anywhere."""
    shape, size, jitter = np.array(scan.hu.shape), np.array(PATCH), rng.uniform(-0.35, 0.35, 3) * PATCH
    draw = rng.random()
    if scan.finding and draw < 0.4:
        middle = np.array(scan.finding.centre) + jitter
    elif hard and draw < 0.75:
        middle = np.array(hard[rng.integers(len(hard))]) + jitter
    else:
        cells = np.argwhere(scan.lung if rng.random() < 0.75 and scan.lung.any() else scan.body)
        middle = (cells[rng.integers(len(cells))] if len(cells) else np.zeros(3)) * CELL
    room = np.maximum(0, shape - size)
    low = np.ceil(np.clip(middle - size / 2, 0, room) / CELL).astype(int)  # in whole cells, so that the lung's fit
    hu = _cut(scan.hu, low * CELL, PATCH, AIR)
    lung, body = (_cut(cells, low, CELLS, False) for cells in (scan.lung, scan.body))
    findings = []
    if scan.finding:
        own = scan.finding
        findings.append(Finding(tuple(np.array(own.centre) - low * CELL), own.radius_mm, own.density, own.kind))
    if rng.random() < painted:
        for _ in range(int(rng.integers(1, 3))):
            outside = rng.random() < (SOFT_IN_REAL if scan.real else SOFT_IN_PHANTOM)
            if outside or lung.sum() < LEAST_LUNG:
                extra = paint_soft(hu, body & ~lung, rng, findings, scan.soft, scan.grey)
            else:
                extra = paint(hu, lung, rng, findings, scan.soft)
            if extra:
                findings.append(extra)
    return _varied(hu, findings, rng)


def _cut(array: np.ndarray, low: np.ndarray, size: tuple[int, int, int], fill: float) -> np.ndarray:
    """A box of `size` from `low` on (none negative), filled up where the array ends."""
    part = array[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))]
    full = np.full(size, fill, bool if array.dtype == bool else np.float32)
    full[tuple(slice(0, n) for n in part.shape)] = part
    return full


def _varied(hu: np.ndarray, findings: list[Finding], rng: np.random.Generator) -> tuple[np.ndarray, list[Finding]]:
    """Another scanner: blur or sharpen, noise of any grain, a little gain and shift, mirrored."""
    if rng.random() < 0.5:
        hu = ndimage.gaussian_filter(hu, (rng.choice([0, rng.uniform(0, 0.8)]), *[rng.uniform(0, 0.9)] * 2))
    elif rng.random() < 0.3:
        hu = hu + rng.uniform(0.2, 0.8) * (hu - ndimage.gaussian_filter(hu, (0, 1, 1)))
    if rng.random() < 0.6:
        noise = rng.standard_normal(hu.shape, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, (rng.uniform(0, 0.7), *[rng.uniform(0, 0.8)] * 2))
        hu = hu + noise * (rng.uniform(0, 40) / noise.std())
    hu = (hu + 1000) * rng.uniform(0.95, 1.05) - 1000 + rng.uniform(-30, 30)
    for axis in range(3):
        if rng.random() < (0.5, 0.15, 0.5)[axis]:
            hu = np.flip(hu, axis)
            findings = [_mirrored(f, axis) for f in findings]
    return np.ascontiguousarray(hu, dtype=np.float32), findings


def _mirrored(finding: Finding, axis: int) -> Finding:
    centre = list(finding.centre)
    centre[axis] = PATCH[axis] - 1 - centre[axis]
    return Finding(tuple(centre), finding.radius_mm, finding.density, finding.kind)


def cells_of(findings: list[Finding], shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """What the network should say on `shape` cells: heat, offsets, traits, and how much an error counts."""
    axes = [torch.arange(n) * c + (c - 1) / 2 for n, c in zip(shape, CELL, strict=True)]
    middles = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    heat, count = torch.zeros(shape), torch.ones(shape)
    offset, radius, density = torch.zeros(3, *shape), torch.zeros(shape), torch.zeros(shape)
    kind = torch.zeros(shape, dtype=torch.long)
    step, cell = torch.tensor(GRID_MM), torch.tensor(CELL)
    for finding in findings:
        away = torch.tensor(finding.centre, dtype=torch.float32)[:, None, None, None] - middles
        distance = (away * step[:, None, None, None]).norm(dim=0)
        spread = min(max(0.4 * finding.radius_mm, 4.5), 9.0)  # mm: a finding of any size marks a few cells
        mine = torch.exp(-(distance**2) / (2 * spread**2))
        count[(distance < 1.3 * finding.radius_mm) & (mine < 0.3)] = 0.3  # its rim is no mistake
        here = mine > heat
        heat = torch.maximum(heat, mine)
        offset = torch.where(here, away / cell[:, None, None, None], offset)
        radius[here], density[here], kind[here] = float(np.log(finding.radius_mm)), finding.density / 500, finding.kind
    return {"heat": heat, "count": count, "offset": offset, "radius": radius, "density": density, "kind": kind}


def loss_of(out: Proposed, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Quality focal loss on the heat; offsets and traits where the heat is above 0.3, weighted with it."""
    heat = wanted["heat"]
    wrong = (heat - out.logit.sigmoid()).abs() ** 2
    found = F.binary_cross_entropy_with_logits(out.logit, heat, reduction="none") * wrong * wanted["count"]
    weight = heat * (heat > 0.3)
    total = weight.sum().clamp(min=1)
    offset = F.smooth_l1_loss(out.offset, wanted["offset"], reduction="none").sum(1)
    radius = F.smooth_l1_loss(out.traits[:, 0], wanted["radius"], reduction="none")
    density = F.smooth_l1_loss(out.traits[:, 1], wanted["density"], reduction="none")
    kind = F.cross_entropy(out.traits[:, 2:], wanted["kind"], reduction="none", ignore_index=UNNAMED)
    parts = {"offset": offset, "radius": radius, "density": density, "kind": kind}
    return {"heat": found.sum() / total, **{name: (part * weight).sum() / total for name, part in parts.items()}}


WEIGHT = {"heat": 4.0, "offset": 0.5, "radius": 1.0, "density": 0.5, "kind": 0.5}


def peaks(out: Proposed, count: int, apart_mm: float = NEAR_MM) -> list[tuple[float, np.ndarray]]:
    """The strongest centres of one scan, `apart_mm` from each other: (log-odds, grid coordinates)."""
    logit = out.logit[0].numpy()
    order = np.argsort(logit, axis=None)[::-1][:400]
    cells = np.stack(np.unravel_index(order, logit.shape), 1)
    shift = out.offset[0].numpy()[:, cells[:, 0], cells[:, 1], cells[:, 2]].T
    centres = (cells + np.clip(shift, -2, 2)) * CELL + (np.array(CELL) - 1) / 2
    chosen: list[tuple[float, np.ndarray]] = []
    for cell, centre in zip(cells, centres, strict=True):
        if all(np.linalg.norm((centre - c) * GRID_MM) >= apart_mm for _, c in chosen):
            chosen.append((float(logit[tuple(cell)]), centre))
        if len(chosen) == count:
            break
    return chosen


def look_over(network: Proposer, scans: list[Scan]) -> tuple[float, float, dict[str, list]]:
    """First guess and one of five within `NEAR_MM` on scans with findings; and every scan's worst mistakes."""
    network.eval()
    first, five, wrong = [], [], {}
    for scan in scans:
        found = peaks(look(network, torch.from_numpy(np.array(scan.hu, dtype=np.float32))), 5)
        away = [np.inf] * len(found)
        if scan.finding:
            away = [float(np.linalg.norm((c - scan.finding.centre) * GRID_MM)) for _, c in found]
            first.append(away[0] < NEAR_MM)
            five.append(min(away) < NEAR_MM)
        limit = 0.0 if scan.finding is None else scan.finding.radius_mm + NEAR_MM
        wrong[scan.name] = [c.tolist() for (_, c), a in zip(found, away, strict=True) if a > limit][:4]
    network.train()
    return float(np.mean(first or [0])), float(np.mean(five or [0])), wrong


class Run:
    """Network, averaged network, optimiser and the known mistakes, with a checkpoint of all of them."""

    def __init__(self, folder: Path, rate: float) -> None:
        self.file = folder / "checkpoint.safetensors"
        self.network = Proposer().to(memory_format=torch.channels_last_3d)
        self.averaged = Proposer().to(memory_format=torch.channels_last_3d)
        self.averaged.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=0.02)
        self.step, self.hard = 0, {}

    def average(self) -> None:
        """Move the averaged weights a little towards the present ones (faster while there are few steps)."""
        past = min(AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            now = self.network.state_dict()
            for name, value in self.averaged.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(now[name], 1 - past)

    def save(self) -> None:
        """All of it in one file that is whole or absent."""
        tensors = {f"now.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        tensors |= optimiser_tensors(self.optimiser)
        part = self.file.with_suffix(".part")
        about = {"step": str(self.step), "hard": json.dumps(self.hard)}
        save_file({k: v.contiguous() for k, v in tensors.items()}, part, about)
        part.replace(self.file)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.file.exists():
            return
        tensors = load_file(self.file)
        with safe_open(self.file, "pt") as opened:
            about = opened.metadata()
        self.step, self.hard = int(about["step"]), json.loads(about["hard"])
        for name, network in (("now.", self.network), ("averaged.", self.averaged)):
            network.load_state_dict({k[len(name) :]: v for k, v in tensors.items() if k.startswith(name)})
        load_optimiser(self.optimiser, tensors)


def rate_at(step: int, config: dict) -> float:
    """Warm, level, then falling to zero at the end of a round (warm restarts: Loshchilov & Hutter 2017)."""
    ends = [*config.get("restarts", []), config["steps"]]
    end = next((e for e in ends if step < e), ends[-1])
    begin = max((e for e in ends if e <= step and e < end), default=0)
    left = (1 - (step - begin) / (end - begin)) / (1 - config["decay_from"])
    return config["learning_rate"] * min(1.0, (step + 1) / 50, max(left, 0.01))


def take_step(run: Run, scans: list[Scan], config: dict) -> dict[str, float]:
    """One batch; its random stream is its own, so that a resumed run is the same run."""
    rng = np.random.default_rng([config["seed"], run.step])
    real, phantoms = [s for s in scans if s.real], [s for s in scans if not s.real]
    pieces = []
    for _ in range(config["batch"]):
        pool = real if real and rng.random() < config["real_share"] else phantoms
        scan = pool[rng.integers(len(pool))]
        share = config["painted_real"] if scan.real else config["painted"]
        pieces.append(patch(scan, rng, run.hard.get(scan.name, []), share))
    seen = windowed(torch.from_numpy(np.stack([p for p, _ in pieces]))).contiguous(memory_format=torch.channels_last_3d)
    wanted = [cells_of(findings, CELLS) for _, findings in pieces]
    with torch.autocast("cpu", torch.bfloat16, enabled=config.get("bf16", False)):
        out = run.network(seen)
    out = Proposed(out.features, out.logit.float(), out.offset.float(), out.traits.float())
    losses = loss_of(out, {k: torch.stack([w[k] for w in wanted]) for k in wanted[0]})
    run.optimiser.param_groups[0]["lr"] = rate_at(run.step, config)
    run.optimiser.zero_grad(set_to_none=True)
    sum(WEIGHT[name] * part for name, part in losses.items()).backward()
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), 5.0)
    run.optimiser.step()
    run.step += 1
    run.average()
    return {name: float(part.detach()) for name, part in losses.items()}


def train(config: dict, weights: Path | None = None) -> Path:
    """Make scans, train to `config["steps"]`, write the averaged weights; returns their file."""
    folder = Path(config["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    training = range(config["first_seed"], config["first_seed"] + config["scans"])
    checking = range(config["validation_seed"], config["validation_seed"] + config["validation_scans"])
    for seed in [*training, *checking]:
        make_scan(seed, folder)
    scans, checks = load_scans(folder, [*training, *real_versions(config, folder)]), load_scans(folder, checking)
    torch.manual_seed(config["seed"])
    run = Run(folder, config["learning_rate"])
    run.resume()
    print(f"{len(scans)} scans to learn from, {len(checks)} to check on; from step {run.step}", flush=True)
    run.network.train()
    began, sums = time.time(), {}
    while run.step < config["steps"]:
        for name, value in take_step(run, scans, config).items():
            sums[name] = 0.95 * sums.get(name, value) + 0.05 * value
        if run.step % config["look_every"] == 0:
            first, five, _ = look_over(run.averaged, checks)
            rng = np.random.default_rng([config["seed"], run.step, 5])
            some = [scans[i] for i in rng.choice(len(scans), min(config["mined"], len(scans)), replace=False)]
            run.hard |= look_over(run.averaged, some)[2]
            print(f"step {run.step} validation: first guess {first:.2f}, one of five {five:.2f}", flush=True)
        if run.step % config["checkpoint_every"] == 0:  # after the look: a checkpoint holds the mistakes of its step
            run.save()
            text = " ".join(f"{name} {value:.3f}" for name, value in sums.items())
            print(f"step {run.step} {text} {time.time() - began:.0f} s", flush=True)
    return export(run, scans, weights or folder / "proposer.safetensors")


def export(run: Run, scans: list[Scan], file: Path) -> Path:
    """The averaged weights in half precision, with the features' mean and spread where something stands out."""
    run.averaged.eval()
    rows = []
    for scan in scans[:MEASURED]:
        out = look(run.averaged, torch.from_numpy(np.array(scan.hu, dtype=np.float32)))
        words = torch.cat([out.features[0], out.traits[0]])
        for _, centre in peaks(out, 3):
            cell = np.clip((centre // CELL).astype(int), 0, np.array(out.logit[0].shape) - 1)
            rows.append(words[(slice(None), *cell)])
    run.averaged.place_mean.copy_(torch.stack(rows).mean(0))
    run.averaged.place_spread.copy_(torch.stack(rows).std(0) + 0.02)
    save_file({k: v.half().contiguous() for k, v in run.averaged.state_dict().items() if v.is_floating_point()}, file)
    return file


def main() -> None:
    """The command of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--weights", type=Path, help="where to write the weights (else into the run's folder)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(train(tomllib.loads(args.config.read_text("utf-8")), args.weights))


if __name__ == "__main__":
    main()
