"""A training run that can be killed: every step draws from its own random stream, so a resumed run is the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

SMOOTH = 0.95  # of the loss that is shown
CLIP = 1.0  # norm of the gradient
WARM_UP = 50  # steps

Losses = Callable[[np.random.Generator], Tensor]
Report = Callable[[int, int, str], None]
Log = Callable[[int, dict[str, float]], None]


class Gradients(Protocol):
    """Where the gradient of a step comes from: this process, or several that share the work (`spread.py`)."""

    def __call__(self, module: nn.Module, step: int) -> float:
        """Leave the gradients in the module's parameters; the mean loss."""


@dataclass(frozen=True)
class Look:
    """A look at sets that are not trained on: `score()` (larger is better) every `every` steps; the best weights are
    kept, and the run ends after `patience` looks without a better one (0: never)."""

    score: Callable[[], float]
    every: int
    patience: int = 0


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's memory under names that fit in a file of safetensors."""
    states = optimiser.state_dict()["state"].items()
    return {f"adam.{index}.{key}": value for index, state in states for key, value in state.items()}


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give it back its memory, out of all tensors of a checkpoint."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def step_stream(seed: int, step: int, worker: int = 0) -> np.random.Generator:
    """The random stream of one step, on one worker; it also seeds torch (dropout, noise)."""
    rng = np.random.default_rng([seed, step] if worker == 0 else [seed, step, worker])
    torch.manual_seed(int(rng.integers(2**31)))
    return rng


def backward(module: nn.Module, loss: Losses, rng: np.random.Generator, step: int) -> float:
    """Loss and gradients of one step, in mixed precision on a GPU. ValueError where the loss is not a number."""
    module.zero_grad(set_to_none=True)
    cuda = next((p.is_cuda for p in module.parameters()), False)
    with torch.autocast("cuda", torch.bfloat16, enabled=cuda):
        value = loss(rng)
    if not torch.isfinite(value):
        raise ValueError(f"the loss is no longer a number at step {step}: lower the rate and start again")
    value.backward()
    return float(value.detach())


class Run:
    """A module, its optimiser and its step, kept together in one file of safetensors under `folder`."""

    def __init__(self, module: nn.Module, folder: Path, *, seed: int, rate: float, decay: float):
        folder.mkdir(parents=True, exist_ok=True)
        self.module, self.seed, self.rate, self.step = module, seed, rate, 0
        self.best, self.stale = -np.inf, 0
        self.file, self.best_file = folder / "checkpoint.safetensors", folder / "best.safetensors"
        self.optimiser = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=decay)

    def save(self) -> None:
        """Whole or not at all: written beside, then renamed."""
        tensors = {f"module.{k}": v for k, v in self.module.state_dict().items()}
        tensors |= optimiser_tensors(self.optimiser)
        about = {"step": str(self.step), "best": str(self.best), "stale": str(self.stale)}
        _write(self.file, tensors, about)

    def resume(self) -> None:
        """Go on from the checkpoint, where there is one."""
        if not self.file.exists():
            return
        tensors = load_file(self.file)
        with safe_open(self.file, "pt") as opened:
            about = opened.metadata()
        self.step, self.best, self.stale = int(about["step"]), float(about["best"]), int(about["stale"])
        self.module.load_state_dict({k[7:]: v for k, v in tensors.items() if k.startswith("module.")})
        load_optimiser(self.optimiser, tensors)

    def train(
        self,
        loss: Losses,
        steps: int,
        *,
        every: int = 100,
        report: Report = lambda done, total, text: None,
        cancelled: Callable[[], bool] = lambda: False,
        look: Look | None = None,
        log: Log = lambda step, values: None,
        gradients: Gradients | None = None,
    ) -> bool:
        """Train up to `steps` steps; a checkpoint and a line `every` steps. False where it was cancelled.

        With `look` the module ends with the weights that were best on the sets it looks at.
        """
        began, first, shown = time.monotonic(), self.step, None
        give_up = look.patience if look and look.patience else steps
        self.module.train()
        while self.step < steps and self.stale < give_up:
            if cancelled():
                self.save()
                return False
            value = self._take(loss, steps, gradients)
            shown = value if shown is None else SMOOTH * shown + (1 - SMOOTH) * value
            seen = look is not None and self.step % look.every == 0
            if look and seen:
                self._look(look, log)
            if seen or self.step % every == 0 or self.step == steps:
                self.save()
                left = (time.monotonic() - began) / (self.step - first) * (steps - self.step)
                score = f", held-out score {self.best:.3f} at best" if np.isfinite(self.best) else ""
                report(self.step, steps, f"loss {shown:.4f}{score}, {left:.0f} s left")
                log(self.step, {"loss": shown, "rate": self.optimiser.param_groups[0]["lr"]})
        if look and self.best_file.exists():
            self.module.load_state_dict(load_file(self.best_file))
        self.module.eval()
        return True

    def _look(self, look: Look, log: Log) -> None:
        self.module.eval()
        score = look.score()
        self.module.train()
        log(self.step, {"held-out score": score})
        self.stale += 1
        if score > self.best:
            self.best, self.stale = score, 0
            _write(self.best_file, self.module.state_dict(), {"step": str(self.step), "score": str(score)})

    def _take(self, loss: Losses, steps: int, gradients: Gradients | None) -> float:
        cosine = 0.5 * (1 + np.cos(np.pi * self.step / steps))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * min((self.step + 1) / WARM_UP, 1.0) * cosine
        if gradients is None:
            value = backward(self.module, loss, step_stream(self.seed, self.step), self.step)
        else:
            value = gradients(self.module, self.step)
        nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
        self.optimiser.step()
        self.step += 1
        return value


def _write(file: Path, tensors: dict[str, Tensor] | Iterable, about: dict[str, str]) -> None:
    part = file.with_suffix(".part")
    save_file({k: v.detach().cpu().contiguous() for k, v in dict(tensors).items()}, part, about)
    part.replace(file)
