"""Synthetic hospital tables with known truth: patients, visits and molecules that nobody is behind."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from engine.phantoms.tables import emergency, followup, medication, molecules, stay, surgery
from engine.phantoms.tables.family import SyntheticTable
from engine.phantoms.tables.hospital import SYNTHETIC, Hospital
from engine.phantoms.tables.truth import Effect, Truth

_MAKERS: dict[str, Callable[..., SyntheticTable]] = {
    "diabetes-medication": medication.FAMILY.make,
    "emergency": emergency.FAMILY.make,
    "surgical-risk": surgery.FAMILY.make,
    "follow-up": followup.make,
    "molecule-activity": molecules.make,
    "bed-planning": stay.FAMILY.make,
}
TABLES = tuple(_MAKERS)


def make_table(task: str, seed: int = 1, rows: int | None = None) -> SyntheticTable:
    """The table of one of `TABLES`; `rows` rows (follow-up: patients), by default 300 (180). The same seed gives the
    same table. Raises KeyError for an unknown task."""
    return _MAKERS[task](seed) if rows is None else _MAKERS[task](seed, rows)


def own_table(table: SyntheticTable, hospital: Hospital) -> pd.DataFrame:
    """One hospital's rows as it would export them: its own headings, units, codes and blanks."""
    return followup.own(table, hospital) if table.long else table.own(hospital)


__all__ = ["SYNTHETIC", "TABLES", "Effect", "Hospital", "SyntheticTable", "Truth", "make_table", "own_table"]
