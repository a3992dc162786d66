"""Train the molecule encoder: `python -m engine train molecules --data FOLDER`.

Two losses at once. Every assay is a logistic regression on the embedding (cross-entropy where it was measured, Mayr et
al. 2016): hundreds of assays say what about a molecule matters. And episodes: ten active and ten inactive molecules of
one assay, whose class means must tell others of that assay apart (prototypical networks, Snell et al. 2017, eq. 1-2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from engine.encoders.molecule import MoleculeNet, save_net, signed_log
from engine.training.assays import Assays, load_assays
from engine.training.loop import Run

Report = Callable[[int, int, str], None]
FEWEST = 30  # active and inactive molecules of an assay that episodes are drawn from
MOST_WEIGHT = 30.0  # inactive molecules an active one, past which an active one weighs no more
START_SHARPNESS = 5.0  # of the distances to the class means, in mean squared spreads; learned from there


@dataclass(frozen=True)
class Recipe:
    """A share `episodes` of the `steps` draws `tasks` assays, `shots` labelled and `queries` asked molecules a class,
    the others a batch of `batch` molecules. Molecules of the tables in `focus` are drawn twice as often as
    others; of the first of these episodes are drawn `often` times as often, and labels say `say` times as much."""

    steps: int
    batch: int = 256
    episodes: float = 0.5
    tasks: int = 6
    shots: int = 10
    queries: int = 16
    rate: float = 1e-3
    decay: float = 0.01
    dropped: float = 0.3
    hidden: int = 512
    size: int = 256
    focus: tuple[str, ...] = ()
    often: float = 4.0
    say: float = 1.0


class AssayModel(nn.Module):
    """The net, a logistic regression an assay on its embedding, and how sharp distances to class means are."""

    def __init__(self, net: MoleculeNet, assays: int):
        super().__init__()
        self.net, self.heads = net, nn.Linear(net.last.out_features, assays)
        self.log_sharp = nn.Parameter(torch.tensor(START_SHARPNESS).log())


class Losses:
    """Draws batches and episodes out of the assays; `of(model, step)` is the loss of one step."""

    def __init__(self, assays: Assays, recipe: Recipe, model: AssayModel):
        self.recipe, self.model = recipe, model
        self.counts, self.descriptors = torch.from_numpy(assays.counts), torch.from_numpy(assays.descriptors)
        self.labels = torch.from_numpy(assays.labels)
        told = ~np.isnan(assays.labels)
        active, measured = np.nansum(assays.labels, 0), told.sum(0)
        weight = ((measured - active) / np.maximum(active, 1)).clip(0.1, MOST_WEIGHT) ** 0.5
        self.weight = torch.from_numpy(weight.astype(np.float32))
        focus = np.array([name.split(":")[0] in recipe.focus for name in assays.names], dtype=bool)
        self.rows = np.flatnonzero(told.any(1))
        if not len(self.rows):
            raise ValueError("no molecule of these assays has a label to learn from")
        near = told[self.rows][:, focus].any(1) if focus.any() else np.ones(len(self.rows), bool)
        self.chance = _shares(np.where(near, 1.0, 0.5))
        enough = np.flatnonzero((active >= FEWEST) & (measured - active >= FEWEST))
        self.pools = [[np.flatnonzero(assays.labels[:, a] == c) for c in (1, 0)] for a in enough]
        first = np.array([name.split(":")[0] in recipe.focus[:1] for name in assays.names], dtype=bool)
        self.drawn = _shares(np.where(first[enough], recipe.often, 1.0))
        self.say = torch.from_numpy(np.where(first, np.float32(recipe.say), np.float32(1)))

    def __call__(self, rng: np.random.Generator) -> Tensor:
        recipe = self.recipe
        if rng.random() >= recipe.episodes or not self.pools:
            rows = rng.choice(self.rows, recipe.batch, p=self.chance)
            return self.regressions(rows, self.embed(rows))
        rows = np.concatenate([self.draw(rng) for _ in range(recipe.tasks)])
        embedding = self.embed(rows)
        cut = embedding.view(recipe.tasks, 2, recipe.shots + recipe.queries, -1)
        near = torch.stack([prototype_loss(each, recipe.shots, self.model.log_sharp.exp()) for each in cut])
        return near.mean() + self.regressions(rows, embedding)

    def embed(self, rows: np.ndarray) -> Tensor:
        at = torch.from_numpy(rows)
        return self.model.net(self.counts[at], self.descriptors[at])

    def regressions(self, rows: np.ndarray, embedding: Tensor) -> Tensor:
        """Mean cross-entropy over what was measured; active ones weigh more, for most assays have few."""
        labels = self.labels[torch.from_numpy(rows)]
        told = ~torch.isnan(labels) * self.say
        labels = torch.nan_to_num(labels)
        weight = torch.where(labels > 0, self.weight, torch.ones(())) * told
        scores = self.model.heads(embedding)
        return cross_entropy(scores, labels, weight=weight, reduction="sum") / told.sum().clamp(min=1)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """The molecules of one task: active ones, then inactive ones; with repetition where an assay has too few."""
        pools = self.pools[int(rng.choice(len(self.pools), p=self.drawn))]
        wanted = self.recipe.shots + self.recipe.queries
        parts = []
        for pool in pools:
            chosen = rng.permutation(pool)[:wanted]
            rest = chosen[self.recipe.shots :]  # none that is labelled is asked about again
            more = rng.choice(rest, wanted - len(chosen)) if len(chosen) < wanted else rest[:0]
            parts.append(np.concatenate([chosen, more]))
        return np.concatenate(parts)


def prototype_loss(molecules: Tensor, shots: int, sharpness: Tensor) -> Tensor:
    """(2, shots + queries, e), active ones first -> cross-entropy of the queries by their distance to the class means,
    in mean squared spreads of the labelled ones, as `engine.learners.protonet` measures them."""
    support, query = molecules[:, :shots], molecules[:, shots:]
    shift = support.flatten(0, 1).mean(0)
    scale = (support - shift).square().sum(-1).mean().clamp(min=1e-9)
    means = support.mean(1)
    apart = [(query - mean).square().sum(-1) / scale for mean in means]
    scores = (apart[1] - apart[0]) * sharpness  # positive: nearer to the active ones
    targets = torch.tensor([1.0, 0.0])[:, None].expand_as(scores)
    return cross_entropy(scores, targets)


def _shares(weights: Iterable[float]) -> np.ndarray:
    weights = np.asarray(weights, dtype=float)
    return weights / weights.sum()


def fit_descriptors(net: MoleculeNet, descriptors: np.ndarray) -> None:
    """Centre and scale of the descriptors' logarithms, from the training molecules."""
    logs = signed_log(torch.from_numpy(descriptors)).double().numpy()
    net.centre.copy_(torch.from_numpy(np.nanmean(logs, 0)))
    net.scale.copy_(torch.from_numpy(np.nanstd(logs, 0)).clamp(min=1e-3))


def train_net(
    assays: Assays, recipe: Recipe, folder: Path, seed: int, report: Report = lambda done, total, text: None
) -> MoleculeNet:
    """One net from these assays, all that is in them; a killed run goes on in `folder`."""
    torch.manual_seed(seed)
    model = AssayModel(MoleculeNet(recipe.dropped, recipe.hidden, recipe.size), len(assays.names))
    labelled = ~np.isnan(assays.labels).all(1)
    fit_descriptors(model.net, assays.descriptors[labelled])
    losses = Losses(assays, recipe, model)
    run = Run(model, folder, seed=seed, rate=recipe.rate, decay=recipe.decay)
    run.resume()
    run.train(losses, recipe.steps, every=50, report=report)
    return model.net


def open_assays(config: dict[str, Any], cache: Path, report: Report) -> Assays:
    """The tables of a config's [data] as one matrix; ValueError names a table that is missing."""
    data = config["data"]
    files = {name: Path(data["corpus"]) / file for name, file in data["tables"].items()}
    for path in files.values():
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there: name the folder of the assays' tables with --data")
    found = load_assays(files, cache, most=data.get("most"), report=report)
    return found.without([n for n in found.names if any(fnmatch(n, each) for each in data.get("leave_out", []))])


def recipe_of(config: dict[str, Any]) -> Recipe:
    settings = config["train"]
    return Recipe(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})


def train(config: dict[str, Any], out: Path, report: Report) -> Path:
    """Train from a config (configs/molecules.toml says what it may hold); returns the file of the 16-bit weights."""
    assays = open_assays(config, out / "molecules", report)
    net = train_net(assays, recipe_of(config), out, config["seed"], report)
    path = out / "molecules.safetensors"
    labelled = (~np.isnan(assays.labels)).any(1)
    about = {"assays": str(len(assays.names)), "molecules": str(int(labelled.sum()))}
    save_net(net, path, about, [key for key, there in zip(assays.keys, labelled, strict=True) if there])
    return path
