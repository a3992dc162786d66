"""From the amounts of a molecule's fragments to its atoms: each fragment's share goes to the atoms it is made of."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from engine.jobs.work.row_data import RowData
from engine.tables.molecule_reading import fragments_of
from engine.tables.molecules import BITS, COUNTS
from engine.tables.rows import Rows, texts_of


def atom_weights(data: RowData, row: int, rows: Rows, single: Tensor) -> dict[str, list[float]]:
    """{column: (atoms,) weights in -1..1, the strongest atom at 1 or -1}; nothing for a structure that cannot be read.

    `single` (2 d,): the amount of each number of the row, values first. Atoms are counted as in the column's SMILES.
    """
    found = {}
    for column, molecules in data.molecules.items():
        if row in molecules.problems:
            continue
        first = rows.columns.index(column)  # circular fragments come first
        amounts = single[first : first + BITS].double().numpy()
        smiles = texts_of(data.table.frame[column].iloc[[row]]).iloc[0]
        found[column] = spread_over_atoms(amounts, fragments_of(str(smiles)))
    return found


def shown_by_atoms(rows: Rows, data: RowData, single: Tensor) -> dict[str, float]:
    """{column: share in 0..1 of what a structure's counts say, by size, that stands on atoms}: circular fragments do,
    structural keys count things of the whole molecule and have no place in the drawing."""
    found = {}
    for column in data.molecules:
        first = rows.columns.index(column)
        amounts = single[first : first + COUNTS].double().abs()
        total = float(amounts.sum())
        found[column] = float(amounts[:BITS].sum()) / total if total > 0 else 1.0
    return found


def spread_over_atoms(amounts: np.ndarray, fragments: list[list[list[int]]]) -> list[float]:
    """(bits,) amounts and by bit the atoms of each place where its fragment stands -> (atoms,) weights in -1..1."""
    atoms = 1 + max((a for places in fragments for place in places for a in place), default=-1)
    weights = np.zeros(atoms)
    for amount, places in zip(amounts, fragments, strict=True):
        for place in places:
            weights[place] += amount / (len(places) * len(place))
    strongest = np.abs(weights).max(initial=0.0)
    return (weights / strongest if strongest > 0 else weights).tolist()
