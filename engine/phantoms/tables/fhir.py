"""The diabetes table of one hospital as a FHIR R4 collection bundle: patients, stays, observations by LOINC code.

Every resource carries the tag HTEST ("test health data", HL7 v3 ActReason), by which FHIR marks made-up patients. The
regimen prescribed stands as an observation answered in words, so that it can be the label.
"""

from __future__ import annotations

import math
from typing import Any

from engine.phantoms.tables.family import SyntheticTable
from engine.phantoms.tables.hospital import Hospital

TEST_DATA = {
    "tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "synthetic"}]
}
# Column -> LOINC code, what it is called, UCUM unit.
LOINC = {
    "hba1c": ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%"),
    "glucose": ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL"),
    "egfr": ("33914-3", "Glomerular filtration rate/1.73 sq M.predicted", "mL/min/{1.73_m2}"),
    "bmi": ("39156-5", "Body mass index (BMI) [Ratio]", "kg/m2"),
    "systolic_pressure": ("8480-6", "Systolic blood pressure", "mm[Hg]"),
    "haemoglobin": ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL"),
}
YEAR = 2024


def bundle(table: SyntheticTable, hospital: Hospital) -> dict[str, Any]:
    """A collection bundle of the hospital's patients; a patient who came twice keeps the first admission."""
    rows = table.complete.assign(**{c: table.frame[c] for c in LOINC})
    rows = rows[rows[table.site] == hospital.name].drop_duplicates(table.patient)
    resources: list[dict[str, Any]] = [
        {"resourceType": "Organization", "id": f"org-{hospital.letter}", "name": f"Hospital {hospital.name}"}
    ]
    for number, row in enumerate(rows.to_dict("records")):
        resources += _patient(row, number, hospital, table.truth.label)
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "meta": TEST_DATA,
        "entry": [{"resource": {**resource, "meta": TEST_DATA}} for resource in resources],
    }


def _patient(row: dict[str, Any], number: int, hospital: Hospital, label: str) -> list[dict[str, Any]]:
    """One patient with the admission and what was measured in it."""
    id_, day = row["patient_id"], f"{YEAR}-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
    who = {"reference": f"Patient/{id_}"}
    found: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": id_, "gender": row["sex"], "birthDate": f"{YEAR - int(row['age'])}-01-01"},
        {
            "resourceType": "Encounter", "id": f"{id_}-stay", "status": "finished", "class": {"code": "IMP"},
            "subject": who, "period": {"start": day, "end": day},
            "serviceProvider": {"reference": f"Organization/org-{hospital.letter}"},
        },
    ]  # fmt: skip
    conditions = [("44054006", "Diabetes mellitus type 2")]
    conditions += [("84114007", "Heart failure")] if row["heart_failure"] == "yes" else []
    for code, name in conditions:
        concept = {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": name}], "text": name}
        found.append({"resourceType": "Condition", "id": f"{id_}-{code}", "subject": who, "code": concept})
    for column, (code, name, unit) in LOINC.items():
        if not math.isnan(row[column]):
            concept = {"coding": [{"system": "http://loinc.org", "code": code, "display": name}], "text": name}
            value = {"value": row[column], "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
            found.append({**_observation(id_, column, who, day, concept), "valueQuantity": value})
    found.append({**_observation(id_, label, who, day, {"text": label}), "valueString": row[label]})
    return found


def _observation(id_: str, what: str, who: dict[str, str], day: str, concept: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": f"{id_}-{what.replace('_', '-')}", "status": "final", "subject": who,
        "effectiveDateTime": day, "code": concept,
    }  # fmt: skip
