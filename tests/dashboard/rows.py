"""Projects of rows as the engine makes them, small, for tests of the page without a browser and without jobs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from engine.projects.store import Store
from engine.tables import Table, propose
from engine.tables.keeping import keep_table, load_table, row_case

CLASSES = ("stable", "worse")
SMILES = ("CCO", "c1ccccc1", "CC(=O)O", "CCN", "c1ccncc1", "CCCl", "CC=O", "CCCC")


def patients(rows: int = 16) -> Table:
    """Patients with a measurement that tells the two classes apart, more or less."""
    rng = np.random.default_rng(0)
    worse = np.arange(rows) % 2 == 1
    frame = pd.DataFrame(
        {
            "patient id": [f"P{i:03d}" for i in range(rows)],
            "age (years)": rng.normal(60, 9, rows).round(),
            "creatinine (mg/dL)": np.where(worse, 1.9, 1.1) + rng.normal(0, 0.5, rows),
            "sex": rng.choice(["f", "m"], rows),
            "outcome": np.where(worse, CLASSES[1], CLASSES[0]),
        }
    )
    frame.loc[0, "age (years)"] = np.nan
    return Table("patients.csv", frame, np.arange(2, rows + 2))


def numbers(rows: int = 16) -> Table:
    """The same patients with a stay in days instead of a class."""
    table = patients(rows)
    days = np.random.default_rng(1).integers(1, 30, rows).astype(float)
    return Table("stays.csv", table.frame.drop(columns="outcome").assign(days=days), table.lines)


def molecules() -> Table:
    frame = pd.DataFrame({"smiles": SMILES, "active": ["yes", "no"] * 4})
    return Table("molecules.csv", frame, np.arange(2, len(SMILES) + 2))


def project_of(
    store: Store,
    data_dir: Path,
    table: Table,
    *,
    label: str,
    unit: str | None = None,
    taught: int = 8,
    demo: bool = False,
) -> str:
    """Keep the table as a project: its first rows are labelled. `unit`: a number in that unit is learned."""
    dictionary = propose(table, label=label)
    kept = keep_table(table, dictionary, data_dir / "tables", b"k" * 32)
    rows, _, codes, sites = load_table(data_dir / "tables" / kept)
    kind = "molecule" if dictionary.named("molecule") else "record"
    target = {"target": "class"} if unit is None else {"target": "number", "unit": unit}
    values = list(rows.frame[label])
    classes = () if unit is not None else sorted(set(values))
    made = store.create_project(table.name, classes, settings={"table": kept, **target}, demo=demo)
    cases = [row_case(kept, i, codes[i], sites[i], kind=kind, columns=len(rows.columns)) for i in range(len(rows))]
    store.add_rows(made.id, cases, table=kept)
    given = {c.id: float(v) if unit is not None else str(v) for c, v in zip(cases, values, strict=True)}
    store.label_rows(made.id, dict(list(given.items())[:taught]))
    return made.id
