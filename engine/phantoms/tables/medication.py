"""Diabetes medication: what clinicians of three hospitals prescribed, one row an admission of a patient with diabetes.

Ranges as in admissions of patients with type 2 diabetes; the rules (HbA1c, kidney function, weight and years with the
disease decide) follow what guidelines weigh (ADA Standards of Care, section 9), their strengths are our choice.
"""

from __future__ import annotations

from engine.phantoms.tables.columns import FRAILTY, Choice, Gap, Measure
from engine.phantoms.tables.family import Family
from engine.phantoms.tables.hospital import Hospital, Unit
from engine.phantoms.tables.truth import Effect

NONE, ORAL, INSULIN, BOTH = "no medicine", "oral only", "insulin only", "oral and insulin"
MEASURES = (
    Measure("age", "years", 63, 13, 19, 96, follows={FRAILTY: 0.35}),
    Measure("bmi", "kg/m2", 30, 5.5, 17, 56, digits=1, follows={"age": -0.2}),
    Measure("diabetes_duration", "years", 8, 0.75, 0, 46, skewed=True, follows={"age": 0.4}),
    Measure("hba1c", "%", 8.0, 1.6, 5.0, 15.5, digits=1, follows={"diabetes_duration": 0.2}),
    Measure("glucose", "mg/dL", 172, 0.32, 48, 620, skewed=True, follows={"hba1c": 0.6, FRAILTY: 0.25}),
    Measure("egfr", "mL/min/1.73m2", 76, 24, 8, 128, follows={"age": -0.4, FRAILTY: -0.35}),
    Measure("systolic_pressure", "mmHg", 138, 18, 82, 220, follows={"age": 0.2, FRAILTY: -0.15}),
    Measure("haemoglobin", "g/dL", 12.9, 1.8, 6.2, 18.4, digits=1, follows={FRAILTY: -0.4, "egfr": 0.2}),
    Measure("previous_admissions", "", 1, 0.9, 0, 14, skewed=True, follows={FRAILTY: 0.4}),
)
CHOICES = (
    Choice("sex", {"female": 0.52, "male": 0.48}),
    Choice(
        "medical_specialty",
        {"Internal medicine": 0.4, "Cardiology": 0.2, "Family practice": 0.18, "Surgery": 0.14, "Endocrinology": 0.08},
    ),
    Choice("admission_type", {"emergency": 0.5, "urgent": 0.2, "elective": 0.3}, tilt={"elective": -0.5}),
    Choice("recent_hypoglycaemia", {"no": 0.86, "yes": 0.14}, tilt={"yes": 0.3}),
    Choice("heart_failure", {"no": 0.78, "yes": 0.22}, tilt={"yes": 0.8}),
    Choice("main_icd10", {"I50": 0.2, "I25": 0.22, "J18": 0.15, "N17": 0.1, "E11": 0.18, "L03": 0.15}),
)
EFFECTS = (
    Effect("hba1c", 0.9, ORAL), Effect("hba1c", 1.6, INSULIN), Effect("hba1c", 1.9, BOTH),
    Effect("egfr", 0.8, ORAL), Effect("egfr", -0.8, INSULIN), Effect("egfr", 0.4, BOTH),
    Effect("diabetes_duration", 1.1, INSULIN), Effect("diabetes_duration", 0.9, BOTH),
    Effect("bmi", 0.8, BOTH), Effect("bmi", 0.3, ORAL),
    Effect("admission_type", 0.8, INSULIN, "emergency"),
)  # fmt: skip
HOSPITALS = (
    Hospital("A"),
    Hospital(
        "B",
        frailty=0.4,
        practice={INSULIN: 0.9, ORAL: -0.4},
        headings={
            "patient_id": "PatientID", "age": "Age", "bmi": "BMI", "hba1c": "HbA1c", "glucose": "Glucose",
            "egfr": "eGFR", "sex": "Gender", "medical_specialty": "Dept", "diabetes_duration": "Years since diagnosis",
            "regimen": "Regimen",
        },
        units={"hba1c": Unit("mmol/mol", 10.93, -23.5, 0), "glucose": Unit("mmol/L", 1 / 18.016)},
        codes={"sex": {"female": "F", "male": "M"}, "heart_failure": {"no": "0", "yes": "1"}},
        absent=("previous_admissions",),
    ),
    Hospital(
        "C",
        frailty=-0.2,
        practice={ORAL: 0.8, INSULIN: -0.5},
        headings={
            "patient_id": "住院号", "age": "年龄", "sex": "性别", "bmi": "体重指数", "hba1c": "糖化血红蛋白",
            "glucose": "血糖", "egfr": "肾小球滤过率", "diabetes_duration": "病程", "systolic_pressure": "收缩压",
            "haemoglobin": "血红蛋白", "medical_specialty": "科室", "admission_type": "入院方式",
            "heart_failure": "心力衰竭", "recent_hypoglycaemia": "近期低血糖", "main_icd10": "主要疾病编码",
            "regimen": "用药方案",
        },
        units={"glucose": Unit("mmol/L", 1 / 18.016), "haemoglobin": Unit("g/L", 10, 0, 0)},
        codes={
            "sex": {"female": "女", "male": "男"},
            "heart_failure": {"no": "无", "yes": "有"},
            "recent_hypoglycaemia": {"no": "无", "yes": "有"},
            "admission_type": {"emergency": "急诊", "urgent": "转院", "elective": "择期"},
            "medical_specialty": {
                "Internal medicine": "内科", "Cardiology": "心内科", "Family practice": "全科", "Surgery": "外科",
                "Endocrinology": "内分泌科",
            },
            "regimen": {NONE: "未用药", ORAL: "口服药", INSULIN: "胰岛素", BOTH: "口服药加胰岛素"},
        },
        absent=("previous_admissions", "systolic_pressure"),
    ),
)  # fmt: skip
FAMILY = Family(
    "diabetes-medication", "regimen", (NONE, ORAL, INSULIN, BOTH), MEASURES, CHOICES,
    {ORAL: 0.6, INSULIN: -0.2, BOTH: -0.5}, EFFECTS,
    (Gap("hba1c", 0.15, 0.7), Gap("bmi", 0.2, -0.3), Gap("haemoglobin", 0.12, 0.8), Gap("egfr", 0.08, 0.8)),
    HOSPITALS, person=("age", "sex", "bmi", "diabetes_duration"),
    order=(
        "age", "sex", "bmi", "diabetes_duration", "hba1c", "glucose", "egfr", "systolic_pressure", "haemoglobin",
        "medical_specialty", "admission_type", "main_icd10", "heart_failure", "recent_hypoglycaemia",
        "previous_admissions",
    ),
)  # fmt: skip
