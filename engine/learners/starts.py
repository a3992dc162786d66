"""Meta-learned starts as they ship: safetensors files under assets/weights, one a method, each with its card.

Apart from the methods' own files, so that those need torch alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.learners.cells import CellNet
from engine.learners.head import Start
from engine.learners.lstm_meta import LSTMStart, MetaLSTM
from engine.learners.matching import FullContext, MatchingStart
from engine.learners.platipus import Distribution
from engine.learners.reptile import ReptileStart

WEIGHTS = Path(__file__).resolve().parents[2] / "assets" / "weights"

RECORDS = "records-"  # a start for rows of tables is named so
Tensors = Mapping[str, Tensor]


def start_file(name: str, records: bool = False) -> Path:
    return WEIGHTS / f"{RECORDS if records else ''}{name}.safetensors"


def start_used(name: str, records: bool = False) -> Path | None:
    """The file that a method starts from: of rows its own where there is one, else that for images; None: plainly."""
    return next((p for p in (start_file(name, records), start_file(name)) if p.exists()), None)


@cache
def start_identity(name: str, records: bool = False) -> str | None:
    """Which weights a method starts from; None where it starts plainly."""
    path = start_used(name, records)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path else None


@cache
def shipped_start(name: str, records: bool = False) -> Any | None:
    """The meta-learned start of a method for images, or with `records` for rows of tables; None where none ships (the
    learner then starts plain, and says so)."""
    path = start_file(name, records)
    return load_start(path, name) if path.exists() else None


def load_start(path: Path, name: str = "maml") -> Any:
    """Read the start of the method `name`. Raises ValueError with the file's name for tensors that don't fit."""
    raw = {key: tensor.float() for key, tensor in load_file(path).items()}
    if not all(torch.isfinite(tensor).all() for tensor in raw.values()):
        raise ValueError(f"{path.name} holds numbers that are not finite.")
    try:
        return _READ[name](raw)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is not a meta-learned start of this version.") from error


def save_start(start: Any, path: Path, about: dict[str, str]) -> None:
    """Write a start; `about` goes in the file's header (encoder, seed, training sets)."""
    tensors = _WRITE[type(start)](start)
    save_file({name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}, path, metadata=about)


def part(raw: Tensors, prefix: str) -> dict[str, Tensor]:
    """The tensors named `prefix.*`, without the prefix."""
    return {key.removeprefix(f"{prefix}."): t for key, t in raw.items() if key.startswith(f"{prefix}.")}


def named(prefix: str, tensors: Tensors) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _read_head(raw: Tensors) -> Start:
    rates = part(raw, "rates")
    lengths = {len(rate) for rate in rates.values()}
    if set(rates) != {"rows", "bias", "gate"} or len(lengths) != 1 or raw["gate"].ndim != 1 or raw["pull"].ndim != 0:
        raise ValueError("rates, gate and pull don't fit")
    return Start(raw["gate"], raw["pull"], rates, meta_trained=True)


def _write_head(start: Start) -> dict[str, Tensor]:
    return {"gate": start.gate, "pull": start.pull, **named("rates", start.rates)}


def _read_reptile(raw: Tensors) -> ReptileStart:
    second = part(raw, "second")
    if set(second) != {"rows", "bias", "pull"} or any(t.ndim != 0 for t in (*second.values(), raw["pull"])):
        raise ValueError("second moments and pull don't fit")
    temperature = float(raw["temperature"])
    if not temperature > 0:
        raise ValueError("the temperature isn't positive")
    return ReptileStart(raw["pull"], second, int(raw["count"]), float(raw["rate"]), int(raw["steps"]), temperature)


def _write_reptile(start: ReptileStart) -> dict[str, Tensor]:
    whole = {"count": start.count, "rate": start.rate, "steps": start.steps, "temperature": start.temperature}
    return {
        "pull": start.pull,
        **named("second", start.second),
        **{n: torch.tensor(float(v)) for n, v in whole.items()},
    }


def _read_lstm(raw: Tensors) -> LSTMStart:
    weights = part(raw, "rule")
    rule = MetaLSTM(weights["reader.weight_hh"].shape[1])
    rule.load_state_dict(weights)
    return LSTMStart(rule.requires_grad_(False), raw["pull"], int(raw["steps"]))


def _write_lstm(start: LSTMStart) -> dict[str, Tensor]:
    return {**named("rule", start.rule.state_dict()), "pull": start.pull, "steps": torch.tensor(float(start.steps))}


_PARTS = ("mean", "log_variance", "log_variance_q", "rates", "gamma_p", "gamma_q")


def _read_platipus(raw: Tensors) -> Distribution:
    parts = {name: part(raw, name) for name in _PARTS}
    if set(parts["mean"]) != {"pull"} or any(set(parts[n]) != {"rows", "bias"} for n in _PARTS[1:]):
        raise ValueError("the distribution lacks a part")
    return Distribution(**parts)


def _write_platipus(start: Distribution) -> dict[str, Tensor]:
    return {key: tensor for name in _PARTS for key, tensor in named(name, getattr(start, name)).items()}


def _read_matching(raw: Tensors) -> MatchingStart:
    weights = part(raw, "context")
    if not weights:
        return MatchingStart(raw["scale"], raw["mix"])
    context = FullContext(len(raw["projection"]), int(raw["looks"]))
    context.load_state_dict(weights)
    return MatchingStart(raw["scale"], raw["mix"], raw["projection"], context.requires_grad_(False))


def _write_matching(start: MatchingStart) -> dict[str, Tensor]:
    tensors = {"scale": start.scale, "mix": start.mix}
    if start.context is not None:
        tensors |= {"projection": start.projection, **named("context", start.context.state_dict())}
        tensors["looks"] = torch.tensor(float(start.context.looks))
    return tensors


def _read_cells(raw: Tensors) -> CellNet:
    """Every measure of the network can be read off its tensors but the number of heads, which is one of its own."""
    weights = {key: tensor for key, tensor in raw.items() if key != "heads"}
    layers = len({key.split(".")[1] for key in weights if key.startswith("layers.")})
    net = CellNet(len(weights["norm.bias"]), int(raw["heads"]), len(weights["layers.0.wide.bias"]), layers)
    net.load_state_dict(weights)
    return net.eval().requires_grad_(False)


_READ: dict[str, Callable[[Tensors], Any]] = {
    "maml": _read_head,
    "maml-first-order": _read_head,
    "anil": _read_head,
    "reptile": _read_reptile,
    "lstm": _read_lstm,
    "platipus": _read_platipus,
    "matching": _read_matching,
    "incontext": _read_cells,
}
_WRITE: dict[type, Callable[[Any], dict[str, Tensor]]] = {
    Start: _write_head,
    ReptileStart: _write_reptile,
    LSTMStart: _write_lstm,
    Distribution: _write_platipus,
    MatchingStart: _write_matching,
}
