"""FHIR R4 resources -> one row a patient. Runs in the child.

Bundles (JSON), bulk data (ndjson) and lists of resources are read with Python's own json: of a resource only a handful
of elements is looked at, and real exports often break rules that do not matter here, on which a validating library
would refuse them (https://hl7.org/fhir/R4/). Names, addresses, identifiers and dates never leave this module: an age is
counted at the last event of the record.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.intake.refusal import Refusal
from engine.tables.limits import TableLimits

BUNDLE_BYTES = 200 << 20  # of one JSON document, which is held whole; ndjson is read line by line
LINE_BYTES = 20 << 20
SECONDS_A_DAY = 86_400.0
LONGEST_ANSWER = 80  # characters
SYSTEMS = {
    "http://loinc.org": "LOINC",
    "http://snomed.info/sct": "SNOMED",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD-9",
    "http://www.whocc.no/atc": "ATC",
    "http://hl7.org/fhir/sid/ndc": "NDC",
}
# One unit to another of the same kind, where it does not depend on what is measured (UCUM codes).
CONVERSIONS = {
    "[lb_av]": ("kg", 0.45359237, 0.0),
    "g": ("kg", 0.001, 0.0),
    "[in_i]": ("cm", 2.54, 0.0),
    "m": ("cm", 100.0, 0.0),
    "[degF]": ("Cel", 5 / 9, -160 / 9),
    "mmHg": ("mm[Hg]", 1.0, 0.0),
    "mm Hg": ("mm[Hg]", 1.0, 0.0),
}
# As clinicians write what UCUM codes otherwise; curly brackets in UCUM say no unit, only what was counted.
WRITTEN = {"mm[Hg]": "mmHg", "Cel": "°C", "10*3/uL": "10³/µL", "10*6/uL": "10⁶/µL", "10*9/L": "10⁹/L",
           "10*12/L": "10¹²/L", "kg/m2": "kg/m²", "mL/min/{1.73_m2}": "mL/min/1.73 m²", "[pH]": "pH"}  # fmt: skip
NOT_A_UNIT = re.compile(r"\{[^}]*\}")
# HL7's codes, where a record gives the code without its words.
ENCOUNTERS = {"amb": "ambulatory", "emer": "emergency", "imp": "inpatient", "acute": "inpatient acute",
              "nonac": "inpatient non-acute", "obsenc": "observation", "ss": "short stay", "hh": "home health",
              "vr": "virtual", "fld": "field", "prenc": "pre-admission"}  # fmt: skip
MARITAL = {"M": "Married", "S": "Never Married", "D": "Divorced", "W": "Widowed", "L": "Legally Separated",
           "T": "Domestic partner", "U": "unmarried", "A": "Annulled"}  # fmt: skip
CONVERTED_ONLY_FOR = {
    "g": {"29463-7", "3141-9"},
    "m": {"8302-2"},
}  # body weight and height; a gram of albumin stays one


@dataclass(frozen=True)
class Code:
    """A coded concept: what it is called, and its code with its system ("LOINC 8302-2")."""

    name: str
    code: str


@dataclass
class Person:
    """What a record says about one patient, without who it is but for the id that groups resources."""

    id: str
    sex: str | None = None
    born: float | None = None
    race: str | None = None
    marital: str | None = None
    dead: bool | None = None
    last: float | None = None
    sites: Counter[str] = field(default_factory=Counter)
    encounters: Counter[str] = field(default_factory=Counter)
    conditions: set[Code] = field(default_factory=set)
    medications: set[Code] = field(default_factory=set)
    procedures: int = 0
    values: list[tuple[Code, str, float, float]] = field(default_factory=list)  # code, unit, day or NaN, value
    answers: dict[Code, tuple[float, str]] = field(default_factory=dict)

    def seen(self, day: float | None) -> None:
        if day is not None:
            self.last = day if self.last is None else max(self.last, day)


@dataclass
class Records:
    """All patients of an upload, gathered resource by resource."""

    limits: TableLimits
    people: dict[str, Person] = field(default_factory=dict)
    organisations: dict[str, str] = field(default_factory=dict)
    drugs: dict[str, Code] = field(default_factory=dict)
    prescribed: list[tuple[str, str]] = field(default_factory=list)  # patient, reference to a Medication
    aliases: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    resources: int = 0

    def add_file(self, path: Path) -> None:
        """Every resource of one file. Raises Refusal where it is no FHIR R4 JSON."""
        before = self.resources
        for resource, url in resources_of(path):
            self.resources += 1
            if self.resources > self.limits.resources:
                raise Refusal("fhir_resources", limit=self.limits.resources)
            self.add(resource, url)
        if self.resources == before:
            raise Refusal("fhir_empty")

    def add(self, resource: dict[str, Any], url: str = "") -> None:
        """One resource; of kinds that say nothing about a patient's health only the count is kept."""
        kind = str(resource.get("resourceType", ""))
        taker = getattr(self, f"_add_{kind.lower()}", None)
        if taker is None or str(resource.get("status", "")) in ("entered-in-error", "cancelled", "not-done"):
            self.left_out[kind] += 1
            return
        if kind in ("Patient", "Organization", "Medication"):
            taker(resource, str(resource.get("id") or url.removeprefix("urn:uuid:")))
            return
        subject = reference_of(resource.get("subject") or resource.get("patient"))
        if not subject:
            self.left_out[kind] += 1
            return
        taker(resource, self.person(subject))

    def person(self, reference: str) -> Person:
        return self.people.setdefault(reference, Person(reference))

    def _add_patient(self, raw: dict[str, Any], id_: str) -> None:
        person = self.person(id_)
        person.sex, person.born = _text(raw.get("gender")), day_of(raw.get("birthDate"))
        person.dead = bool(raw.get("deceasedBoolean") or raw.get("deceasedDateTime"))
        marital = concept(raw.get("maritalStatus")).name
        person.marital = MARITAL.get(marital, marital) or None
        for extension in _dicts(raw.get("extension")):
            if str(extension.get("url", "")).endswith("us-core-race"):
                texts = [
                    _text(e.get("valueString")) for e in _dicts(extension.get("extension")) if e.get("url") == "text"
                ]
                person.race = next(iter(texts), None)
        if site := reference_of(raw.get("managingOrganization")):
            person.sites[site] += 0

    def _add_organization(self, raw: dict[str, Any], id_: str) -> None:
        self.organisations[id_] = str(raw.get("name", ""))

    def _add_medication(self, raw: dict[str, Any], id_: str) -> None:
        code = concept(raw.get("code"))
        self.drugs[id_] = code if code.name else Code(_first_identifier(raw) or "", "")

    def _add_encounter(self, raw: dict[str, Any], person: Person) -> None:
        class_ = raw.get("class") or {}
        kind = class_.get("display") or class_.get("code") if isinstance(class_, dict) else ""
        kind = str(kind or "other").lower()
        person.encounters[ENCOUNTERS.get(kind, kind)] += 1
        for end in ("start", "end"):
            person.seen(day_of((raw.get("period") or {}).get(end)))
        if site := reference_of(raw.get("serviceProvider")):
            person.sites[site] += 1

    def _add_condition(self, raw: dict[str, Any], person: Person) -> None:
        if concept(raw.get("verificationStatus")).code.split(" ")[-1] in ("refuted", "entered-in-error"):
            self.left_out["Condition"] += 1
            return
        code = concept(raw.get("code"))
        person.conditions |= {code} if code.name else set()
        person.seen(day_of(raw.get("onsetDateTime") or raw.get("recordedDate")))

    def _add_medicationrequest(self, raw: dict[str, Any], person: Person) -> None:
        self._medication(raw, person, raw.get("authoredOn"))

    def _add_medicationstatement(self, raw: dict[str, Any], person: Person) -> None:
        self._medication(raw, person, raw.get("effectiveDateTime") or raw.get("dateAsserted"))

    def _add_medicationadministration(self, raw: dict[str, Any], person: Person) -> None:
        self._medication(raw, person, raw.get("effectiveDateTime"))

    def _medication(self, raw: dict[str, Any], person: Person, when: Any) -> None:
        person.seen(day_of(when))
        code = concept(raw.get("medicationCodeableConcept"))
        reference = reference_of(raw.get("medicationReference"))
        for inside in _dicts(raw.get("contained")):
            if inside.get("resourceType") == "Medication" and reference == f"#{inside.get('id')}":
                code = concept(inside.get("code"))
        if code.name:
            person.medications.add(code)
        elif reference:
            self.prescribed.append((person.id, reference))

    def _add_procedure(self, raw: dict[str, Any], person: Person) -> None:
        person.procedures += 1
        person.seen(day_of(raw.get("performedDateTime") or (raw.get("performedPeriod") or {}).get("start")))

    def _add_observation(self, raw: dict[str, Any], person: Person) -> None:
        when = day_of(
            raw.get("effectiveDateTime")
            or (raw.get("effectivePeriod") or {}).get("start")
            or raw.get("effectiveInstant")
        )
        person.seen(when)
        for part in (raw, *_dicts(raw.get("component"))):
            code = concept(part.get("code"))
            if not code.name:
                continue
            quantity = part.get("valueQuantity")
            value = quantity.get("value") if isinstance(quantity, dict) else part.get("valueInteger")
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                unit = (
                    str((quantity or {}).get("code") or (quantity or {}).get("unit") or "")
                    if isinstance(quantity, dict)
                    else ""
                )
                unit, value = converted(unit, float(value), code)
                person.values.append((code, written(unit), float("nan") if when is None else when, value))
            else:
                self._answer(person, code, part, when or 0.0)

    def _answer(self, person: Person, code: Code, part: dict[str, Any], when: float) -> None:
        """An observation answered in words; the latest one stays. A long answer is a report and may hold names."""
        answer = concept(part.get("valueCodeableConcept")).name or _text(part.get("valueString"))
        if answer and len(answer) <= LONGEST_ANSWER and (code not in person.answers or when >= person.answers[code][0]):
            person.answers[code] = (when, answer)

    def finish(self) -> None:
        """Put names to medications that were only referred to; those that cannot be found are counted."""
        for patient, reference in self.prescribed:
            if (code := self.drugs.get(reference)) and code.name:
                self.people[patient].medications.add(code)
            else:
                self.left_out["MedicationReference"] += 1
        self.prescribed.clear()


def resources_of(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """(resource, full URL) of a bundle, a list, a single resource, or a file with one resource a line."""
    whole: Any = None
    with path.open("rb") as file:
        first = file.readline(LINE_BYTES + 1)
        if len(first) <= LINE_BYTES and _is_line(first):
            yield from _lines(path)
            return
    if path.stat().st_size > BUNDLE_BYTES:
        raise Refusal("fhir_bundle_bytes", limit_mb=BUNDLE_BYTES >> 20)
    try:
        whole = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Refusal("fhir_broken", row=getattr(error, "lineno", 1)) from error
    yield from _unfold(whole, "", 0)


def _is_line(first: bytes) -> bool:
    """Whether a file's first line is a whole resource and not a bundle: then the file has one resource a line."""
    try:
        raw = json.loads(first)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False
    return isinstance(raw, dict) and raw.get("resourceType") != "Bundle"


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES), b""), start=1):
            if not line.strip():
                continue
            try:
                yield from _unfold(json.loads(line), "", 0)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise Refusal("fhir_broken", row=number) from error


def _unfold(raw: Any, url: str, depth: int) -> Iterator[tuple[dict[str, Any], str]]:
    if depth > 3:
        return
    if isinstance(raw, list):
        for each in raw:
            yield from _unfold(each, "", depth + 1)
    elif isinstance(raw, dict) and raw.get("resourceType") == "Bundle":
        for entry in _dicts(raw.get("entry")):
            yield from _unfold(entry.get("resource"), str(entry.get("fullUrl", "")), depth + 1)
    elif isinstance(raw, dict) and raw.get("resourceType"):
        yield raw, url


def concept(raw: Any) -> Code:
    """Name and code of a CodeableConcept, of its first coding with a code; empty texts where there is none."""
    if not isinstance(raw, dict):
        return Code("", "")
    codings = [c for c in _dicts(raw.get("coding")) if c.get("code")]
    known = next((c for c in codings if c.get("system") in SYSTEMS), codings[0] if codings else {})
    system = str(known.get("system", ""))
    short = SYSTEMS.get(system) or (
        "ICD-10" if "icd10" in system or "icd-10" in system else "ICD-9" if "icd9" in system else ""
    )
    code = str(known.get("code", ""))
    name = _text(known.get("display")) or _text(raw.get("text")) or code
    name = "".join(c for c in name if c.isprintable())  # zero-width spaces would make two measures of one
    return Code(" ".join(name.split())[:120], f"{short} {code}".strip())


def reference_of(raw: Any) -> str:
    """The id that a reference points to: "Patient/1", "urn:uuid:1" and "https://.../Patient/1" alike give "1"."""
    text = str((raw or {}).get("reference", "")) if isinstance(raw, dict) else ""
    if text.startswith("#"):
        return text
    return text.split("/_history/")[0].rsplit("/", 1)[-1].removeprefix("urn:uuid:")


def day_of(raw: Any) -> float | None:
    """A FHIR date or dateTime (a year or a month may do) as days since 1970."""
    if not isinstance(raw, str) or len(raw) < 4:
        return None
    text = raw if len(raw) >= 10 else f"{raw}-01-01"[:10] if len(raw) == 4 else f"{raw}-01"
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return when.timestamp() / SECONDS_A_DAY


def converted(unit: str, value: float, code: Code) -> tuple[str, float]:
    """Pounds, inches and Fahrenheit in metric units."""
    if unit in CONVERSIONS and (unit not in CONVERTED_ONLY_FOR or code.code.split(" ")[-1] in CONVERTED_ONLY_FOR[unit]):
        other, factor, shift = CONVERSIONS[unit]
        return other, value * factor + shift
    return unit, value


def written(unit: str) -> str:
    """A UCUM code as it stands beside a value: "mm[Hg]" -> "mmHg", "{score}" -> ""."""
    return WRITTEN.get(unit) or NOT_A_UNIT.sub("", unit).strip().rstrip("/")


def _first_identifier(raw: dict[str, Any]) -> str:
    return next((str(i.get("value")) for i in _dicts(raw.get("identifier")) if i.get("value")), "")


def _dicts(raw: Any) -> list[dict[str, Any]]:
    return [each for each in raw if isinstance(each, dict)] if isinstance(raw, list) else []


def _text(raw: Any) -> str | None:
    return raw.strip() if isinstance(raw, str) and raw.strip() else None
