"""A family of tables with one row a case: drawn for several hospitals at once, with the truth of its label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from engine.phantoms.streams import stream
from engine.phantoms.tables.columns import Choice, Gap, Measure, draw, draw_choices, draw_measures, missing
from engine.phantoms.tables.hospital import Hospital
from engine.phantoms.tables.truth import Effect, Truth

RETURNING = 0.08  # of the rows are a second one of somebody who is there already


@dataclass(frozen=True)
class SyntheticTable:
    """A made table.

    `frame`: all hospitals in common headings, units and codes, with a column "hospital" ("lab" for molecules).
    `complete`: the same before anything was left blank. `frailty` (n,): how sick each row's patient is, which no column
    says. `smiles`: the column of molecules, if any; `long`: a row is one measurement of a visit.
    """

    task: str
    frame: pd.DataFrame
    complete: pd.DataFrame
    truth: Truth
    hospitals: tuple[Hospital, ...]
    units: Mapping[str, str]
    site: str = "hospital"
    patient: str = "patient_id"
    smiles: str | None = None
    long: bool = False
    frailty: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def own(self, hospital: Hospital) -> pd.DataFrame:
        """One hospital's rows as it would export them."""
        mine = self.frame[self.frame[self.site] == hospital.name].reset_index(drop=True)
        return hospital.write(mine)


@dataclass(frozen=True)
class Family:
    """What a table is drawn from. `start`: class -> log odds against the first class in the average patient (numeric
    target: "" -> the logarithm). `person`: columns that stay the same when a patient comes again; empty: nobody does.
    `noise`: standard deviation that no column explains, of a numeric target's logarithm. `number` makes what is written
    down of it, in `unit`."""

    task: str
    label: str
    classes: tuple[str, ...]
    measures: tuple[Measure, ...]
    choices: tuple[Choice, ...]
    start: Mapping[str, float]
    effects: tuple[Effect, ...]
    gaps: tuple[Gap, ...]
    hospitals: tuple[Hospital, ...]
    person: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    noise: float = 0.0
    number: Callable[[np.ndarray], np.ndarray] | None = None
    unit: str = ""

    def make(self, seed: int, rows: int = 300) -> SyntheticTable:
        """A table of about `rows` rows, shared evenly by the hospitals. The same seed gives the same table."""
        parts = [self._at(hospital, seed, rows // len(self.hospitals)) for hospital in self.hospitals]
        complete = pd.concat([part[0] for part in parts], ignore_index=True)
        frame = pd.concat([part[1] for part in parts], ignore_index=True)
        frailty = np.concatenate([part[2] for part in parts])
        units = {m.name: m.unit for m in self.measures if m.unit}
        if self.unit:
            units[self.label] = self.unit
        return SyntheticTable(self.task, frame, complete, self.truth(), self.hospitals, units, frailty=frailty)

    def truth(self) -> Truth:
        practice = {hospital.name: dict(hospital.practice) for hospital in self.hospitals}
        gaps = {gap.column: gap.sick for gap in self.gaps}
        target = "number" if self.number else "class"
        return Truth(target, self.label, self.classes, self.effects, practice, gaps)

    def _at(self, hospital: Hospital, seed: int, rows: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
        """(complete, with blanks, frailty) of one hospital."""

        def part(name: str) -> np.random.Generator:
            return stream(seed, self.task, hospital.letter, name)

        frailty = hospital.frailty + part("frailty").standard_normal(rows)
        again = self._again(rows, part("again"))
        frailty = frailty[again]
        columns = draw_measures(self.measures, frailty, part("measures"))
        columns |= draw_choices(self.choices, frailty, part("choices"))
        for name in self.person:
            columns[name] = columns[name][again]
        columns[self.label] = self._label(columns, hospital, part("label"))
        names = self.order or tuple(columns)
        frame = pd.DataFrame({name: columns[name] for name in (*names, self.label) if name in columns})
        frame.insert(0, "patient_id", [f"SYN-{hospital.letter}{i + 1:04d}" for i in again])
        frame.insert(1, "hospital", hospital.name)
        blanks = hospital.blank(frame)
        for gap in self.gaps:
            if gap.column not in hospital.absent:
                blanks[gap.column] = blanks[gap.column].mask(missing(gap, frailty, part(gap.column)))
        return frame, blanks, frailty

    def _again(self, rows: int, generator: np.random.Generator) -> np.ndarray:
        """Whose row each is: its own, or that of somebody above it."""
        who = np.arange(rows)
        if self.person:
            for row in np.flatnonzero(generator.random(rows) < RETURNING):
                who[row] = who[generator.integers(0, row + 1)]
        return who

    def odds(self, columns: Mapping[str, np.ndarray], hospital: Hospital) -> dict[str, np.ndarray]:
        """Class -> log odds (n,) against the first class; for a numeric target "" -> its expected logarithm."""
        measures = {m.name: m for m in self.measures}
        found = {
            on: np.full(len(columns[self.measures[0].name]), start + hospital.practice.get(on, 0.0))
            for on, start in self.start.items()
        }
        for effect in self.effects:
            values = columns[effect.column]
            part = measures[effect.column].z(values) if effect.column in measures else values == effect.level
            found[effect.on] = found[effect.on] + effect.strength * part
        return found

    def _label(self, columns: Mapping[str, np.ndarray], hospital: Hospital, generator: np.random.Generator):
        odds = self.odds(columns, hospital)
        if self.number:
            logarithm = odds[""]
            return self.number(np.exp(logarithm + self.noise * generator.standard_normal(len(logarithm))))
        zero = np.zeros(len(next(iter(odds.values()))))
        return np.array(self.classes, dtype=object)[
            draw(np.stack([odds.get(c, zero) for c in self.classes], 1), generator)
        ]
