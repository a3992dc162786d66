"""A case's slices as the datasets that derived objects refer to: geometry from the case, names from its identity."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from engine.nouns import Case
from engine.pacs.identity import CT_IMAGE, MR_IMAGE, SECONDARY_CAPTURE, Identity, made_uid

# Positions in headers are written with few decimals; slices closer than this do not occur.
SAME_PLACE_MM = 0.1
_CLASSES = {"CT": CT_IMAGE, "MR": MR_IMAGE}
_EMPTY = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
          "AccessionNumber", "ReferringPhysicianName")  # fmt: skip


def source_slices(case: Case, identity: Identity) -> list[Dataset]:
    """One dataset a slice, in the case's order, without pixels.

    Of a kept identity each slice is the original instance that lies there; slices that were filled in, or whose
    instance is not known, are left out. Of a coded identity the instances are stand-ins that are nowhere.
    """
    found = []
    for index in range(case.shape[0]):
        instance = _instance_at(case, identity, index)
        if instance is not None:
            found.append(_slice(case, identity, index, *instance))
    return found


def _instance_at(case: Case, identity: Identity, index: int) -> tuple[str, str] | None:
    if not identity.kept:
        return _CLASSES.get(case.modality, SECONDARY_CAPTURE), made_uid("instance", case.id, str(index))
    if len(identity.instances) == 1:  # a picture, or all slices as frames of one object: named once
        only = identity.instances[0]
        return (only.sop_class, only.sop_uid) if index == 0 else None
    here = case.geometry.to_mm(np.array([index, 0, 0]))
    for each in identity.instances:
        if each.position_mm is not None and np.abs(np.array(each.position_mm) - here).max() < SAME_PLACE_MM:
            return each.sop_class, each.sop_uid
    return None


def _slice(case: Case, identity: Identity, index: int, sop_class: str, sop_uid: str) -> Dataset:
    about = Dataset()
    about.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _EMPTY:
        setattr(about, keyword, "")
    for values in (identity.patient, identity.study, identity.series):
        for keyword, value in values.items():
            setattr(about, keyword, value)
    about.SOPClassUID, about.SOPInstanceUID = sop_class, sop_uid
    about.InstanceNumber = index + 1
    about.Rows, about.Columns = case.shape[1:3]
    about.SamplesPerPixel, about.PhotometricInterpretation = (3, "RGB") if len(case.shape) == 4 else (1, "MONOCHROME2")
    about.BitsAllocated = about.BitsStored = 16
    about.HighBit, about.PixelRepresentation = 15, 1
    if case.geometry.measured:
        _, rows_axis, columns_axis = case.geometry.axes
        about.ImageOrientationPatient = [_short(v) for v in (*columns_axis, *rows_axis)]
        about.ImagePositionPatient = [_short(v) for v in case.geometry.to_mm(np.array([index, 0, 0]))]
        about.PixelSpacing = [_short(v) for v in case.geometry.spacing_mm[1:]]
        about.SliceThickness = _short(case.geometry.spacing_mm[0])
    about.file_meta = FileMetaDataset()
    about.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    about.ContentDate = datetime.now().strftime("%Y%m%d")
    return about


def _short(value: float) -> float:
    """At most 16 characters as a decimal string (PS3.5 6.2, DS)."""
    return float(f"{float(value):.8g}") if abs(value) > 1e-6 else 0.0
