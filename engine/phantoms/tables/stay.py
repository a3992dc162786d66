"""Beds and length of stay: how many days people stayed, one row an admission, known on the day of admission.

The median and the long tail are those of acute wards (a few days, some stay for weeks); the strengths are our choice.
"""

from __future__ import annotations

import numpy as np

from engine.phantoms.tables.columns import FRAILTY, Choice, Gap, Measure
from engine.phantoms.tables.family import Family
from engine.phantoms.tables.hospital import Hospital, Unit
from engine.phantoms.tables.truth import Effect

SHORTEST, LONGEST = 0.2, 90.0  # days
MEASURES = (
    Measure("age", "years", 66, 17, 18, 99, follows={FRAILTY: 0.4}),
    Measure("albumin", "g/L", 37, 5.5, 16, 50, follows={FRAILTY: -0.45}),
    Measure("crp", "mg/L", 24, 1.2, 0.5, 380, digits=1, skewed=True, follows={FRAILTY: 0.35, "albumin": -0.2}),
    Measure("sodium", "mmol/L", 138.5, 4, 116, 156, follows={FRAILTY: -0.2}),
    Measure("creatinine", "umol/L", 90, 0.4, 34, 700, skewed=True, follows={"age": 0.2, FRAILTY: 0.3}),
    Measure("haemoglobin", "g/L", 126, 19, 58, 180, follows={FRAILTY: -0.4}),
    Measure("heart_rate", "/min", 86, 16, 42, 160, follows={FRAILTY: 0.25}),
    Measure("barthel_index", "", 80, 22, 0, 100, follows={FRAILTY: -0.5, "age": -0.25}),
    Measure("medicines_at_home", "", 5, 0.7, 0, 24, skewed=True, follows={"age": 0.3, FRAILTY: 0.2}),
)
CHOICES = (
    Choice("sex", {"female": 0.5, "male": 0.5}),
    Choice("admission_type", {"elective": 0.32, "emergency": 0.68}, tilt={"emergency": 0.4}),
    Choice("admitted_for", {"heart": 0.24, "lung": 0.22, "digestive": 0.2, "hip fracture": 0.1, "other": 0.24}),
    Choice("lives_alone", {"no": 0.68, "yes": 0.32}),
    Choice("weekday", {"Mon": 0.17, "Tue": 0.16, "Wed": 0.15, "Thu": 0.15, "Fri": 0.15, "Sat": 0.11, "Sun": 0.11}),
    Choice("dementia", {"no": 0.9, "yes": 0.1}, tilt={"yes": 0.8}),
)
EFFECTS = (
    Effect("barthel_index", -0.28), Effect("albumin", -0.22), Effect("crp", 0.2), Effect("age", 0.12),
    Effect("admitted_for", 0.75, level="hip fracture"), Effect("admission_type", 0.35, level="emergency"),
    Effect("lives_alone", 0.25, level="yes"),
)  # fmt: skip
HOSPITALS = (
    Hospital("A"),
    Hospital(
        "B",
        frailty=0.3,
        practice={"": 0.25},
        headings={
            "patient_id": "PatientID", "age": "Age", "crp": "CRP", "haemoglobin": "Hb", "albumin": "Alb",
            "sodium": "Na", "length_of_stay": "Length of stay",
        },
        units={
            "albumin": Unit("g/dL", 0.1), "haemoglobin": Unit("g/dL", 0.1),
            "creatinine": Unit("mg/dL", 1 / 88.42, 0, 2),
            "crp": Unit("mg/dL", 0.1, 0, 2),
        },
        codes={"sex": {"female": "F", "male": "M"}, "lives_alone": {"no": "0", "yes": "1"}},
        absent=("barthel_index",),
    ),
    Hospital(
        "C",
        frailty=-0.2,
        practice={"": -0.2},
        headings={
            "patient_id": "住院号", "age": "年龄", "sex": "性别", "albumin": "白蛋白", "crp": "C反应蛋白",
            "sodium": "血钠", "creatinine": "肌酐", "haemoglobin": "血红蛋白", "heart_rate": "心率",
            "barthel_index": "巴氏指数", "admission_type": "入院方式", "admitted_for": "住院原因",
            "lives_alone": "独居", "weekday": "入院星期", "dementia": "痴呆", "length_of_stay": "住院天数",
        },
        codes={
            "sex": {"female": "女", "male": "男"}, "lives_alone": {"no": "否", "yes": "是"},
            "dementia": {"no": "否", "yes": "是"}, "admission_type": {"elective": "择期", "emergency": "急诊"},
        },
        absent=("medicines_at_home",),
    ),
)  # fmt: skip


def days(raw: np.ndarray) -> np.ndarray:
    """Days as they are counted from admission to discharge, to a tenth."""
    return np.round(np.clip(raw, SHORTEST, LONGEST), 1)


FAMILY = Family(
    "bed-planning", "length_of_stay", (), MEASURES, CHOICES, {"": np.log(2.8)}, EFFECTS,
    (Gap("crp", 0.25, 0.9), Gap("albumin", 0.25, 0.8), Gap("barthel_index", 0.2, 0.5), Gap("sodium", 0.05, 0.3)),
    HOSPITALS, person=("age", "sex", "lives_alone", "dementia"), noise=0.3, number=days, unit="days",
    order=(
        "age", "sex", "admission_type", "weekday", "admitted_for", "lives_alone", "dementia", "barthel_index",
        "medicines_at_home", "heart_rate", "albumin", "crp", "sodium", "creatinine", "haemoglobin",
    ),
)  # fmt: skip
