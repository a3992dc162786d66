"""Random streams with names: what one part of a phantom draws never shifts what another part draws.

So the same seed gives the same patient with and without a finding, at every hospital, whole or as a slab.
"""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *names: str) -> np.random.Generator:
    """The generator of one named part, e.g. `stream(3, "finding", "cavity")`."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])
