"""The meta-learned starts of the two curve lessons, shipped in assets/lessons; see engine/training/lesson_starts.py."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from engine.learners.descent import Parameters
from engine.learners.platipus import Distribution

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "lessons"
WIDTHS = (1, 40, 40, 1)
SHOTS, RATE = 10, 0.01  # points a wave and inner rate, as trained
# The paper: 0.001 and 5 steps. SIGMA: the spread of the starts before training.
AMBIGUOUS_RATE, AMBIGUOUS_STEPS, SIGMA = 0.003, 3, 0.1
_PARTS = ("mean", "log_variance", "log_variance_q", "rates", "gamma_p", "gamma_q")


@cache
def wave_start() -> Parameters:
    """MAML's weights: {"w0": (1, 1, 40), "b0": (1, 1, 40), ...}. FileNotFoundError where they are missing."""
    return load_file(FOLDER / "wave.safetensors")


@cache
def ambiguous_start() -> Distribution:
    """PLATIPUS's distribution of weights."""
    raw = load_file(FOLDER / "ambiguous.safetensors")
    parts = {part: {k.split(".", 1)[1]: t for k, t in raw.items() if k.startswith(part + ".")} for part in _PARTS}
    return Distribution(**parts)


def flat_distribution(learned: Distribution) -> dict[str, Tensor]:
    """Its tensors by "part.name", for a file."""
    return {f"{part}.{name}": tensor for part in _PARTS for name, tensor in getattr(learned, part).items()}
