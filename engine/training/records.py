"""Meta-train the networks of records: `python -m engine train records --data FOLDER`.

The folder holds `tables/`, `regression/` and a MANIFEST.md that names each file's disease family. Families under
`leave_out` are never read, those under `develop` neither: choices are made on them. A step is a batch of few-shot
tasks, half of them from synthetic tables (`record_prior.py`), half from the real ones (`record_tasks.py`); the loss is
that of the asked rows. Two networks are trained one after the other: `incontext`, the learner's, and `records`, the
label-free encoder. Each is a small file with a card beside it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss

from engine.learners.cells import CellNet
from engine.learners.starts import load_start, start_file
from engine.training.card import facts
from engine.training.logbook import Logbook
from engine.training.loop import Report, Run
from engine.training.record_real import load
from engine.training.record_rows import FAR, Rows
from engine.training.record_tasks import Batch, RealTable, draw_batch

WHAT = {
    "incontext": "The network of the in-context learner (`engine/learners/cells.py`): reads labelled rows of any table "
    "and answers for others.",
    "records": "The record encoder (`engine/encoders/record.py`): a row of any table becomes 32 numbers.",
}


def train(config: dict[str, Any], out: Path, report: Report, *, steps: int | None = None) -> list[Path]:
    """Train the networks that the config names; the files of their weights. A killed run goes on where it was."""
    data = config["data"]
    away = (*data["leave_out"], *data.get("develop", ()))
    real = load(Path(data["corpus"]), out / "tables", away, report)
    return [
        train_one(name, config[name], data, config["seed"], real, out, report, steps) for name in WHAT if name in config
    ]


def train_one(
    name: str,
    settings: dict[str, Any],
    data: dict[str, Any],
    seed: int,
    real: Sequence[RealTable],
    out: Path,
    report: Report,
    steps: int | None,
) -> Path:
    torch.manual_seed(seed)
    module, losses = MAKE[name](settings["network"])
    if settings.get("start"):
        begin(module, name, settings["start"])
    run = Run(
        module, out / folder_of(name, settings, data, seed), seed=seed, rate=settings["rate"], decay=settings["decay"]
    )
    run.resume()

    def loss(rng: np.random.Generator) -> Tensor:
        return losses(draw_batch(rng, real, data["real"]))

    with Logbook(run.file.parent) as log:
        run.train(loss, steps or settings["steps"], every=settings["every"], report=report, log=log)
    file = out / f"{name}.safetensors"
    about = {
        "families left out": ", ".join(data["leave_out"]),
        "families for choices": ", ".join(data.get("develop", ())),
        "seed": str(seed),
        "steps": str(run.step),
    }
    save(module, file, about)
    file.with_suffix(".md").write_text(card(name, file, about, real, settings), "utf-8")
    return file


def begin(module: nn.Module, name: str, start: str) -> None:
    """Go on from weights that are there: a file, or "shipped". ValueError where they are of another network."""
    if name != "incontext":
        raise ValueError(f"[{name}] start: only the network of [incontext] can go on from other weights")
    path = start_file(name) if start == "shipped" else Path(start)
    known = load_start(path, name)
    if known.about != module.about:
        raise ValueError(f"{path.name} holds a network of {known.about}, the config asks for {module.about}")
    module.load_state_dict(known.state_dict())


def folder_of(name: str, settings: dict[str, Any], data: dict[str, Any], seed: int) -> str:
    """So that a run under other settings doesn't go on from this one's checkpoint."""
    told = [seed, settings, {**data, "corpus": ""}]
    return f"{name}-" + hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]


def cells_loss(module: CellNet, batch: Batch) -> Tensor:
    """Log-loss of classes; of numbers the squared error, linear far off."""
    answers, _ = module(batch.support, batch.targets, batch.query, batch.number)
    if batch.number:
        return huber_loss(answers, batch.wanted.clamp(-10, 10), delta=FAR)
    return binary_cross_entropy_with_logits(answers, (batch.wanted > 0).float())


def _cells(network: dict[str, int]) -> tuple[nn.Module, Callable[[Batch], Tensor]]:
    module = CellNet(**network)
    return module, lambda batch: cells_loss(module, batch)


def _rows(network: dict[str, int]) -> tuple[nn.Module, Callable[[Batch], Tensor]]:
    module = Rows(**network)
    return module, module.loss


MAKE = {"incontext": _cells, "records": _rows}


def save(module: nn.Module, file: Path, about: dict[str, str]) -> None:
    """Weights in 16 bits, the network's measures in the file's header."""
    net = module.net if isinstance(module, Rows) else module
    tensors = {name: value.detach().half().contiguous() for name, value in net.state_dict().items()}
    if isinstance(net, CellNet):
        tensors["heads"] = torch.tensor(net.about["heads"])
    save_file(tensors, file, {**about, "network": json.dumps(net.about)})


def card(name: str, file: Path, about: dict[str, str], real: Sequence[RealTable], settings: dict[str, Any]) -> str:
    """What the file is, for whoever finds it."""
    known: dict[str, list[str]] = {}
    for table in real:
        known.setdefault(table.family, []).append(table.name)
    seen = "; ".join(f"{family}: {', '.join(sorted(names))}" for family, names in sorted(known.items()))
    rows = {
        "trained by": f"`python -m engine train records`, seed {about['seed']}, {about['steps']} steps, rate "
        f"{settings['rate']}, network {settings['network'] or 'as it is by default'}",
        "trained on": "half of the tasks from synthetic tables (`engine/training/record_prior.py`), half from the real "
        "tables named below: any column as target, any part of the others as the table",
        "real tables seen": seen,
        "families never read": f"{about['families left out']}: docs/records.md reports on these alone",
        "families for choices": about["families for choices"] or "none",
        "licence": "Apache-2.0, as Handful; of the tables as found: mostly UCI (CC BY "
        "4.0) and R packages (GPL). No row is in the weights' file",
        "sha256": f"`{hashlib.sha256(file.read_bytes()).hexdigest()}`",
    }
    return (
        f"# {file.name}\n\n{WHAT[name]}\n\n{facts(rows)}\n\n"
        "Limits: learned from up to 80 labelled rows and 32 columns; what is larger is beyond what it was trained for. "
        "Not a medical device.\n"
    )


def ship(files: Sequence[Path]) -> list[Path]:
    """Copy weights and cards to where the product looks for them."""
    for file in files:
        for part in (file, file.with_suffix(".md")):
            shutil.copyfile(part, start_file(file.stem).with_name(part.name))
    return [start_file(file.stem) for file in files]
