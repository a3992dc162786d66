"""A hospital: whom it sees, how it decides, and how it writes a table down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

SYNTHETIC = "synthetic"  # stands in every hospital's name, so in every row


@dataclass(frozen=True)
class Unit:
    """Another unit of a column: own value = value * factor + offset."""

    text: str
    factor: float
    offset: float = 0.0
    digits: int = 1


@dataclass(frozen=True)
class Hospital:
    """`frailty` is its patients' mean; `practice`: class -> what it adds to the log odds of choosing it ("" for the
    logarithm of a number). `headings`, `units` and `codes` are how it writes columns; `absent` it never writes."""

    letter: str
    frailty: float = 0.0
    practice: Mapping[str, float] = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{SYNTHETIC} {self.letter}"

    def write(self, rows: pd.DataFrame) -> pd.DataFrame:
        """This hospital's rows of the joined table as it would export them itself: no column names the hospital."""
        own = {}
        for column in rows.columns:
            if column in self.absent or column in ("hospital", "lab"):
                continue
            values = rows[column]
            if column in self.units:
                unit = self.units[column]
                values = (values.astype(float) * unit.factor + unit.offset).round(unit.digits)
            if column in self.codes:
                values = values.map(lambda v, codes=self.codes[column]: v if pd.isna(v) else codes.get(v, v))
            own[self.heading(column)] = values.to_numpy()
        return pd.DataFrame(own)

    def heading(self, column: str) -> str:
        """What this hospital calls a column; its unit stands behind it where it is another than the joined table's."""
        heading = self.headings.get(column, column)
        return f"{heading} ({self.units[column].text})" if column in self.units else heading

    def blank(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows without what this hospital never writes down."""
        return rows.assign(**{c: np.nan if rows[c].dtype.kind == "f" else None for c in self.absent if c in rows})
