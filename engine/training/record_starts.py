"""Meta-train where the learned heads start on rows of tables: `python -m engine train record-starts --data FOLDER`.

The same methods and modules as for images (`heads.py`), over [32 numbers of the record encoder, the row's own] of the
tasks that the records' networks are trained on (`record_tasks.py`). A start is a handful of rates, pulls and scales, so
it fits tables of any width.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from safetensors import safe_open
from torch import Tensor, nn

from engine.encoders.record import columns_of, digest
from engine.learners import Support
from engine.learners.starts import RECORDS, save_start, start_file
from engine.training.card import facts
from engine.training.heads import units
from engine.training.learners import CHECK_SEED, CHECKED, MAKE, METHODS, SETTLE_SEED, detached
from engine.training.logbook import Logbook
from engine.training.loop import Report, Run
from engine.training.record_real import load
from engine.training.record_tasks import Batch, RealTable, draw_batch
from engine.training.tasks import Task


def train(config: dict[str, Any], out: Path, report: Report, *, steps: int | None = None) -> list[Path]:
    """Train every method of the config; the files of the starts. A killed run goes on where it was."""
    data = config["data"]
    real = load(Path(data["corpus"]), out / "tables", (*data["leave_out"], *data.get("develop", ())), report)
    files = []
    for name in [n for n in MAKE if n in config]:
        section = {**config[name], "steps": steps or config[name]["steps"]}
        module = train_one(name, section, config, real, out, report)
        module.settle(fixed(SETTLE_SEED, real, data["real"]))
        start = detached(module.start())
        plain, trained = improvement(name, start, fixed(CHECK_SEED, real, data["real"]))
        report(section["steps"], section["steps"], f"{name}: log-loss {trained:.4f}, plain {plain:.4f}")
        about = {
            "encoder": digest(),
            "seed": str(config["seed"]),
            "families left out": ", ".join((*data["leave_out"], *data.get("develop", ()))),
            **{key: str(value) for key, value in section.items()},
            "loss_plain": f"{plain:.4f}",
            "loss_trained": f"{trained:.4f}",
        }
        file = out / f"{RECORDS}{name}.safetensors"
        save_start(start, file, about)
        file.with_suffix(".md").write_text(card(name, file, about, real), "utf-8")
        files.append(file)
    return files


def train_one(
    name: str, section: dict[str, Any], config: dict[str, Any], real: Sequence[RealTable], out: Path, report: Report
) -> nn.Module:
    torch.manual_seed(config["seed"])
    module, share = MAKE[name](section, ()), config["data"]["real"]
    told = json.dumps([section, config["seed"], {**config["data"], "corpus": ""}, digest()], sort_keys=True)
    folder = out / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    run = Run(module, folder, seed=config["seed"], rate=section["rate"], decay=0.0)
    run.resume()

    def loss(rng: Generator) -> Tensor:
        return module.loss(draw_tasks(rng, real, share, section["tasks"]))

    with Logbook(folder) as log:

        def said(done: int, total: int, text: str) -> None:
            report(done, total, f"{name}: {text}")

        run.train(loss, section["steps"], every=max(section["steps"] // 10, 1), report=said, log=log)
    return module


def draw_tasks(rng: Generator, real: Sequence[RealTable], share: float, count: int) -> list[Task]:
    """At most `count` tasks of two classes and of one shape, embedded as the product embeds rows."""
    while True:
        batch = draw_batch(rng, real, share)
        if not batch.number:
            return tasks_of(batch, count)


def tasks_of(batch: Batch, count: int) -> list[Task]:
    names = tuple(f"row {i}" for i in range(batch.support.shape[1]))
    made = []
    parts = (each[:count] for each in (batch.support, batch.targets, batch.query, batch.wanted))
    for support, known, query, wanted in zip(*parts, strict=True):
        columns = columns_of(support)
        with torch.no_grad():
            rows, asked = (torch.cat([columns.embed(x), x], 1) for x in (support, query))
        made.append(Task(Support(rows, (known > 0).long(), ("a", "b"), names), asked, (wanted > 0).long()))
    return made


def fixed(seed: int, real: Sequence[RealTable], share: float) -> list[Task]:
    """CHECKED tasks, each of another shape."""
    return [draw_tasks(np.random.default_rng([seed, i]), real, share, 1)[0] for i in range(CHECKED)]


def improvement(name: str, start: Any, tasks: Sequence[Task]) -> tuple[float, float]:
    """Mean log-loss, in units of knowing nothing, of the plain and of the trained start."""
    losses = []
    for task in tasks:
        models = [METHODS[name](each).adapt(task.support) for each in (None, start)]
        with torch.no_grad():
            logs = [model.logits(task.query).log_softmax(1) for model in models]
        losses.append([-float(each.gather(1, task.targets[:, None]).mean()) / units(task) for each in logs])
    plain, trained = np.mean(losses, 0).tolist()
    return plain, trained


def ship(files: Sequence[Path]) -> list[Path]:
    """Copy starts and cards to where the product looks for them; a start that is worse than none stays out."""
    shipped = []
    for file in files:
        with safe_open(file, "pt") as opened:
            about = opened.metadata()
        if float(about["loss_trained"]) <= float(about["loss_plain"]):
            for part in (file, file.with_suffix(".md")):
                shutil.copyfile(part, start_file("x").with_name(part.name))
            shipped.append(start_file("x").with_name(file.name))
    return shipped


def card(name: str, file: Path, about: dict[str, str], real: Sequence[RealTable]) -> str:
    """What the file is, for whoever finds it."""
    about = dict(about)
    away, seed, encoder = (about.pop(key) for key in ("families left out", "seed", "encoder"))
    rows = {
        "trained by": f"`python -m engine train record-starts`, seed {seed}: "
        + ", ".join(f"{key} {value}" for key, value in about.items()),
        "trained on": "tasks of two classes, 3 to 40 rows a class: half from synthetic tables "
        f"(`engine/training/record_prior.py`), half from {len(real)} real ones: {', '.join(t.name for t in real)}",
        "families never read": away,
        "encoder": f"`records.safetensors` ({encoder}), beside the row's own numbers",
        "log-loss on training tasks": f"{about['loss_trained']}, from {about['loss_plain']} with the plain start (1 is "
        "knowing nothing)",
        "measured": "docs/records.md",
        "licence": "Apache-2.0, as Handful. No row is in the file",
        "sha256": f"`{hashlib.sha256(file.read_bytes()).hexdigest()}`",
    }
    return (
        f"# {file.name}\n\nWhere `{name}` starts on rows of tables ({METHODS[name].paper}).\n\n"
        f"{facts(rows)}\n\nLimits: learned on tasks of two classes. Not a medical device.\n"
    )
