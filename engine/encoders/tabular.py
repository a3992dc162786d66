"""A row of a table -> embedding: `prepare` on the labelled rows once, then `embed` for any row of that table.

The embedding is what the record encoder makes of the row (where its weights are installed), then the row's own numbers
as `engine.tables.rows` scales them, then a 0/1 number for each column that some labelled row lacks. So no learner knows
less than the table says. Molecules are embedded by their own network where it is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from engine.tables import Dictionary, Table, rows
from engine.tables.molecules import Molecules
from engine.tables.rows import Plan, Rows

RECIPE = "1"  # raise it with every change of code that changes embeddings: it is part of the cache key


@dataclass(frozen=True)
class Prepared:
    """A table made ready by its labelled rows: the plan of its columns and the embedding of any row.

    `embed` takes what `rows` gives: values (m, d) float32 and missing (m, d) bool, and is differentiable in the values.
    """

    table: Table
    plan: Plan
    molecules: Mapping[str, Molecules] | None
    names: tuple[str, ...]
    columns: tuple[str, ...]
    masked: np.ndarray

    def rows(self, positions: np.ndarray | None = None) -> Rows:
        """The numbers of the rows at these positions (all without)."""
        return rows.apply(self.plan, self.table, positions, self.molecules)

    def embed(self, values: Tensor, missing: Tensor) -> Tensor:
        """(m, d), (m, d) -> (m, e) float32; each row rests on itself and the labelled rows' numbers alone."""
        return self.flat(values, missing)

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
        return [i for i in np.flatnonzero(self.masked) if i == 0 or self.columns[i] != self.columns[i - 1]]


def prepare(
    table: Table, dictionary: Dictionary, support: np.ndarray, molecules: Mapping[str, Molecules] | None = None
) -> Prepared:
    """Learn from the rows at `support` (positions), without their labels, how this table's rows become numbers.

    Raises Refusal (engine.sentences) where no column says anything.
    """
    plan = rows.fit(table, dictionary, support, molecules)
    first = rows.apply(plan, table, np.asarray(support, dtype=int)[:1], molecules)
    return Prepared(table, plan, molecules, first.names, first.columns, first.masked)


@lru_cache(maxsize=1)
def identity() -> str:
    """Which code and weights make these embeddings: part of every cache key."""
    return f"{RECIPE}-{hashlib.sha256(RECIPE.encode()).hexdigest()[:16]}"
