"""Training in turns: an outer loop that can be stopped after any number of seconds and goes on as the same run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from benchmarks.omniglot_methods import Method
from engine.training.loop import load_optimiser, optimiser_tensors

SEED = 0
CLIP = 1.0  # norm of the gradient
EVERY = 50  # steps between checkpoints
SMOOTH = 0.95  # of the loss that is shown


class Turn:
    """A method, its optimiser and its step in one file under `folder`. Every step draws from its own random stream, so
    all methods see comparable tasks, and a run that was stopped is the run that wasn't."""

    def __init__(self, method: Method, folder: Path):
        self.method, self.folder, self.step = method, folder, 0
        rate, parameters = method.budget.rate, list(method.module.parameters())
        plain = method.plain_steps or not parameters
        kept = parameters or [torch.zeros(1)]  # controls have nothing to train
        self.optimiser = torch.optim.SGD(kept, lr=rate) if plain else torch.optim.Adam(kept, lr=rate)
        if (folder / "checkpoint.safetensors").exists():
            self._load()

    @property
    def complete(self) -> bool:
        return self.step >= self.method.budget.steps

    @property
    def seconds(self) -> float:
        """CPU seconds spent so far, over all turns."""
        spent = self.folder / "cpu-seconds.json"
        return json.loads(spent.read_text()) if spent.exists() else 0.0

    def train(self, seconds: float) -> None:
        """Go on for at most `seconds`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ends, began, before, shown = time.monotonic() + seconds, time.process_time(), self.seconds, None
        self.method.module.train()
        while not self.complete and time.monotonic() < ends:
            value = self._take()
            shown = value if shown is None else SMOOTH * shown + (1 - SMOOTH) * value
            if self.step % EVERY == 0 or self.complete:
                self._save()
                (self.folder / "cpu-seconds.json").write_text(json.dumps(before + time.process_time() - began))
                print(f"{self.folder.name} {self.step}/{self.method.budget.steps} loss {shown:.4f}", flush=True)

    def _take(self) -> float:
        steps = self.method.budget.steps
        torch.manual_seed(self.step)
        left = 1 - self.step / steps if self.method.plain_steps else 0.5 * (1 + np.cos(np.pi * self.step / steps))
        for group in self.optimiser.param_groups:
            group["lr"] = self.method.budget.rate * left
        self.optimiser.zero_grad(set_to_none=True)
        value = self.method.gradient(np.random.default_rng([SEED, self.step]))
        if not self.method.plain_steps:
            torch.nn.utils.clip_grad_norm_(self.method.module.parameters(), CLIP)
        self.optimiser.step()
        self.step += 1
        return value

    def _save(self) -> None:
        """Whole or not at all: written beside, then renamed."""
        tensors = {f"module.{k}": v for k, v in self.method.module.state_dict().items()}
        tensors |= optimiser_tensors(self.optimiser)
        part = self.folder / "checkpoint.part"
        save_file({k: v.detach().clone() for k, v in tensors.items()}, part, {"step": str(self.step)})
        part.replace(self.folder / "checkpoint.safetensors")

    def _load(self) -> None:
        file = self.folder / "checkpoint.safetensors"
        tensors = load_file(file)
        with safe_open(file, "pt") as opened:
            self.step = int(opened.metadata()["step"])
        self.method.module.load_state_dict({k[7:]: v for k, v in tensors.items() if k.startswith("module.")})
        load_optimiser(self.optimiser, tensors)
