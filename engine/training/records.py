"""Meta-train the in-context network of records: `python -m engine train records --data FOLDER`.

The folder holds `tables/`, `regression/` and a MANIFEST.md that names each file's disease family. Families under
`leave_out` are never read. A step is a batch of few-shot tasks, half of them from synthetic tables
(`record_prior.py`), half from the real ones (`record_tasks.py`); the loss is that of the asked rows.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss

from engine.learners.cells import CellNet
from engine.training.logbook import Logbook
from engine.training.loop import Report, Run
from engine.training.record_real import load
from engine.training.record_tasks import Batch, draw_batch

FAR = 3.0  # standard deviations of the labelled rows: a number further off counts linearly


def train(config: dict[str, Any], out: Path, report: Report) -> Path:
    """Train by the config; the file of the weights. A killed run goes on where it was."""
    real = load(Path(config["data"]["corpus"]), out / "tables", tuple(config["data"]["leave_out"]), report)
    settings = config["train"]
    torch.manual_seed(config["seed"])
    module = CellNet(**config["network"])
    run = Run(module, out / digest(config), seed=config["seed"], rate=settings["rate"], decay=settings["decay"])
    run.resume()

    def loss(rng: np.random.Generator) -> Tensor:
        return loss_of(module, draw_batch(rng, real, config["data"]["real"]))

    with Logbook(run.file.parent) as log:
        run.train(loss, settings["steps"], every=settings["every"], report=report, log=log)
    file = out / "records.safetensors"
    about = {"families left out": ", ".join(config["data"]["leave_out"]), "tables": ", ".join(t.name for t in real)}
    save(module, file, {**about, "seed": str(config["seed"]), "steps": str(settings["steps"])})
    return file


def digest(config: dict[str, Any]) -> str:
    """So that a run under other settings doesn't go on from this one's checkpoint."""
    told = {key: config[key] for key in ("seed", "network", "train")} | {"data": {**config["data"], "corpus": ""}}
    return "cells-" + hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]


def loss_of(module: CellNet, batch: Batch) -> Tensor:
    """Log-loss of classes; of numbers the squared error, linear far off."""
    answers, _ = module(batch.support, batch.targets, batch.query, batch.number)
    if batch.number:
        return huber_loss(answers, batch.wanted.clamp(-10, 10), delta=FAR)
    return binary_cross_entropy_with_logits(answers, (batch.wanted > 0).float())


def save(module: CellNet, file: Path, about: dict[str, str]) -> None:
    """Weights in 16 bits, the network's measures in the file's header."""
    tensors = {name: value.detach().half().contiguous() for name, value in module.state_dict().items()}
    save_file(tensors, file, {**about, "network": json.dumps(module.about)})
