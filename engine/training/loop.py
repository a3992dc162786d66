"""A training run that can be killed: every step draws from its own random stream, so a resumed run is the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

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


class Run:
    """A module, its optimiser and its step, kept together in one file of safetensors under `folder`."""

    def __init__(self, module: nn.Module, folder: Path, *, seed: int, rate: float, decay: float):
        folder.mkdir(parents=True, exist_ok=True)
        self.module, self.seed, self.rate, self.step = module, seed, rate, 0
        self.file = folder / "checkpoint.safetensors"
        self.optimiser = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=decay)

    def save(self) -> None:
        """Whole or not at all: written beside, then renamed."""
        tensors = {f"module.{k}": v for k, v in self.module.state_dict().items()}
        tensors |= optimiser_tensors(self.optimiser)
        part = self.file.with_suffix(".part")
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part, {"step": str(self.step)})
        part.replace(self.file)

    def resume(self) -> None:
        """Go on from the checkpoint, where there is one."""
        if not self.file.exists():
            return
        tensors = load_file(self.file)
        with safe_open(self.file, "pt") as opened:
            self.step = int(opened.metadata()["step"])
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
    ) -> bool:
        """Train up to `steps` steps; a checkpoint and a line `every` steps. False where it was cancelled."""
        began, first, shown = time.monotonic(), self.step, None
        self.module.train()
        while self.step < steps:
            if cancelled():
                self.save()
                return False
            value = self._take(loss, steps)
            shown = value if shown is None else SMOOTH * shown + (1 - SMOOTH) * value
            if self.step % every == 0 or self.step == steps:
                self.save()
                left = (time.monotonic() - began) / (self.step - first) * (steps - self.step)
                report(self.step, steps, f"loss {shown:.4f}, {left:.0f} s left")
        self.module.eval()
        return True

    def _take(self, loss: Losses, steps: int) -> float:
        rng = np.random.default_rng([self.seed, self.step])
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        cosine = 0.5 * (1 + np.cos(np.pi * self.step / steps))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * min((self.step + 1) / WARM_UP, 1.0) * cosine
        self.optimiser.zero_grad(set_to_none=True)
        value = loss(rng)
        if not torch.isfinite(value):
            raise ValueError(f"the loss is no longer a number at step {self.step}: lower the rate and start again")
        value.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
        self.optimiser.step()
        self.step += 1
        return float(value.detach())
