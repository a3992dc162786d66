"""Surgical risk: a serious complication within 30 days, one row an operation at one of three hospitals.

Columns are those that surgical registries record before an operation (ACS NSQIP's list); the strengths are our choice.
"""

from __future__ import annotations

from engine.phantoms.tables.columns import FRAILTY, Choice, Gap, Measure
from engine.phantoms.tables.family import Family
from engine.phantoms.tables.hospital import Hospital, Unit
from engine.phantoms.tables.truth import Effect

NO, YES = "no complication", "complication"
MEASURES = (
    Measure("age", "years", 61, 15, 18, 95, follows={FRAILTY: 0.4}),
    Measure("bmi", "kg/m2", 27.5, 5.2, 15.5, 54, digits=1),
    Measure("albumin", "g/L", 40, 5, 17, 52, follows={FRAILTY: -0.45}),
    Measure("haemoglobin", "g/L", 134, 17, 66, 182, follows={FRAILTY: -0.4}),
    Measure("creatinine", "umol/L", 82, 0.32, 34, 640, skewed=True, follows={"age": 0.25, FRAILTY: 0.3}),
    Measure("crp", "mg/L", 6, 1.1, 0.5, 340, digits=1, skewed=True, follows={FRAILTY: 0.4, "albumin": -0.2}),
    Measure("platelets", "10^9/L", 248, 72, 42, 640),
    Measure("planned_minutes", "min", 118, 0.5, 20, 560, skewed=True),
    Measure("pack_years", "", 6, 1.2, 0, 90, skewed=True),
)
CHOICES = (
    Choice("sex", {"female": 0.48, "male": 0.52}),
    Choice("asa_class", {"1": 0.18, "2": 0.44, "3": 0.31, "4": 0.07}, tilt={"1": -0.8, "3": 0.8, "4": 1.6}),
    Choice("urgency", {"elective": 0.74, "urgent": 0.16, "emergency": 0.1}, tilt={"emergency": 0.6}),
    Choice("procedure", {"colorectal": 0.26, "hepatobiliary": 0.16, "hernia": 0.22, "vascular": 0.16,
                         "orthopaedic": 0.2}),
    Choice("approach", {"open": 0.5, "laparoscopic": 0.5}),
    Choice("diabetes", {"no": 0.82, "yes": 0.18}, tilt={"yes": 0.4}),
    Choice("anticoagulant", {"no": 0.84, "yes": 0.16}, tilt={"yes": 0.4}),
)  # fmt: skip
EFFECTS = (
    Effect("albumin", -1.1, YES), Effect("planned_minutes", 0.9, YES), Effect("age", 0.6, YES),
    Effect("creatinine", 0.6, YES), Effect("urgency", 1.6, YES, "emergency"), Effect("urgency", 0.8, YES, "urgent"),
    Effect("asa_class", 1.4, YES, "4"), Effect("asa_class", 0.7, YES, "3"),
    Effect("procedure", 0.9, YES, "hepatobiliary"), Effect("approach", -0.7, YES, "laparoscopic"),
)  # fmt: skip
HOSPITALS = (
    Hospital("A"),
    Hospital(
        "B",
        frailty=0.5,
        practice={YES: 0.4},
        headings={
            "patient_id": "PatientID", "age": "Age", "bmi": "BMI", "albumin": "Albumin", "haemoglobin": "Hb",
            "creatinine": "Creatinine", "crp": "CRP", "asa_class": "ASA", "planned_minutes": "Planned duration",
            "outcome_30d": "Outcome",
        },
        units={
            "albumin": Unit("g/dL", 0.1), "haemoglobin": Unit("g/dL", 0.1),
            "creatinine": Unit("mg/dL", 1 / 88.42, 0, 2),
        },
        codes={
            "asa_class": {"1": "I", "2": "II", "3": "III", "4": "IV"}, "sex": {"female": "F", "male": "M"},
            "diabetes": {"no": "N", "yes": "Y"}, "anticoagulant": {"no": "N", "yes": "Y"},
        },
        absent=("platelets",),
    ),
    Hospital(
        "C",
        frailty=-0.3,
        practice={YES: -0.3},
        headings={
            "patient_id": "住院号", "age": "年龄", "sex": "性别", "bmi": "体重指数", "albumin": "白蛋白",
            "haemoglobin": "血红蛋白", "creatinine": "肌酐", "platelets": "血小板", "asa_class": "ASA分级",
            "urgency": "手术类型", "procedure": "手术部位", "approach": "入路", "planned_minutes": "预计时长",
            "diabetes": "糖尿病", "anticoagulant": "抗凝药", "outcome_30d": "结局",
        },
        codes={
            "sex": {"female": "女", "male": "男"}, "diabetes": {"no": "无", "yes": "有"},
            "anticoagulant": {"no": "无", "yes": "有"},
            "urgency": {"elective": "择期", "urgent": "限期", "emergency": "急诊"},
            "approach": {"open": "开放", "laparoscopic": "腹腔镜"},
            "outcome_30d": {NO: "无并发症", YES: "有并发症"},
        },
        absent=("crp", "pack_years"),
    ),
)  # fmt: skip
FAMILY = Family(
    "surgical-risk", "outcome_30d", (NO, YES), MEASURES, CHOICES, {YES: -1.5}, EFFECTS,
    (Gap("albumin", 0.25, 0.9), Gap("crp", 0.35, 0.9), Gap("creatinine", 0.06, 0.5), Gap("pack_years", 0.25)),
    HOSPITALS,
    order=(
        "age", "sex", "bmi", "asa_class", "procedure", "urgency", "approach", "planned_minutes", "albumin",
        "haemoglobin", "creatinine", "crp", "platelets", "diabetes", "anticoagulant", "pack_years",
    ),
)  # fmt: skip
