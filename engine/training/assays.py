"""Tables of assays -> one matrix of molecules by assays: what the molecule encoder is trained and tested on.

A table of assays is a CSV (gzip or not) with a column of SMILES and one column an assay: 1 active, 0 inactive, empty
not measured. A molecule that stands in several rows or tables is one row here; rows that contradict each other about
an assay count as not measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from engine.tables.molecule_reading import read_molecules

SMILES = "smiles"
CHUNK = 2000  # molecules a file of kept fingerprints: half a minute's work
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Assays:
    """`counts` (n, 2377) uint8, `descriptors` (n, 20) float32, `labels` (n, t) float32 of 0, 1 and NaN, `names` (t,) as
    "table:column", `keys` (n,) canonical SMILES: equal keys are the same substance."""

    counts: np.ndarray
    descriptors: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    keys: tuple[str, ...]

    def without(self, names: Sequence[str]) -> Assays:
        """Leave assays out. ValueError for a name that is not there: a held-out assay must not slip back in."""
        if unknown := set(names) - set(self.names):
            raise ValueError(f"there is no assay called {', '.join(sorted(unknown))}")
        kept = [i for i, name in enumerate(self.names) if name not in names]
        return replace(self, labels=self.labels[:, kept], names=tuple(self.names[i] for i in kept))

    def blind(self, rows: np.ndarray) -> Assays:
        """The same molecules, but without any label of those in `rows` (n,) bool."""
        labels = self.labels.copy()
        labels[rows] = np.nan
        return replace(self, labels=labels)

    def of(self, name: str) -> np.ndarray:
        """(n,) the labels of one assay."""
        return self.labels[:, self.names.index(name)]


def read_assays(path: Path, smiles: str = SMILES, *, most: int = 0, seed: int = 0) -> tuple[list[str], pd.DataFrame]:
    """The SMILES (n,) of one CSV and its assays, a column each.

    `most` > 0: all molecules that are active somewhere, and so many of the others (MUV has 500 inactives an active).
    Raises ValueError that names the column where a value is neither 0, 1 nor empty.
    """
    table = read_table(path, smiles)
    if most:
        active = (table.drop(columns=smiles) == 1).any(axis=1).to_numpy()
        rest = np.random.default_rng(seed).permutation(np.flatnonzero(~active))[:most]
        table = table.iloc[np.sort(np.concatenate([np.flatnonzero(active), rest]))]
    return table[smiles].tolist(), table.drop(columns=smiles)


def read_table(path: Path, smiles: str) -> pd.DataFrame:
    """A CSV of assays, rows without SMILES left out. Raises ValueError for what is no table of assays."""
    table = pd.read_csv(path)
    if smiles not in table:
        raise ValueError(f"{path.name}: there is no column '{smiles}'; columns are {', '.join(table.columns[:20])}")
    table = table[table[smiles].notna()]
    for name in table.columns.drop(smiles):
        odd = ~(table[name].isna() | table[name].isin([0, 1]))
        if odd.any():
            raise ValueError(f"{path.name}: column '{name}' holds {table[name][odd].iloc[0]!r}; 0, 1 or empty is read")
    return table


def load_assays(
    files: dict[str, Path],
    cache: Path,
    *,
    smiles: str = SMILES,
    most: dict[str, int] | None = None,
    report: Report = lambda done, total, text: None,
) -> Assays:
    """All tables as one matrix; `files` by the name that stands before each assay's, `most` as in `read_assays`.

    Fingerprints take minutes for some 25,000 molecules, so they are kept in `cache`, by substance.
    """
    texts: list[str] = []
    tables = []
    for name, path in files.items():
        found, labels = read_assays(path, smiles, most=(most or {}).get(name, 0))
        tables.append((name, labels, len(texts)))
        texts += found
    unique = list(dict.fromkeys(texts))  # a table's texts stay together, so adding a table keeps the others' files
    counts, descriptors, keys = fingerprints(unique, cache, report)
    place = {text: i for i, text in enumerate(unique)}
    substances = list(dict.fromkeys(key for key in keys if key))
    row = {key: i for i, key in enumerate(substances)}
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    names = tuple(f"{name}:{column}" for name, labels, _ in tables for column in labels.columns)
    rows = np.array([row.get(keys[place[text]], -1) for text in texts])
    labels = _merged(tables, rows, len(substances), len(names))
    chosen = [first[key] for key in substances]
    return Assays(counts[chosen], descriptors[chosen], labels, names, tuple(substances))


def _merged(tables: list, rows: np.ndarray, molecules: int, assays: int) -> np.ndarray:
    """(molecules, assays) labels; NaN where nothing was measured or two rows disagree."""
    low = np.full((molecules, assays), np.inf, dtype=np.float32)
    high = np.full((molecules, assays), -np.inf, dtype=np.float32)
    column = 0
    for _, labels, start in tables:
        values = labels.to_numpy(dtype=np.float32)
        at = rows[start : start + len(values)]
        for i in range(values.shape[1]):
            told = (at >= 0) & ~np.isnan(values[:, i])
            np.minimum.at(low[:, column + i], at[told], values[told, i])
            np.maximum.at(high[:, column + i], at[told], values[told, i])
        column += values.shape[1]
    return np.where(low == high, low, np.float32(np.nan))


def fingerprints(texts: list[str], cache: Path, report: Report) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(n, 2377), (n, 20) and canonical SMILES ("" for what is no molecule) of these SMILES; kept in `cache` by CHUNK,
    so that a killed run goes on."""
    cache.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        mark = hashlib.sha256("\n".join(chunk).encode()).hexdigest()[:16]
        file = cache / f"molecules-{mark}.npz"
        if not file.exists():
            found = read_molecules(chunk)
            part = file.with_suffix(".part.npz")
            np.savez_compressed(part, counts=found.counts, descriptors=found.descriptors, keys=np.array(found.keys))
            part.replace(file)
            report(start + len(chunk), len(texts), "fingerprints")
        with np.load(file, allow_pickle=False) as kept:
            parts.append((kept["counts"], kept["descriptors"], kept["keys"].tolist()))
    counts, descriptors, keys = zip(*parts, strict=True)
    return np.concatenate(counts), np.concatenate(descriptors), [key for each in keys for key in each]
