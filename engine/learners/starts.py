"""Meta-learned starts as they ship: safetensors files under assets/weights, one a method, each with its card.

Apart from the methods' own files, so that those need torch alone.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from engine.learners.head import Start

WEIGHTS = Path(__file__).resolve().parents[2] / "assets" / "weights"


def start_file(name: str) -> Path:
    return WEIGHTS / f"{name}.safetensors"


@cache
def shipped_start(name: str) -> Start | None:
    """The meta-learned start of a method, or None where none ships (the learner then starts plain, and says so)."""
    path = start_file(name)
    return load_start(path) if path.exists() else None


def load_start(path: Path) -> Start:
    """Read a start. Raises ValueError with the file's name for tensors that don't fit together."""
    raw = {name: tensor.float() for name, tensor in load_file(path).items()}
    rates = {name.removeprefix("rates."): tensor for name, tensor in raw.items() if name.startswith("rates.")}
    lengths = {len(rate) for rate in rates.values()}
    if set(rates) != {"rows", "bias", "gate"} or len(lengths) != 1 or raw["gate"].ndim != 1 or raw["pull"].ndim != 0:
        raise ValueError(f"{path.name} is not a meta-learned start of this version.")
    if not all(torch.isfinite(tensor).all() for tensor in raw.values()):
        raise ValueError(f"{path.name} holds numbers that are not finite.")
    return Start(raw["gate"], raw["pull"], rates, meta_trained=True)


def save_start(start: Start, path: Path, about: dict[str, str]) -> None:
    """Write a start; `about` goes in the file's header (encoder, seed, training sets)."""
    tensors = {"gate": start.gate, "pull": start.pull, **{f"rates.{n}": r for n, r in start.rates.items()}}
    save_file({name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}, path, metadata=about)
