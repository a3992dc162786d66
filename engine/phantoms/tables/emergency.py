"""Emergency decision support: where triage sent people of three emergency departments, one row a visit.

Ranges of vital signs as in adult emergency visits; what decides follows the physiology that early warning scores weigh
(NEWS2, Royal College of Physicians 2017), the strengths are our choice.
"""

from __future__ import annotations

from engine.phantoms.tables.columns import FRAILTY, Choice, Gap, Measure
from engine.phantoms.tables.family import Family
from engine.phantoms.tables.hospital import Hospital, Unit
from engine.phantoms.tables.truth import Effect

HOME, WARD, CRITICAL = "home", "ward", "intensive care"
MEASURES = (
    Measure("age", "years", 54, 19, 18, 98, follows={FRAILTY: 0.3}),
    Measure("systolic_pressure", "mmHg", 132, 22, 62, 225, follows={"age": 0.25, FRAILTY: -0.35}),
    Measure("diastolic_pressure", "mmHg", 78, 13, 34, 128, follows={"systolic_pressure": 0.65}),
    Measure("heart_rate", "/min", 88, 18, 40, 172, follows={FRAILTY: 0.4}),
    Measure("respiratory_rate", "/min", 18, 0.22, 9, 46, skewed=True, follows={FRAILTY: 0.45}),
    Measure("temperature", "°C", 36.9, 0.8, 34.2, 40.6, digits=1, follows={"heart_rate": 0.3}),
    Measure("oxygen_saturation", "%", 96.5, 2.4, 74, 100, follows={FRAILTY: -0.3, "respiratory_rate": -0.35}),
    Measure("lactate", "mmol/L", 1.6, 0.5, 0.4, 15.5, digits=1, skewed=True, follows={FRAILTY: 0.5}),
    Measure("white_cells", "10^9/L", 9.6, 0.38, 1.2, 38, digits=1, skewed=True, follows={"temperature": 0.35}),
    Measure("pain_score", "", 4, 2.6, 0, 10),
    Measure("waiting_minutes", "min", 42, 0.7, 2, 290, skewed=True),
)
CHOICES = (
    Choice("sex", {"female": 0.5, "male": 0.5}),
    Choice("arrival", {"walked in": 0.58, "ambulance": 0.34, "transfer": 0.08}, tilt={"ambulance": 0.8}),
    Choice("mental_state", {"alert": 0.86, "responds to voice": 0.09, "responds to pain": 0.05},
           tilt={"responds to voice": 0.7, "responds to pain": 1.1}),
    Choice("complaint", {"chest pain": 0.2, "shortness of breath": 0.2, "abdominal pain": 0.22, "fever": 0.14,
                         "injury": 0.24}),
    Choice("trauma", {"no": 0.8, "yes": 0.2}),
)  # fmt: skip
EFFECTS = (
    Effect("oxygen_saturation", -0.7, WARD), Effect("oxygen_saturation", -1.3, CRITICAL),
    Effect("respiratory_rate", 0.5, WARD), Effect("respiratory_rate", 1.2, CRITICAL),
    Effect("lactate", 0.6, WARD), Effect("lactate", 1.5, CRITICAL),
    Effect("systolic_pressure", -0.9, CRITICAL),
    Effect("age", 0.9, WARD), Effect("age", 0.5, CRITICAL),
    Effect("mental_state", 1.2, WARD, "responds to voice"), Effect("mental_state", 2.6, CRITICAL, "responds to pain"),
)  # fmt: skip
HOSPITALS = (
    Hospital("A"),
    Hospital(
        "B",
        frailty=0.5,
        practice={WARD: 0.6, CRITICAL: -0.3},
        headings={
            "patient_id": "MRN", "age": "Age", "sex": "Sex", "systolic_pressure": "SBP", "diastolic_pressure": "DBP",
            "heart_rate": "HR", "respiratory_rate": "RR", "temperature": "Temp", "oxygen_saturation": "SpO2",
            "white_cells": "WBC", "pain_score": "NRS pain", "mental_state": "AVPU", "arrival": "Arrival mode",
            "disposition": "Disposition",
        },
        units={"temperature": Unit("°F", 1.8, 32.0), "lactate": Unit("mg/dL", 9.008, 0, 0)},
        codes={
            "sex": {"female": "2", "male": "1"},
            "mental_state": {"alert": "A", "responds to voice": "V", "responds to pain": "P"},
            "disposition": {HOME: "discharged", WARD: "admitted", CRITICAL: "ICU"},
        },
        absent=("waiting_minutes",),
    ),
    Hospital(
        "C",
        practice={WARD: -0.4, CRITICAL: 0.4},
        headings={
            "patient_id": "病历号", "age": "年龄", "sex": "性别", "systolic_pressure": "收缩压",
            "diastolic_pressure": "舒张压", "heart_rate": "心率", "respiratory_rate": "呼吸频率",
            "temperature": "体温", "oxygen_saturation": "血氧饱和度", "lactate": "乳酸", "white_cells": "白细胞",
            "arrival": "来诊方式", "mental_state": "意识", "complaint": "主诉", "disposition": "去向",
        },
        codes={
            "sex": {"female": "女", "male": "男"},
            "mental_state": {"alert": "清醒", "responds to voice": "呼唤有反应", "responds to pain": "疼痛有反应"},
            "arrival": {"walked in": "自行来院", "ambulance": "救护车", "transfer": "转院"},
            "disposition": {HOME: "回家", WARD: "住院", CRITICAL: "重症监护"},
        },
        absent=("pain_score", "waiting_minutes"),
    ),
)  # fmt: skip
FAMILY = Family(
    "emergency", "disposition", (HOME, WARD, CRITICAL), MEASURES, CHOICES, {WARD: -0.1, CRITICAL: -1.4}, EFFECTS,
    (Gap("lactate", 0.45, 1.2), Gap("white_cells", 0.3, 0.9), Gap("pain_score", 0.15, -0.6),
     Gap("temperature", 0.06, 0.3)),
    HOSPITALS, person=("age", "sex"),
    order=(
        "age", "sex", "arrival", "complaint", "trauma", "mental_state", "systolic_pressure", "diastolic_pressure",
        "heart_rate", "respiratory_rate", "temperature", "oxygen_saturation", "pain_score", "lactate", "white_cells",
        "waiting_minutes",
    ),
)  # fmt: skip
