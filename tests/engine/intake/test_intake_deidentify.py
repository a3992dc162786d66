"""Nothing that identifies a patient reaches a case folder, and codes are the same tomorrow as today."""

from __future__ import annotations

import stat

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from engine.intake import patient_key, take_in
from engine.intake.codes import code
from engine.intake.deidentify import kept_of, patient_code
from tests.engine.intake.made_series import KEY, save, slice_of

TEXTS = """
PatientName PatientID IssuerOfPatientID OtherPatientNames PatientAddress PatientComments PatientTelephoneNumbers
PatientMotherBirthName MilitaryRank EthnicGroup Occupation AdditionalPatientHistory CountryOfResidence
RegionOfResidence PatientReligiousPreference MedicalRecordLocator PatientBirthName InstitutionName
InstitutionAddress InstitutionalDepartmentName ReferringPhysicianName ReferringPhysicianAddress
ReferringPhysicianTelephoneNumbers PerformingPhysicianName NameOfPhysiciansReadingStudy OperatorsName
PhysiciansOfRecord RequestingPhysician StationName DeviceSerialNumber AccessionNumber StudyID StudyDescription
SeriesDescription ProtocolName ImageComments DerivationDescription RequestedProcedureDescription
RequestedProcedureID ScheduledProcedureStepDescription PerformedProcedureStepDescription PerformedProcedureStepID
CurrentPatientLocation AdmissionID ServiceEpisodeID InterpretationAuthor ResponsiblePerson ReasonForStudy
RequestingService CommentsOnThePerformedProcedureStep AcquisitionComments FrameComments
PatientInsurancePlanCodeSequence PersonName TextValue DeviceDescription
"""
DATES = """
PatientBirthDate StudyDate SeriesDate AcquisitionDate ContentDate LastMenstrualDate InstanceCreationDate
"""
UIDS = """
StudyInstanceUID SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID IrradiationEventUID
"""


def planted_slice(index: int):
    """A slice with a different secret in each of more than 60 places; returns it and the secrets."""
    ds, secrets = slice_of(index), []

    def secret() -> str:
        secrets.append(f"SECRET{len(secrets):03d}")
        return secrets[-1]

    for keyword in TEXTS.split():
        if keyword.endswith("Sequence"):
            item = Dataset()
            item.CodeMeaning, item.PatientName = secret(), secret()
            setattr(ds, keyword, DicomSequence([item]))
        elif tag_for_keyword(keyword):
            setattr(ds, keyword, secret())
    for n, keyword in enumerate(DATES.split()):
        secrets.append(f"1931{n + 1:02d}17")
        setattr(ds, keyword, secrets[-1])
    for n, keyword in enumerate(UIDS.split()):
        secrets.append(f"1.2.826.9999{n}.77")
        setattr(ds, keyword, secrets[-1] if keyword != "SOPInstanceUID" else f"{secrets[-1]}.{index}")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    block = ds.private_block(0x0019, "SECRETPRIV", create=True)
    block.add_new(0x01, "LO", secret())
    ds.add_new(0x60003000, "OB", secret().encode().ljust(10, b"\0"))
    ds.BodyPartExamined, ds.ConvolutionKernel = secrets[0][:16], f"B30 {ds.PatientID}"
    ds.preamble = secret().encode().ljust(128, b"\0")
    secrets.append("SECRETPRIV")
    return ds, secrets


def every_byte(folder) -> bytes:
    return b"".join(str(p.relative_to(folder)).encode() + p.read_bytes() for p in folder.rglob("*") if p.is_file())


def test_of_sixty_planted_identifiers_none_is_in_any_byte_that_is_kept(tmp_path):
    for index in range(3):
        ds, secrets = planted_slice(index)
        save(ds, tmp_path / "in" / "SECRETFOLDER" / f"SECRETFILE{index}.dcm")
    assert len(set(secrets)) >= 60
    taken = take_in(tmp_path / "in", tmp_path / "cases", key=KEY)
    assert [c.shape for c in taken.cases] == [(3, 16, 20)]
    stored = every_byte(tmp_path / "cases").lower()
    wide = every_byte(tmp_path / "cases").replace(b"\0", b"").lower()
    for secret in [*secrets, "SECRETFOLDER", "SECRETFILE"]:
        assert secret.lower().encode() not in stored, secret
        assert secret.lower().encode() not in wide, secret
    assert {"PatientName", "StudyDate", "private"} <= set(taken.removed)
    assert "Modality" not in taken.removed


def test_what_is_kept_is_named_and_ages_from_ninety_are_one_group():
    header = {"PatientSex": "F", "PatientAge": "093Y", "KVP": "120", "Manufacturer": "GE", "PatientName": "Doe^Jane"}
    kept = kept_of(lambda keyword: header.get(keyword, ""))
    assert kept == {"sex": "F", "age": "90+", "kvp": "120", "manufacturer": "GE"}
    header["PatientAge"] = "089Y"
    assert kept_of(lambda keyword: header.get(keyword, ""))["age"] == "089Y"


def test_a_name_typed_into_a_kept_element_is_dropped():
    header = {"BodyPartExamined": "CHEST JANE", "PatientName": "Doe^Jane", "Manufacturer": "GE"}
    assert kept_of(lambda keyword: header.get(keyword, "")) == {"manufacturer": "GE"}


def test_the_text_of_a_picture_and_its_name_are_not_kept(tmp_path):
    info = PngInfo()
    info.add_text("Description", "SECRET of Jane Doe")
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "in" / "SECRETNAME.png", pnginfo=info)
    taken = take_in(tmp_path / "in", tmp_path / "cases", key=KEY)
    assert len(taken.cases) == 1
    assert b"SECRET" not in every_byte(tmp_path / "cases")


def test_a_patients_code_needs_the_key_and_stays_the_same_with_it():
    patient = ("12345678", "", "Doe^Jane", "19310101")
    assert patient_code(KEY, patient, "x") == patient_code(KEY, patient, "y")
    assert patient_code(KEY, patient, "x") != patient_code(bytes(32), patient, "x")
    assert patient_code(KEY, patient, "x")[0] == code(KEY, "patient", "12345678", "")
    assert code(KEY, "patient", "ab", "c") != code(KEY, "patient", "a", "bc")


@pytest.mark.parametrize("placeholder", ["", "ANONYMOUS", "anon", "0", "Unknown"])
def test_a_placeholder_is_nobody_and_each_study_counts_as_its_own_patient(placeholder):
    one = patient_code(KEY, (placeholder, "", placeholder, ""), "study 1")
    two = patient_code(KEY, (placeholder, "", placeholder, ""), "study 2")
    assert one[0] != two[0]
    assert not one[1]


def test_the_key_is_made_once_readable_only_by_its_owner(tmp_path):
    path = tmp_path / "deep" / "key"
    key = patient_key(path)
    assert len(key) == 32
    assert patient_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_damaged_key_is_a_sentence_not_a_new_key(tmp_path):
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(ValueError, match="damaged"):
        patient_key(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == b"short"
