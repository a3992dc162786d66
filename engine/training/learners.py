"""Meta-train where the learned heads start, over cached embeddings: `python -m engine train learners --data FOLDER`.

The folder holds archives of pictures (`engine.episodes.open_archive`) or hospitals (`hospitals.py`). Each is embedded
once for each encoder, then the methods that the config names are trained one after the other. A killed run goes on
where it was. Each start is a small file with a card beside it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.encoders import Encoder, Encoding, load_encoder
from engine.episodes import Archive, open_archive
from engine.intake import load_volume
from engine.learners.lstm_meta import LSTMMetaLearner
from engine.learners.maml import ANIL, MAML, FirstOrderMAML
from engine.learners.matching import Matching
from engine.learners.platipus import Platipus
from engine.learners.reptile import Reptile
from engine.learners.starts import save_start, start_file
from engine.training.card import facts
from engine.training.heads import (
    LearnedANIL,
    LearnedLSTM,
    LearnedMAML,
    LearnedMatching,
    LearnedPlatipus,
    LearnedReptile,
    units,
)
from engine.training.hospitals import Hospital, is_hospitals, read_hospitals
from engine.training.logbook import Logbook
from engine.training.loop import Report, Run
from engine.training.tasks import Labelled, Task, by_size, draw_task

SETS_CARD = "learners-sets.md"
CHECKED, CHECK_SEED, SETTLE_SEED = 100, 7, 8  # fixed tasks, to hold a trained start against the plain one, to settle


def train(config: dict[str, Any], out: Path, report: Report, *, steps: int | None = None) -> list[Path]:
    """Train every method of the config (`steps` instead of its own number); returns the files of the starts.

    Raises ValueError for a config or folder that can't be used."""
    made = {name: section for name, section in config.items() if name in MAKE}
    unknown = [n for n, section in config.items() if isinstance(section, dict) and n not in (*MAKE, "data")]
    if unknown or not made:
        raise ValueError(f"the config names {', '.join(unknown) or 'no method'}; known are {', '.join(MAKE)}")
    encoder, corpus = load_encoder(), Path(config["data"]["corpus"])
    data = config["data"]
    sets = load_sets(
        corpus, data["pictures"], out / encoder.identity, encoder, report, leave_out=data.get("leave_out", ())
    )
    (out / SETS_CARD).write_text(sets_card(sets, licences(corpus)), "utf-8")
    files = []
    for name, section in made.items():
        section = {**section, "steps": steps or section["steps"]}
        folder = out / encoder.identity / f"{name}-{digest(section, config['seed'], config['data'], sets)}"
        module = train_one(name, section, sets, config, folder, report)
        module.settle(fixed_tasks(sets, SETTLE_SEED))
        start = detached(module.start())
        plain, trained = improvement(name, start, sets)
        report(section["steps"], section["steps"], f"{name}: log-loss {trained:.4f}, plain {plain:.4f}")
        about = {
            "encoder": encoder.identity,
            "seed": str(config["seed"]),
            "sets": ", ".join(s.archive.name for s in sets),
            **{key: str(value) for key, value in section.items()},
            "loss_plain": f"{plain:.4f}",
            "loss_trained": f"{trained:.4f}",
        }
        file = out / f"{name}.safetensors"
        save_start(start, file, about)
        file.with_suffix(".md").write_text(card(name, file, about, sets), "utf-8")
        files.append(file)
    return files


def digest(section: dict[str, Any], seed: int, data: dict[str, Any], sets: Sequence[Labelled]) -> str:
    """So that a run under other settings, or on other sets, doesn't go on from this one's checkpoint."""
    told = [section, seed, data["pictures"], data["relabelled"], [(s.archive.name, len(s.embeddings)) for s in sets]]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]


def train_one(
    name: str, section: dict[str, Any], sets: Sequence[Labelled], config: dict[str, Any], folder: Path, report: Report
) -> nn.Module:
    """One method, resumed where a checkpoint is there."""
    torch.manual_seed(config["seed"])
    module = MAKE[name](section, sets)
    run = Run(module, folder, seed=config["seed"], rate=section["rate"], decay=0.0)
    run.resume()
    weights, share = by_size(sets), config["data"]["relabelled"]

    def loss(rng: np.random.Generator) -> Tensor:
        return module.loss([draw_task(sets, weights, rng, share) for _ in range(section["tasks"])])

    steps = section["steps"]
    with Logbook(folder) as log:

        def told(done: int, total: int, text: str) -> None:
            report(done, total, f"{name}: {text}")

        run.train(loss, steps, every=max(steps // 10, 1), report=told, log=log)
    return module


def load_sets(
    corpus: Path, most: int, cache: Path, encoder: Encoder, report: Report, leave_out: Sequence[str] = ()
) -> list[Labelled]:
    """All archives of a folder, at most `most` pictures of each, or its hospitals; embedded, cached under `cache`."""
    if is_hospitals(corpus):
        return [cases_of(each, cache, encoder) for each in read_hospitals(corpus, cache / "cases", report)]
    paths = sorted(p for p in [*corpus.glob("*.zip"), *corpus.glob("*.npz")] if p.stem not in leave_out)
    if not paths:
        raise ValueError(f"{corpus} holds no archive (zip or npz) of labelled pictures")
    sets = []
    for i, path in enumerate(paths):
        archive = at_most(open_archive(path), most)
        sets.append(Labelled(embedded(archive, path, cache, encoder), replace(archive, images=())))
        report(i + 1, len(paths), f"embedded {path.stem}")
    return sets


def cases_of(hospital: Hospital, cache: Path, encoder: Encoder) -> Labelled:
    """A hospital's cases as the product embeds them: a study is one embedding, a patient one group."""
    rows = []
    for folder, _, _ in hospital.cases:
        kept = cache / "embeddings" / f"{folder.name}.npz"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            encoder.encode(load_volume(folder)).save(kept)
        rows.append(torch.from_numpy(Encoding.load(kept).embedding))
    labels = np.array([kind for _, kind, _ in hospital.cases])
    groups = np.array([patient or folder.name for folder, _, patient in hospital.cases])
    return Labelled(torch.stack(rows), Archive(hospital.name, (), labels, groups))


def at_most(archive: Archive, most: int) -> Archive:
    """The first `most` pictures in a random order."""
    chosen = np.random.default_rng(0).permutation(len(archive.labels))[:most]
    return replace(
        archive,
        images=[archive.images[i] for i in chosen],
        labels=archive.labels[chosen],
        groups=archive.groups[chosen],
    )


def embedded(archive: Archive, path: Path, cache: Path, encoder: Encoder) -> Tensor:
    """(n, d) embeddings, from the cache where the same pictures were embedded by the same encoder before."""
    from engine.commands.evaluate import embed

    content = hashlib.sha256(path.read_bytes() + str(len(archive.labels)).encode()).hexdigest()[:16]
    kept = cache / "embeddings" / f"{path.stem}-{content}.safetensors"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        save_file({"embeddings": embed(encoder, archive.images).half().contiguous()}, part)
        part.replace(kept)
    return load_file(kept)["embeddings"].float()


def widest(sets: Sequence[Labelled], count: int) -> Tensor:
    """(count, d) directions in which the pictures of a set differ most, over all sets."""
    inside = torch.cat([s.embeddings - s.embeddings.mean(0) for s in sets])
    _, _, found = torch.svd_lowrank(inside, count + 16, niter=4)
    return found[:, :count].T.contiguous()


MAKE: dict[str, Callable[[dict[str, Any], Sequence[Labelled]], nn.Module]] = {
    "anil": lambda s, sets: LearnedANIL(s["inner_steps"], s["rates"]),
    "maml": lambda s, sets: LearnedMAML(s["inner_steps"], s["rates"]),
    "maml-first-order": lambda s, sets: LearnedMAML(s["inner_steps"], s["rates"], first_order=True),
    "reptile": lambda s, sets: LearnedReptile(s["inner_rate"], s["inner_steps"]),
    "lstm": lambda s, sets: LearnedLSTM(s["inner_steps"]),
    "platipus": lambda s, sets: LearnedPlatipus(s["inner_steps"], s["rates"], s["weight"]),
    "matching": lambda s, sets: LearnedMatching(widest(sets, s["context"]) if s["context"] else None),
}


METHODS = {each.name: each for each in (ANIL, MAML, FirstOrderMAML, Reptile, LSTMMetaLearner, Platipus, Matching)}


def detached(start: Any) -> Any:
    """A start whose tensors are plain numbers."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        return value.detach() if isinstance(value, Tensor) else value

    return replace(start, **{name: plain(value) for name, value in vars(start).items()})


def improvement(name: str, start: Any, sets: Sequence[Labelled]) -> tuple[float, float]:
    """Mean log-loss, in units of knowing nothing, of the plain and of the trained start on CHECKED fixed tasks."""
    losses = []
    methods = [METHODS[name](None), METHODS[name](start)]
    for task in fixed_tasks(sets, CHECK_SEED):
        models = [method.adapt(task.support) for method in methods]
        with torch.no_grad():
            logs = [model.logits(task.query).log_softmax(1) for model in models]
        losses.append([-float(each.gather(1, task.targets[:, None]).mean()) / units(task) for each in logs])
    plain, trained = np.mean(losses, 0).tolist()
    return plain, trained


def fixed_tasks(sets: Sequence[Labelled], seed: int) -> list[Task]:
    rng, weights = np.random.default_rng(seed), by_size(sets)
    return [draw_task(sets, weights, rng) for _ in range(CHECKED)]


def ship(files: Sequence[Path]) -> list[Path]:
    """Copy starts and cards to where the product looks for them; a start that is worse than none stays out."""
    shipped = []
    for file in files:
        with safe_open(file, "pt") as opened:
            about = opened.metadata()
        if float(about["loss_trained"]) > float(about["loss_plain"]):
            continue
        for part in (file, file.with_suffix(".md")):
            shutil.copy(part, start_file(file.stem).with_name(part.name))
        shipped.append(start_file(file.stem))
    if files:
        shutil.copy(files[0].with_name(SETS_CARD), start_file("x").with_name(SETS_CARD))
    return shipped


def licences(corpus: Path) -> dict[str, tuple[str, str]]:
    """What each archive is and its licence as found, from the tables of the folder's MANIFEST*.md (file first; then
    columns that are headed "what" and "licence as found")."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(corpus.glob("MANIFEST*.md")):
        heads: list[str] = []
        for line in path.read_text("utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if cells[0] == "file":
                heads = cells
            elif len(cells) == len(heads) and {"what", "licence as found"} <= set(heads) and cells[0] != "---":
                row = dict(zip(heads, cells, strict=True))
                found[Path(row["file"].strip("`")).stem] = (row["what"], row["licence as found"])
    return found


def sets_card(sets: Sequence[Labelled], known: dict[str, tuple[str, str]]) -> str:
    """The sets that the starts were trained on, in one table."""
    lines = [
        "# Sets that the learners' starts were trained on",
        "",
        "So many pictures of each as stand here. The starts hold rates, scales and second moments: no picture, and",
        "nothing that one could be made from. Licences as found where the pictures were found.",
        "",
        "| set | what it is | licence as found | pictures |",
        "|---|---|---|---|",
    ]
    for one in sets:
        what, licence = known.get(one.archive.name, ("not described", "not stated"))
        lines.append(f"| {one.archive.name} | {what} | {licence} | {len(one.embeddings)} |")
    return "\n".join(lines) + "\n"


def card(name: str, file: Path, about: dict[str, str], sets: Sequence[Labelled]) -> str:
    """What the file is, for whoever finds it."""
    numbers = sum(tensor.numel() for tensor in load_file(file).values())
    pictures = sum(len(s.embeddings) for s in sets)
    how = ", ".join(f"{key} {value}" for key, value in about.items() if key not in ("sets", "encoder", "seed"))
    rows = {
        "trained by": f"`python -m engine train learners`, seed {about['seed']}: {how}",
        "trained on": f"tasks of 2 to 5 classes and 1 to 15 cases a class, a part of them relabelled "
        f"(`engine/training/tasks.py`), from {pictures:,} pictures of the {len(sets)} sets in `{SETS_CARD}`",
        "encoder": f"`{about['encoder']}`; on another encoder it works as scale is measured on the labelled cases, "
        "what fits one encoder's numbers alone is left out",
        "log-loss on training tasks": f"{about['loss_trained']}, from {about['loss_plain']} with the plain start (1 is "
        "knowing nothing)",
        "tested on": "11 other sets (docs/learners.md)",
        "licence": "Apache-2.0, as Handful",
        "sha256": f"`{hashlib.sha256(file.read_bytes()).hexdigest()}`",
    }
    return (
        f"# {file.name}\n\nWhere `{name}` starts in the dashboard: {numbers:,} numbers that were meta-trained "
        f"({METHODS[name].paper}).\n\n{facts(rows)}\n\n"
        "Limits: learned over pictures of many kinds; a task unlike all of them may want other numbers. Not a medical "
        "device.\n"
    )
