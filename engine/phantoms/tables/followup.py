"""Remote follow-up of people with chronic heart failure: half a year of readings sent from home, a row a reading.

Who sends worsening readings is admitted in the three months after them more often: rising weight, high NT-proBNP,
falling steps, as telemonitoring trials watch for. The strengths are our choice. The sick send more readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.phantoms.streams import stream
from engine.phantoms.tables.columns import FRAILTY, Measure, draw_measures
from engine.phantoms.tables.family import SyntheticTable
from engine.phantoms.tables.hospital import Hospital, Unit
from engine.phantoms.tables.truth import Effect, Truth

STABLE, WORSENED = "stable", "worsened"
LABEL = "later_course"
DAYS = 180
START = np.datetime64("2024-01-08")
ODDS = -1.1  # of worsening in the average patient


@dataclass(frozen=True)
class Trajectory:
    """One thing measured at home: where people start (`level`), their drift a year (`slope` has mean and sd of it),
    reading-to-reading noise, days between readings. Skewed levels drift in their logarithm."""

    level: Measure
    drift: float
    noise: float
    every: int
    follows: float = 0.0  # correlation of the drift with frailty


TRAJECTORIES = (
    Trajectory(Measure("weight", "kg", 81, 15, 42, 160, digits=1), 5.0, 0.6, 14, 0.2),
    Trajectory(Measure("systolic pressure", "mmHg", 126, 16, 80, 200, follows={FRAILTY: -0.3}), 10.0, 7.0, 14),
    Trajectory(Measure("heart rate", "/min", 76, 11, 42, 140, follows={FRAILTY: 0.3}), 8.0, 5.0, 14),
    Trajectory(
        Measure("NT-proBNP", "pg/mL", 1300, 0.8, 40, 32000, skewed=True, follows={FRAILTY: 0.5}), 0.5, 0.15, 45, 0.2
    ),
    Trajectory(Measure("eGFR", "mL/min/1.73m2", 58, 19, 8, 120, follows={FRAILTY: -0.4}), 8.0, 3.0, 60, -0.2),
    Trajectory(Measure("steps a day", "", 3600, 0.6, 60, 16000, skewed=True, follows={FRAILTY: -0.4}), 0.7, 0.15, 14),
)
# Columns as a table of visits is summarised: the latest value and the slope a year of each thing measured.
EFFECTS = (
    Effect("weight slope", 1.6, WORSENED),
    Effect("NT-proBNP latest", 1.3, WORSENED),
    Effect("steps a day slope", -1.0, WORSENED),
)
HOSPITALS = (
    Hospital("A"),
    Hospital(
        "B",
        frailty=0.3,
        practice={WORSENED: 0.5},
        headings={"patient_id": "PatientID", "date": "Date", "measure": "Parameter", "value": "Value", "unit": "Unit",
                  LABEL: "Outcome"},
        codes={LABEL: {STABLE: "0", WORSENED: "1"}},
    ),
    Hospital(
        "C",
        frailty=-0.2,
        practice={WORSENED: -0.3},
        headings={"patient_id": "住院号", "age": "年龄", "sex": "性别", "date": "日期", "measure": "项目",
                  "value": "数值", "unit": "单位", LABEL: "结局"},
        codes={
            "sex": {"female": "女", "male": "男"}, LABEL: {STABLE: "稳定", WORSENED: "恶化"},
            "measure": {"weight": "体重", "systolic pressure": "收缩压", "heart rate": "心率",
                        "steps a day": "每日步数"},
        },
    ),
)  # fmt: skip
OWN_UNITS: Mapping[str, Mapping[str, Unit]] = {  # hospital -> thing measured -> how it writes it
    "B": {"weight": Unit("lb", 1 / 0.45359237), "NT-proBNP": Unit("pmol/L", 0.118)},
    "C": {"NT-proBNP": Unit("ng/L", 1.0, 0, 0)},
}


def make(seed: int, rows: int = 180) -> SyntheticTable:
    """`rows` patients with all their readings, shared evenly by the hospitals."""
    people = rows // len(HOSPITALS)
    parts = [_at(hospital, seed, people) for hospital in HOSPITALS]
    frame = pd.concat([part[0] for part in parts], ignore_index=True)
    practice = {hospital.name: dict(hospital.practice) for hospital in HOSPITALS}
    truth = Truth("class", LABEL, (STABLE, WORSENED), EFFECTS, practice)
    units = {t.level.name: t.level.unit for t in TRAJECTORIES}
    return SyntheticTable(
        "follow-up", frame, frame, truth, HOSPITALS, units, long=True, frailty=np.concatenate([p[1] for p in parts])
    )


def own(table: SyntheticTable, hospital: Hospital) -> pd.DataFrame:
    """One hospital's readings as it would export them: its units stand in their own column."""
    rows = table.frame[table.frame["hospital"] == hospital.name].reset_index(drop=True)
    for name, unit in OWN_UNITS.get(hospital.letter, {}).items():
        mine = rows["measure"] == name
        rows.loc[mine, "value"] = (rows.loc[mine, "value"] * unit.factor + unit.offset).round(unit.digits)
        rows.loc[mine, "unit"] = unit.text
    return hospital.write(rows)


def _at(hospital: Hospital, seed: int, people: int) -> tuple[pd.DataFrame, np.ndarray]:
    """(readings, frailty of each patient) of one hospital."""

    def part(name: str) -> np.random.Generator:
        return stream(seed, "follow-up", hospital.letter, name)

    frailty = hospital.frailty + part("frailty").standard_normal(people)
    levels = draw_measures(tuple(t.level for t in TRAJECTORIES), frailty, part("levels"))
    readings, latest, slopes = [], {}, {}
    for trajectory in TRAJECTORIES:
        rows, latest[trajectory.level.name], slopes[trajectory.level.name] = _readings(
            trajectory, levels[trajectory.level.name], frailty, part(trajectory.level.name)
        )
        readings.append(rows)
    measures = {t.level.name: t.level for t in TRAJECTORIES}
    odds = np.full(people, ODDS + hospital.practice.get(WORSENED, 0.0))
    for effect in EFFECTS:
        name, what = effect.column.rsplit(" ", 1)
        odds = odds + effect.strength * (slopes[name] if what == "slope" else measures[name].z(latest[name]))
    worsened = part("label").random(people) < 1 / (1 + np.exp(-odds))
    age = np.round(np.clip(71 + 10 * (0.4 * frailty + 0.9 * part("age").standard_normal(people)), 30, 97))
    person = pd.DataFrame(
        {
            "patient_id": [f"SYN-{hospital.letter}{i + 1:04d}" for i in range(people)],
            "hospital": hospital.name,
            "age": age,
            "sex": np.where(part("sex").random(people) < 0.42, "female", "male"),
            LABEL: np.where(worsened, WORSENED, STABLE),
        }
    )
    long = pd.concat(readings, ignore_index=True).sort_values(["who", "date"], kind="stable")
    frame = long.join(person, on="who")[
        ["patient_id", "hospital", "age", "sex", "date", "measure", "value", "unit", LABEL]
    ]
    return frame.reset_index(drop=True), frailty


def _readings(
    trajectory: Trajectory, level: np.ndarray, frailty: np.ndarray, generator: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """(long rows, what each patient's line ends at, z-score (n,) of each patient's drift) of one thing measured."""
    measure, people = trajectory.level, len(level)
    drift = trajectory.follows * frailty + np.sqrt(1 - trajectory.follows**2) * generator.standard_normal(people)
    # The sick send more: half as many days between readings at two standard deviations of frailty.
    every = np.clip(trajectory.every / (1 + 0.25 * frailty.clip(-2, 2)), 5, 90)
    whose, when, read = [], [], []
    for who in range(people):
        days = np.arange(generator.uniform(0, every[who]), DAYS, every[who])
        days = np.unique(np.clip(np.round(days + generator.normal(0, 1.5, len(days))), 0, DAYS - 1))
        change = trajectory.drift * drift[who] * days / 365.25
        noise = trajectory.noise * generator.standard_normal(len(days))
        raw = level[who] * np.exp(change + noise) if measure.skewed else level[who] + change + noise
        value = np.round(np.clip(raw, measure.low, measure.high), measure.digits)
        whose.append(np.full(len(days), who))
        when.append(START + days.astype("timedelta64[D]"))
        read.append(value)
    end = trajectory.drift * drift * DAYS / 365.25
    latest = level * np.exp(end) if measure.skewed else level + end
    rows = {"who": np.concatenate(whose), "date": np.concatenate(when), "value": np.concatenate(read)}
    return pd.DataFrame(rows).assign(measure=measure.name, unit=measure.unit), latest, drift
