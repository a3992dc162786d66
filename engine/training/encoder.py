"""Train the image encoder on many small medical sets at once, so that a handful of cases of another one goes further.

Each step is one set: pictures of 2 to 5 of its classes, varied (`pictures.py`, `crops.py`), half of them labelled.
Two losses: a linear head of that set (supervised, label smoothing), and an episode, in which ridge regression in
closed form learns from the labelled half and is asked about the other (Bertinetto et al. 2019, arXiv 1805.08136):
the same straight border over the same embedding that the product draws. The shallow blocks stay as ImageNet left
them; the result is averaged with the start (Wortsman et al. 2022, arXiv 2109.01903), which keeps what was known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.encoders.efficientnet import POOLED, Lite0
from engine.encoders.embedding import Embedder, floored, measure
from engine.encoders.encoder import EMBEDDING_FILE, TRAINED_FILE, load_embedder
from engine.encoders.framing import frame
from engine.encoders.views import make_views
from engine.phantoms import FINDINGS, HOSPITALS, make_phantom
from engine.training.crops import load_crops, vary
from engine.training.loop import Report, Run
from engine.training.pictures import draw_batch, load_pictures, vary_pictures

FROZEN_BLOCKS = 9  # of 16: edges and textures serve every picture as they are, and cost no gradient
WAYS = (2, 2, 3, 4, 5)
SMOOTHING = 0.1
MEASURED = 60  # pictures of each source on which the scaling is measured
WHOLE, WHOLE_SEED = 6, 48000  # synthetic studies of each hospital that count for it as well
RIDGE = 0.3  # of a kernel whose cases have a mean squared length of 1


@dataclass(frozen=True)
class Source:
    """One question to train on: how often it is drawn, how many classes it has, and how a batch of it is made."""

    name: str
    weight: float
    labels: Tensor
    groups: np.ndarray | None
    views: Callable[[Tensor, np.random.Generator], Tensor]
    measured: bool = True  # counts for the embedding's scaling; False for a second question about the same pictures

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


class Training(nn.Module):
    """The network, one linear head a source, and the temperature of the episodes."""

    def __init__(self, embedder: Embedder, sources: list[Source]):
        super().__init__()
        self.network = network = embedder.network
        textures = embedder.dimensions - 2 * sum(network.channels)
        self.register_buffer("centre", embedder.centre[:-textures].clone(), persistent=False)
        self.register_buffer("factor", (embedder.weights / embedder.scale)[:-textures].clone(), persistent=False)
        self.heads = nn.ModuleList(nn.Linear(len(self.centre), s.classes) for s in sources)
        for one in self.heads:
            nn.init.zeros_(one.weight)
        self.sharpness = nn.Parameter(torch.tensor(1.5))
        blocks = [b for stage in network.stages for b in stage]
        for part in (network.stem, *blocks[:FROZEN_BLOCKS]):
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> Training:
        """Batch norms keep ImageNet's statistics: a batch holds one set only, and cases must not depend on others."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(self, views: Tensor) -> Tensor:
        """(k, 3, px, px) -> (k, d): the embedding as the product scales it, but for the texture and the clipping."""
        maps = maps_of(self.network, views)
        parts = []
        for features in maps:
            spread = (features.var((2, 3), correction=0) + 1e-8).sqrt()
            parts += [F.normalize(features.mean((2, 3)), dim=1), F.normalize(spread, dim=1)]
        return (torch.cat(parts, 1) - self.centre) * self.factor


def maps_of(network: Lite0, views: Tensor) -> list[Tensor]:
    """As `Lite0.forward`, with no graph kept for the frozen blocks."""
    x = (views * 255.0 - 127.0) / 128.0
    maps, done = [], 0
    with torch.no_grad():
        x = network.stem(x.contiguous(memory_format=torch.channels_last))
    for i, stage in enumerate(network.stages):
        for block in stage:
            if done < FROZEN_BLOCKS:
                with torch.no_grad():
                    x = block(x)
            else:
                x = block(x)
            done += 1
        if i in POOLED:
            maps.append(x)
    return [*maps, network.head(x)]


def episode_loss(embeddings: Tensor, target: Tensor, support: Tensor, sharpness: Tensor) -> Tensor:
    """Ridge regression on the support (dual, one-against-rest), cross-entropy on the rest; 0 where nothing is asked.

    embeddings (k, d), target (k,), support (k,) bool. Centred and scaled by the support alone.
    """
    asked = ~support
    ways = int(target.max()) + 1
    if not asked.any() or len(target[support].unique()) < ways:
        return embeddings.sum() * 0
    taught = embeddings[support]
    middle = taught.mean(0)
    size = (taught - middle).square().sum(1).mean().clamp_min(1e-8)
    taught, query = taught - middle, embeddings[asked] - middle
    wanted = F.one_hot(target[support], ways).float() - 1 / ways
    kernel = taught @ taught.T / size + RIDGE * torch.eye(len(taught))
    scores = query @ taught.T / size @ torch.linalg.solve(kernel, wanted)
    return F.cross_entropy(sharpness.exp() * scores, target[asked])


def sources_of(config: dict[str, Any], out: Path, report: Report) -> list[Source]:
    """The archives of a folder and the synthetic places, each drawn by the root of its size times its weight."""
    data, sources = config["data"], []
    left_out = set(data.get("leave_out", []))
    paths = [p for p in sorted(Path(data["corpus"]).iterdir()) if p.suffix in (".zip", ".npz")]
    for path in paths:
        if path.stem in left_out:
            continue
        one = load_pictures(path, path.stem in data.get("sided", []), data.get("most", 0))
        weight = float(len(one.labels)) ** 0.5
        sources.append(Source(one.name, weight, one.labels, one.groups, partial(vary_pictures, one)))
        report(len(sources), len(paths), one.name)
    total = sum(s.weight for s in sources)
    if data.get("phantoms"):
        crops = load_crops(data["first_seed"], data["phantoms"], out / "crops", report)
        shares = data["questions"]
        for name, labels in crops.labels.items():
            weight = max(total, 1.0) * data["synthetic"] / (1 - data["synthetic"]) * shares[name] / sum(shares.values())
            sources.append(
                Source(f"synthetic {name}", weight, labels, None, partial(vary, crops), measured=name == "kind")
            )
    return sources


def step_loss(module: Training, sources: list[Source], weights: np.ndarray, size: int, rng: np.random.Generator):
    """One batch of one source: linear head and episode, both in units of knowing nothing."""
    at = int(rng.choice(len(sources), p=weights))
    source = sources[at]
    index, target, support = draw_batch(source.labels, source.groups, int(rng.choice(WAYS)), size, rng)
    embeddings = module(source.views(index, rng))
    labelled = F.cross_entropy(module.heads[at](embeddings), source.labels[index], label_smoothing=SMOOTHING)
    episode = episode_loss(embeddings, target, support, module.sharpness)
    return labelled / np.log(source.classes) + episode / np.log(int(target.max()) + 1)


def train(config: dict[str, Any], out: Path, report: Report) -> Path:
    """Train from a config (configs/encoder.toml); returns the folder with the weights and their scaling."""
    settings = config["train"]
    torch.manual_seed(config["seed"])
    embedder = load_embedder(trained=False)
    network = embedder.network
    start = {k: v.clone() for k, v in network.state_dict().items()}
    sources = sources_of(config, out, report)
    module = Training(embedder, sources)
    weights = np.array([s.weight for s in sources])
    weights = weights / weights.sum()
    run = Run(module, out, seed=config["seed"], rate=settings["rate"], decay=settings["decay"])
    run.resume()
    run.train(
        lambda rng: step_loss(module, sources, weights, settings["batch"], rng),
        settings["steps"],
        every=settings["every"],
        report=report,
    )
    return export(module.network, start, settings["keep"], sources, out, config["seed"])


def averaged(now: dict[str, Tensor], start: dict[str, Tensor], keep: float) -> dict[str, Tensor]:
    """`keep` of the trained weights and the rest of the start's."""
    return {k: torch.lerp(start[k], v, keep) if v.is_floating_point() else v for k, v in now.items()}


def export(network: Lite0, start: dict[str, Tensor], keep: float, sources: list[Source], out: Path, seed: int) -> Path:
    """Write what training moved, averaged with the start, in half precision; and the embedding's scaling over all."""
    now = averaged(network.state_dict(), start, keep)
    moved = {k: v.half().contiguous() for k, v in now.items() if not torch.equal(v, start[k])}
    save_file(moved, out / TRAINED_FILE)
    network.load_state_dict({**start, **{k: v.float() for k, v in moved.items()}})
    embedder, rng = Embedder(network).eval(), np.random.default_rng([seed, 9])
    with torch.inference_mode():
        raw = [embedder.raw(whole_slices(hospital, seed)) for hospital in HOSPITALS]
        for source in (s for s in sources if s.measured):
            some = torch.from_numpy(rng.permutation(len(source.labels))[:MEASURED])
            raw.append(torch.cat([embedder.raw(source.views(part, rng)) for part in some.split(16)]))
    centre, scale = measure(raw)
    scale = floored(scale, embedder.sizes)
    save_file({"centre": centre.contiguous(), "scale": scale.contiguous()}, out / EMBEDDING_FILE)
    return out


def whole_slices(hospital: str, seed: int) -> Tensor:
    """(k, 3, px, px): slices of synthetic CT as the product sees a case that nobody pointed at."""
    views = []
    for i in range(WHOLE):
        finding = FINDINGS[i % len(FINDINGS)]
        volume = make_phantom(WHOLE_SEED + 100 * seed + i, finding, hospital, slices=5, cover_mm=200).volume
        views.append(make_views(volume, frame(volume), bare=True))
    return torch.cat(views)
