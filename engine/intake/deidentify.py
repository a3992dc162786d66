"""What stays of a header, by an allow-list; everything else is removed, and both are shown in a table.

After PS3.15 Annex E's basic profile, with the retained elements of its "patient characteristics" and "device"
options cut down to those that a learner's shortcut check needs. Nothing here is called anonymous: pixels are not
checked for text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from engine.intake.codes import code

KEPT = {
    "PatientSex": "sex",
    "PatientAge": "age",
    "Manufacturer": "manufacturer",
    "ManufacturerModelName": "model",
    "KVP": "kvp",
    "ConvolutionKernel": "kernel",
    "SliceThickness": "thickness_mm",
    "BodyPartExamined": "body_part",
    "MagneticFieldStrength": "field_tesla",
}
NEEDED_TO_READ = """
SOPClassUID Modality ImageType Rows Columns NumberOfFrames SamplesPerPixel PhotometricInterpretation BitsAllocated
BitsStored HighBit PixelRepresentation PixelSpacing ImagerPixelSpacing SpacingBetweenSlices ImagePositionPatient
ImageOrientationPatient RescaleSlope RescaleIntercept RescaleType WindowCenter WindowWidth PixelPaddingValue
PlanarConfiguration BurnedInAnnotation PixelData SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
"""
PLAIN_TEXT = re.compile(r"[A-Za-z0-9 ._+/,()\\-]{1,48}")
OLDEST_YEARS = 90  # PS3.15 and HIPAA: ages above 89 are one group
PLACEHOLDERS = {"", "0", "anonymous", "anonymized", "anonymised", "anon", "anonimo", "unknown", "none", "null", "n/a"}


def kept_of(text: Callable[[str], str]) -> dict[str, str]:
    """The allow-listed elements of one header, as plain short texts.

    A value that repeats a part of the patient's name or number is dropped: scanners let people type it anywhere.
    """
    secrets = [s for k in ("PatientName", "PatientID") for s in re.split(r"[\^\s,=]+", text(k).lower()) if len(s) >= 3]
    kept: dict[str, str] = {}
    for keyword, name in KEPT.items():
        value = text(keyword)
        value = _age(value) if keyword == "PatientAge" else value
        if PLAIN_TEXT.fullmatch(value) and not any(s in value.lower() for s in secrets):
            kept[name] = value
    if text("ContrastBolusAgent"):
        kept["contrast"] = "yes"
    return kept


def _age(value: str) -> str:
    """PS3.5 6.2: nnnD, nnnW, nnnM or nnnY; 90 years and more become "90+"."""
    if not re.fullmatch(r"\d{1,3}[DWMY]", value):
        return ""
    years = int(value[:-1]) if value.endswith("Y") else 0
    return "90+" if years >= OLDEST_YEARS else value


def patient_code(key: bytes, patient: tuple[str, str, str, str], fallback: str | bytes) -> tuple[str, bool]:
    """(code, known): from PatientID and its issuer; else from name with birth date; else from `fallback` (the study).

    Placeholders such as "ANONYMOUS" are not a patient: they would make one person of a whole hospital.
    """
    number, issuer, name, birth = (part.strip() for part in patient)
    if number.lower() not in PLACEHOLDERS:
        return code(key, "patient", number, issuer), True
    if name.strip("^ ").lower() not in PLACEHOLDERS and birth:
        return code(key, "patient-name", name.lower(), birth), True
    return code(key, "patient-unknown", fallback), False


def site_code(key: bytes, place: tuple[str, str, str]) -> str:
    """Code of (institution, manufacturer, station), "" if the header gave none of them."""
    parts = [" ".join(p.lower().split()) for p in place]
    return code(key, "site", *parts, length=8) if any(parts) else ""


def removed_of(elements: Iterable[str]) -> list[str]:
    """Names of the top-level elements that did not stay, sorted, each once; their values are nowhere."""
    return sorted(set(elements) - set(KEPT) - set(NEEDED_TO_READ.split()))
