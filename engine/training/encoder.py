"""Train the image encoder on many small medical sets at once, so that a handful of cases of another one goes further.

Each step is one set: pictures of 2 to 5 of its classes, varied (`pictures.py`, `crops.py`), half of them labelled.
Two losses: a linear head of that set (supervised, label smoothing), and an episode, in which ridge regression in
closed form learns from the labelled half and is asked about the other (Bertinetto et al. 2019, arXiv 1805.08136):
the same straight border over the same embedding that the product draws. The shallow blocks stay as ImageNet left
them, and the product keeps an untouched network beside the trained one (`SideBySide`), which keeps what was known;
`keep` below 1 averages the weights with the start as well (Wortsman et al. 2022, arXiv 2109.01903).
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

from engine.encoders.efficientnet import SideBySide
from engine.encoders.embedding import Embedder, floored, measure
from engine.encoders.encoder import EMBEDDING_FILE, START, TRAINED_FILE, UNTOUCHED, load_network, lone_embedder
from engine.encoders.framing import frame
from engine.encoders.views import make_views
from engine.episodes.scoring import macro_auroc
from engine.learners import Support, learner
from engine.phantoms import FINDINGS, HOSPITALS, make_phantom
from engine.training.crops import load_crops, vary
from engine.training.hospitals import is_hospitals, pictures_of, read_hospitals
from engine.training.logbook import Logbook
from engine.training.loop import Look, Losses, Report, Run
from engine.training.pictures import Pictures, draw_batch, load_pictures, plain_views, vary_pictures
from engine.training.selfsupervised import pretrain
from engine.training.spread import Workers

WAYS = (2, 2, 3, 4, 5)
SMOOTHING = 0.1
MEASURED = 60  # pictures of each source on which the scaling is measured
WHOLE, WHOLE_SEED = 6, 48000  # synthetic studies of each hospital that count for it as well
LOOKED_AT = 12  # episodes of each held-out set at a look
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
    plain: Callable[[Tensor], Tensor] | None = None  # the pictures as they are, where there is such a thing

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


class Training(nn.Module):
    """The network, one linear head a source, and the temperature of the episodes."""

    def __init__(self, embedder: Embedder, sources: list[Source]):
        super().__init__()
        self.network, self.sources = embedder.network, sources
        network = embedder.network
        textures = embedder.dimensions - 2 * sum(network.channels)
        self.register_buffer("centre", embedder.centre[:-textures].clone(), persistent=False)
        self.register_buffer("factor", (embedder.weights / embedder.scale)[:-textures].clone(), persistent=False)
        self.heads = nn.ModuleList(nn.Linear(len(self.centre), s.classes) for s in sources)
        for one in self.heads:
            nn.init.zeros_(one.weight)
        self.sharpness = nn.Parameter(torch.tensor(1.5))
        for part in (network.stem, *network.blocks[: network.shallow_blocks]):
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> Training:
        """Batch norms keep ImageNet's statistics: a batch holds one set only, and cases must not depend on others."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(self, views: Tensor) -> Tensor:
        """(k, 3, px, px) -> (k, d): the embedding as the product scales it, but for the texture and the clipping."""
        views = views.to(self.centre.device).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():  # the shallow blocks stay as they are
            shallow, middle = self.network.shallow(views)
        parts = []
        for features in (*shallow, *self.network.deep(middle)):
            spread = (features.var((2, 3), correction=0) + 1e-8).sqrt()
            parts += [F.normalize(features.mean((2, 3)), dim=1), F.normalize(spread, dim=1)]
        return (torch.cat(parts, 1) - self.centre) * self.factor


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
    wanted = F.one_hot(target[support], ways).to(taught) - 1 / ways
    kernel = taught @ taught.T / size + RIDGE * torch.eye(len(taught)).to(taught)
    scores = query @ taught.T / size @ torch.linalg.solve(kernel, wanted)
    return F.cross_entropy(sharpness.exp() * scores, target[asked].to(scores.device))


def sources_of(config: dict[str, Any], out: Path, report: Report) -> list[Source]:
    """The sets of a folder and the synthetic places, each drawn by the root of its size times its weight."""
    data, left_out = config["data"], {*config["data"].get("leave_out", []), *config["data"].get("held_out", [])}
    sources = []
    for one in sets_of(config, out, report):
        if one.name not in left_out:
            weight = float(len(one.labels)) ** 0.5
            varied, plain = partial(vary_pictures, one), partial(plain_views, one)
            sources.append(Source(one.name, weight, one.labels, one.groups, varied, plain=plain))
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


def sets_of(config: dict[str, Any], out: Path, report: Report) -> list[Pictures]:
    """All labelled sets of the data folder: archives of pictures, or hospitals with classes with cases."""
    data = config["data"]
    folder = Path(data["corpus"])
    if is_hospitals(folder):
        return [pictures_of(hospital) for hospital in read_hospitals(folder, out / "cases", report)]
    paths = [p for p in sorted(folder.iterdir()) if p.suffix in (".zip", ".npz")]
    sets = []
    for number, path in enumerate(paths, start=1):
        sets.append(load_pictures(path, path.stem in data.get("sided", []), data.get("most", 0)))
        report(number, len(paths), path.stem)
    return sets


def held_out_score(module: Training, sets: list[Pictures], seed: int) -> float:
    """Mean macro AUROC of few-shot episodes on sets that are not trained on, logistic regression on the embedding."""
    values = []
    for one in sets:
        with torch.inference_mode():
            x = torch.cat([module(plain_views(one, part)) for part in torch.arange(len(one.labels)).split(32)]).cpu()
        rng = np.random.default_rng(seed)
        for _ in range(LOOKED_AT):
            index, target, support = draw_batch(one.labels, one.groups, 2, 30, rng)
            names = tuple(str(c) for c in range(int(target.max()) + 1))
            taught, asked = index[support], index[~support]
            if not len(asked) or len(target[support].unique()) < len(names):
                continue
            patients = tuple(str(one.groups[i]) for i in taught.tolist())
            model = learner("logistic").adapt(Support(x[taught].clone(), target[support], names, patients))
            values.append(macro_auroc(model.probabilities(x[asked].clone()).numpy(), target[~support].numpy()))
    return float(np.nanmean(values)) if values else 0.0


def step_loss(
    module: Training, sources: list[Source], weights: np.ndarray, size: int, rng: np.random.Generator
) -> Tensor:
    """One batch of one source: linear head and episode, both in units of knowing nothing."""
    at = int(rng.choice(len(sources), p=weights))
    source = sources[at]
    index, target, support = draw_batch(source.labels, source.groups, int(rng.choice(WAYS)), size, rng)
    embeddings = module(source.views(index, rng))
    own = source.labels[index].to(embeddings.device)
    labelled = F.cross_entropy(module.heads[at](embeddings), own, label_smoothing=SMOOTHING)
    episode = episode_loss(embeddings, target, support, module.sharpness)
    return labelled / float(np.log(source.classes)) + episode / float(np.log(int(target.max()) + 1))


def prepare(config: dict[str, Any], out: Path, report: Report = lambda *a: None) -> tuple[Training, Losses]:
    """The module and the loss of one step; the same on every worker (`spread.py`)."""
    torch.manual_seed(config["seed"])
    sources = sources_of(config, out, report)
    if not sources:
        raise ValueError(f"there is no labelled set in {config['data']['corpus']}: see docs/training.md")
    module = Training(lone_embedder(START), sources)
    weights = shares(sources)
    return module, lambda rng: step_loss(module, sources, weights, config["train"]["batch"], rng)


def shares(sources: list[Source]) -> np.ndarray:
    """How often each source is drawn, summing to one."""
    weights = np.array([s.weight for s in sources])
    return weights / weights.sum()


def train(config: dict[str, Any], out: Path, report: Report, workers: int = 1) -> Path:
    """Train from a config (configs/encoder.toml); returns the folder with the weights and their scaling.

    `workers` above 1 shares the steps among processes or machines (Ray). ValueError says in a sentence what is wrong.
    """
    settings = config["train"]
    module, loss = prepare(config, out, report)
    start = {k: v.clone() for k, v in module.network.state_dict().items()}
    module.to("cuda" if torch.cuda.is_available() else "cpu")
    if settings.get("self_supervised"):
        pretrain(module, module.sources, shares(module.sources), settings, out, config["seed"], report)
    held_out = set(config["data"].get("held_out", []))
    looked = [one for one in sets_of(config, out, report) if one.name in held_out] if held_out else []
    look = None
    if looked:
        look = Look(lambda: held_out_score(module, looked, config["seed"]), settings["look"], settings["patience"])
    run = Run(module, out, seed=config["seed"], rate=settings["rate"], decay=settings["decay"])
    run.resume()
    shared = Workers(partial(prepare, config, out), config["seed"], workers) if workers > 1 else None
    with Logbook(out) as log:
        run.train(loss, settings["steps"], every=settings["every"], report=report, look=look, log=log, gradients=shared)
    if shared:
        shared.close()
    module.to("cpu")
    return export(module, start, settings["keep"], out, config["seed"])


def averaged(now: dict[str, Tensor], start: dict[str, Tensor], keep: float) -> dict[str, Tensor]:
    """`keep` of the trained weights and the rest of the start's."""
    return {k: torch.lerp(start[k], v, keep) if v.is_floating_point() else v for k, v in now.items()}


def export(module: Training, start: dict[str, Tensor], keep: float, out: Path, seed: int) -> Path:
    """Write what training moved, averaged with the start, in half precision; and the scaling of the whole embedding."""
    now = averaged(module.network.state_dict(), start, keep)
    moved = {k: v.half().contiguous() for k, v in now.items() if not torch.equal(v, start[k])}
    save_file(moved, out / TRAINED_FILE)
    module.network.load_state_dict({**start, **{k: v.float() for k, v in moved.items()}})
    both = Embedder(SideBySide(load_network(UNTOUCHED), module.network)).eval()
    centre, scale = scaling(both, module.sources, seed)
    save_file({"centre": centre.contiguous(), "scale": scale.contiguous()}, out / EMBEDDING_FILE)
    return out


def scaling(embedder: Embedder, sources: list[Source], seed: int) -> tuple[Tensor, Tensor]:
    """Centre and scale (d,) of the raw embedding, each source counting the same, and whole synthetic studies."""
    rng = np.random.default_rng([seed, 9])
    with torch.inference_mode():
        synthetic = HOSPITALS if any(s.name.startswith("synthetic") for s in sources) else ()
        raw = [embedder.raw(whole_slices(hospital, seed)) for hospital in synthetic]
        for source in (s for s in sources if s.measured):
            some = torch.from_numpy(rng.permutation(len(source.labels))[:MEASURED])
            seen = [source.plain(p) if source.plain else source.views(p, rng) for p in some.split(16)]
            raw.append(torch.cat([embedder.raw(views) for views in seen]))
    centre, scale = measure(raw)
    return centre, floored(scale, embedder.sizes)


def whole_slices(hospital: str, seed: int) -> Tensor:
    """(k, 3, px, px): slices of synthetic CT as the product sees a case that nobody pointed at."""
    views = []
    for i in range(WHOLE):
        finding = FINDINGS[i % len(FINDINGS)]
        volume = make_phantom(WHOLE_SEED + 100 * seed + i, finding, hospital, slices=5, cover_mm=200).volume
        views.append(make_views(volume, frame(volume), bare=True))
    return torch.cat(views)
