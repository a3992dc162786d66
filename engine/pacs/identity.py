"""Who and what a case is to a PACS: the patient, study and series it came from, or coded stand-ins for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydicom.dataset import Dataset

from engine.nouns import Case

# SOP classes of what we refer to where the original is not known (PS3.4 B.5).
CT_IMAGE, MR_IMAGE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# Attribute -> keyword. Type 2 of the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1).
PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
STUDY = ("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
         "StudyDescription")  # fmt: skip
SERIES = ("SeriesInstanceUID", "Modality", "FrameOfReferenceUID", "SeriesDescription")


@dataclass(frozen=True)
class Instance:
    """One image of a series; `position_mm` is its Image Position (Patient), None where it has none."""

    sop_class: str
    sop_uid: str
    position_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Identity:
    """Original identifiers (`kept`), or coded ones that lead back to nobody. Values by DICOM keyword."""

    patient: Mapping[str, str]
    study: Mapping[str, str]
    series: Mapping[str, str]
    instances: tuple[Instance, ...] = field(default=())
    kept: bool = True

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Identity:
        instances = tuple(
            Instance(i["sop_class"], i["sop_uid"], tuple(i["position_mm"]) if i["position_mm"] else None)
            for i in raw["instances"]
        )
        return cls(dict(raw["patient"]), dict(raw["study"]), dict(raw["series"]), instances, raw["kept"])


def identity_of(headers: Sequence[Dataset]) -> Identity:
    """The identity of a series from its instances' headers (WADO-RS metadata, or files read without pixels)."""
    first = headers[0]

    def values(keywords: Sequence[str]) -> dict[str, str]:
        return {k: str(first[k].value) for k in keywords if k in first and first[k].value not in (None, "")}

    return Identity(values(PATIENT), values(STUDY), values(SERIES), tuple(_instance(each) for each in headers))


def _instance(header: Dataset) -> Instance:
    position = header.get("ImagePositionPatient")
    return Instance(
        str(header.SOPClassUID),
        str(header.SOPInstanceUID),
        tuple(float(v) for v in position) if position is not None and len(position) == 3 else None,
    )


def coded_identity(case: Case) -> Identity:
    """Stand-ins made from our own codes: the same for a case tomorrow, and the same patient for a patient's cases."""
    code = case.patient or case.id
    return Identity(
        {"PatientName": f"Handful^{code[:8]}", "PatientID": code[:64]},
        {"StudyInstanceUID": made_uid("study", case.id), "StudyDescription": "Handful, coded"},
        {
            "SeriesInstanceUID": made_uid("series", case.id),
            "Modality": case.modality or "OT",
            "FrameOfReferenceUID": made_uid("frame", case.id),
        },
        kept=False,
    )


def made_uid(*parts: str) -> str:
    """A UID from a hash (PS3.5 B.2, "2.25."), at most 64 characters."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
