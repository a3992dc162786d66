"""A row of a table -> embedding: `prepare` on the labelled rows once, then `embed` for any row of that table.

The embedding is what the record encoder makes of the row (`record.py`), then the row's own numbers as
`engine.tables.rows` scales them, then a 0/1 number for each column that some labelled row lacks. So no learner knows
less than the table says. Columns of structures add what the molecule encoder (`molecule.py`) makes of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from engine.encoders.molecule import WEIGHTS, MoleculeColumns, load_molecule_encoder, molecule_columns
from engine.encoders.record import Columns, columns_of, digest, spread_over
from engine.tables import Dictionary, Table, rows
from engine.tables.molecules import Molecules
from engine.tables.rows import Plan, Rows

RECIPE = "4"  # raise it with every change of code that changes embeddings: it is part of the cache key
# Spread of the molecules' embedding beside that of all else where training saw none of the labelled molecules, and
# where it saw all: of new chemistry raw fragments tell more, of known substances the embedding (docs/molecules.md).
SAY = (0.6, 1.2)


@dataclass(frozen=True)
class Prepared:
    """A table made ready by its labelled rows: the plan of its columns and the embedding of any row. `known`: the share
    of the labelled molecules that the molecule encoder was trained on, None without any.

    `embed` takes what `rows` gives: values (m, d) float32 and missing (m, d) bool, and is differentiable in the values.
    """

    table: Table
    plan: Plan
    molecules: Mapping[str, Molecules] | None
    names: tuple[str, ...]
    columns: tuple[str, ...]
    masked: np.ndarray
    read: tuple[int, ...]
    context: Columns
    structures: MoleculeColumns
    known: float | None
    say: float

    def rows(self, positions: np.ndarray | None = None) -> Rows:
        """The numbers of the rows at these positions (all without)."""
        return rows.apply(self.plan, self.table, positions, self.molecules)

    def embed(self, values: Tensor, missing: Tensor) -> Tensor:
        """(m, d), (m, d) -> (m, e) float32; each row rests on itself and the labelled rows' numbers alone."""
        own = self.flat(values, missing)
        parts = [self.context.embed(own[:, list(self.read)]), own]
        if self.structures:
            parts.append(self.say * self.structures.embed(values.float()))
        return torch.cat(parts, dim=1)

    def flat(self, values: Tensor, missing: Tensor) -> Tensor:
        """(m, d), (m, d) -> (m, f): the row's own numbers, as `Rows.flat`."""
        return torch.cat([values.float(), missing[:, self._firsts].float()], dim=1)

    def embeddings(self, positions: np.ndarray | None = None) -> np.ndarray:
        """(n, e) float32 of the rows at these positions (all without)."""
        found = self.rows(positions)
        with torch.no_grad():
            return self.embed(torch.from_numpy(found.values), torch.from_numpy(found.missing)).numpy()

    @property
    def _firsts(self) -> list[int]:
        """The first number of each column that some labelled row lacks."""
        return first_masked(self.masked, self.columns)


def prepare(
    table: Table, dictionary: Dictionary, support: np.ndarray, molecules: Mapping[str, Molecules] | None = None
) -> Prepared:
    """Learn from the rows at `support` (positions), without their labels, how this table's rows become numbers.

    Raises Refusal (engine.sentences) where no column says anything.
    """
    plan = rows.fit(table, dictionary, support, molecules)
    labelled = rows.apply(plan, table, np.asarray(support, dtype=int), molecules)
    fragments = sum(len(each.mean) for each in plan.columns if each.how == "counts")
    kinds = [each.how for each in plan.columns for _ in each.names]
    kinds += ["mask"] * len(first_masked(labelled.masked, labelled.columns))
    own = labelled.flat()
    read = [i for i, kind in enumerate(kinds) if kind != "counts" or fragments == len(kinds)]
    read = [read[i] for i in spread_over(len(read))]
    context, structures = columns_of(torch.from_numpy(own[:, read])), molecule_columns(plan)
    keys = [each.keys[row] for each in (molecules or {}).values() for row in np.asarray(support, dtype=int)]
    known = load_molecule_encoder().known(keys) if structures else None
    return Prepared(
        table,
        plan,
        molecules,
        labelled.names,
        labelled.columns,
        labelled.masked,
        tuple(read),
        context,
        structures,
        known,
        _say(structures, known, context, torch.from_numpy(labelled.values), torch.from_numpy(own), read),
    )


@torch.no_grad()
def _say(
    structures: MoleculeColumns,
    known: float | None,
    context: Columns,
    values: Tensor,
    own: Tensor,
    read: Sequence[int],
) -> float:
    """What the molecules' embedding is multiplied by, so that on the labelled rows it spreads SAY times as far as the
    rest. 1 where there is none or one row."""
    if known is None:
        return 1.0
    say = say_of(known)
    rest = torch.cat([context.embed(own[:, list(read)]), own], dim=1)
    far, near = (float((x - x.mean(0)).square().sum(1).mean().sqrt()) for x in (rest, structures.embed(values)))
    return say * far / near if near > 0 and far > 0 else 1.0


def say_of(known: float) -> float:
    """SAY between its ends by the share of pairs of molecules (a distance is between two) that are both known."""
    return SAY[0] + (SAY[1] - SAY[0]) * known**2


def first_masked(masked: np.ndarray, columns: Sequence[str]) -> list[int]:
    """The first number of each column that some labelled row lacks: its mask is one number."""
    return [i for i in np.flatnonzero(masked) if i == 0 or columns[i] != columns[i - 1]]


@lru_cache(maxsize=1)
def identity() -> str:
    """Which code and weights make these embeddings: part of every cache key."""
    return f"{RECIPE}-{digest()}-{load_molecule_encoder().identity if WEIGHTS.exists() else 'none'}"
