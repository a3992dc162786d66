"""A molecule -> embedding: its counted fragments and descriptors through a small net that has seen hundreds of assays.

Fingerprints rather than a graph: a fully connected net over circular fragments and descriptors is what leads few-shot
assays without a graph (MHNfs, Schimunek et al. 2023, arXiv 2305.09481), it takes microseconds on a CPU, and an
attribution to a fragment is an attribution to atoms. What it was trained on: assets/weights/molecules.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.tables.molecules import COUNTS, DESCRIPTORS
from engine.tables.rows import Plan

WEIGHTS = Path(__file__).resolve().parents[2] / "assets" / "weights" / "molecules.safetensors"
HIDDEN, SIZE = 512, 256
SEEN = "seen"  # in the file: numbers of the substances that training saw
CLIP = 6.0  # of a descriptor in its spreads: a peptide of 60 amino acids must not drown its fragments


class MoleculeNet(nn.Module):
    """Counts (m, 2377) and descriptors (m, 20) -> embedding (m, 256), none of it negative.

    `centre` and `scale` (20,) are of the logarithms of the descriptors of the training molecules. `dropped` is the
    share of hidden numbers that training hides.
    """

    def __init__(self, dropped: float = 0.0, hidden: int = HIDDEN, size: int = SIZE):
        super().__init__()
        self.register_buffer("centre", torch.zeros(len(DESCRIPTORS)))
        self.register_buffer("scale", torch.ones(len(DESCRIPTORS)))
        self.first, self.second = nn.Linear(COUNTS + len(DESCRIPTORS), hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, size)
        self.norms = nn.ModuleList([nn.LayerNorm(hidden), nn.LayerNorm(hidden)])
        self.drop = nn.Dropout(dropped)

    def inputs(self, counts: Tensor, descriptors: Tensor) -> Tensor:
        """(m, 2377), (m, 20) -> (m, 2397): log(1 + count), and descriptors in spreads of the training molecules; one
        that is missing (NaN) counts as the mean."""
        small = (signed_log(descriptors) - self.centre) / self.scale
        return torch.cat([counts.float().log1p(), torch.nan_to_num(small).clamp(-CLIP, CLIP)], dim=1)

    def body(self, inputs: Tensor) -> Tensor:
        """(m, 2397) -> (m, 256) before the last rectifier."""
        hidden = self.drop(torch.relu(self.norms[0](self.first(inputs))))
        hidden = hidden + self.drop(torch.relu(self.norms[1](self.second(hidden))))
        return self.last(hidden)

    def forward(self, counts: Tensor, descriptors: Tensor) -> Tensor:
        return torch.relu(self.body(self.inputs(counts, descriptors)))


def signed_log(values: Tensor) -> Tensor:
    """sign(v) log(1 + |v|): weights of hundreds and charges of one on one scale."""
    return values.sign() * values.abs().log1p()


class MoleculeEncoder:
    """The frozen net. `size` numbers an embedding; `identity` changes with the weights and belongs in cache keys;
    `seen`: the numbers (`numbers_of`) of the substances that it was trained on."""

    def __init__(self, net: MoleculeNet, identity: str, seen: Iterable[int] = ()):
        self.net, self.identity, self.size = net.eval().requires_grad_(False), identity, net.last.out_features
        self._seen = frozenset(seen)

    def known(self, keys: Sequence[str]) -> float:
        """The share of these canonical SMILES (0..1; "" for no molecule doesn't count) that training saw: how much the
        embedding may be trusted here. Of new chemistry plain fragments tell more (docs/molecules.md)."""
        there = [key for key in keys if key]
        return sum(number in self._seen for number in numbers_of(there)) / max(len(there), 1)

    def embed(self, counts: Tensor, descriptors: Tensor) -> Tensor:
        """Counts (m, 2377) and descriptors (m, 20), as `engine.tables.molecules` gives them, -> (m, e) float32.

        Differentiable in both; each row depends on its own molecule alone. ValueError for another number of columns.
        """
        if counts.shape[1] != COUNTS or descriptors.shape[1] != len(DESCRIPTORS):
            raise ValueError(f"a molecule is {COUNTS} counts and {len(DESCRIPTORS)} descriptors")
        return self.net(counts, descriptors.float())


@lru_cache(maxsize=4)
def load_molecule_encoder(path: Path = WEIGHTS) -> MoleculeEncoder:
    """The encoder that ships, or the one in this file. FileNotFoundError where there is none."""
    tensors = load_file(path)
    seen = tensors.pop(SEEN).tolist()
    net = MoleculeNet(hidden=tensors["first.weight"].shape[0], size=tensors["last.weight"].shape[0])
    net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return MoleculeEncoder(net, hashlib.sha256(path.read_bytes()).hexdigest()[:16], seen)


def numbers_of(keys: Iterable[str]) -> list[int]:
    """A number of 31 bits for each canonical SMILES: 4 bytes a substance in the file instead of its structure."""
    return [int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") >> 1 for key in keys]


def save_net(net: MoleculeNet, path: Path, about: dict[str, str], seen: Iterable[str] = ()) -> None:
    """Write the net in 16 bits, with what it is in the file's own words, and which substances (canonical SMILES) it was
    trained on."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in net.state_dict().items()}
    tensors[SEEN] = torch.from_numpy(np.array(sorted(set(numbers_of(seen))), np.int32))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, about)


@dataclass(frozen=True)
class MoleculeColumns:
    """The columns of structures among the numbers of a table's row: where each column's fragments and descriptors
    stand, and the mean and spread its descriptors were scaled by."""

    places: tuple[tuple[slice, slice, Tensor, Tensor], ...]

    def __bool__(self) -> bool:
        return bool(self.places)

    def embed(self, values: Tensor) -> Tensor:
        """What `Rows.values` holds (m, d) -> (m, 256 a column of structures), differentiable."""
        net, parts = load_molecule_encoder(), []
        for fragments, descriptors, mean, spread in self.places:
            counts = values[:, fragments].expm1().clamp(min=0)
            parts.append(net.embed(counts, values[:, descriptors] * spread + mean))
        return torch.cat(parts, dim=1) if parts else values[:, :0]


def molecule_columns(plan: Plan) -> MoleculeColumns:
    """Find a plan's columns of structures; none where the weights are not there."""
    found: dict[str, dict[str, slice]] = {}
    scales, start = {}, 0
    for each in plan.columns:
        here = slice(start, start + len(each.names))
        start = here.stop
        if each.how in ("counts", "descriptors"):
            found.setdefault(each.column, {})[each.how] = here
        if each.how == "descriptors":
            scales[each.column] = (torch.tensor(each.mean), torch.tensor(each.spread))
    whole = {name: parts for name, parts in found.items() if len(parts) == 2} if WEIGHTS.exists() else {}
    return MoleculeColumns(tuple((p["counts"], p["descriptors"], *scales[name]) for name, p in whole.items()))
