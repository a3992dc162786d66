"""A phantom as a DICOM series: CT Image Storage (PS3.3 A.3), JPEG-LS, identifiers that say it is nobody.

Same phantom, same bytes: UIDs are derived from what was made, dates from the seed, zip times are fixed.
"""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, JPEGLSLossless

from engine.nouns import PHANTOM_MAKER
from engine.phantoms.maker import Phantom
from engine.phantoms.scanner import LOWEST_HU, SCANNERS

# HU are stored in steps of 2: the rounding's 0.6 HU (standard deviation) drowns in 11 HU of noise and saves a sixth.
SLOPE_HU = 2
NAMESPACE = uuid.UUID("6f8f7bd0-0c5e-5d0e-9a3b-2f6c3f0e5a11")
IMPLEMENTATION_UID = UID(f"2.25.{uuid.uuid5(NAMESPACE, 'handful phantoms').int}")
# Zip entries carry this time (the earliest that zip can tell), so that the same phantom gives the same bytes.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def derived_uid(*parts: object) -> UID:
    """A UID that a rebuild gives again (PS3.5 B.2: 2.25 and a UUID as a number)."""
    return UID(f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(map(str, parts))).int}")


def series_uid(phantom: Phantom) -> UID:
    """SeriesInstanceUID: depends on who, what, where, and on which levels were scanned."""
    truth, geometry = phantom.truth, phantom.volume.geometry
    where = (*phantom.volume.voxels.shape, *geometry.spacing_mm, *geometry.origin_mm)
    return derived_uid("series", truth.seed, truth.finding, truth.hospital, *where)


def stored_hu(phantom: Phantom) -> np.ndarray:
    """int16 HU as they come out of the files: rounded to even values."""
    return _stored(phantom)[0].astype(np.int16) * SLOPE_HU + _intercept(phantom)


def dicom_files(phantom: Phantom, number: int) -> Iterator[tuple[str, bytes]]:
    """File name and bytes of every slice of patient `number`, head first as scanners number them."""
    stored, pad = _stored(phantom)
    shared = _shared(phantom, number, pad)
    count = len(stored)
    for instance in range(1, count + 1):
        k = count - instance
        yield f"IM{instance:04d}.dcm", _slice(shared, phantom, stored[k], k, instance)


def write_series(phantom: Phantom, folder: Path, number: int = 1) -> list[Path]:
    """Write the series into `folder` (made if missing); returns the files. Raises OSError where it can't be written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in dicom_files(phantom, number):
        (folder / name).write_bytes(content)
        written.append(folder / name)
    return written


def write_zip(phantom: Phantom, path: Path, number: int) -> None:
    """Write the series as one zip. Not compressed again: JPEG-LS leaves nothing to gain."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in dicom_files(phantom, number):
            entry = zipfile.ZipInfo(f"{path.stem}/{name}", ZIP_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def _intercept(phantom: Phantom) -> int:
    """HU of stored 0: what lies outside the field of view."""
    return min(int(phantom.volume.voxels.min()), LOWEST_HU)


def _stored(phantom: Phantom) -> tuple[np.ndarray, int]:
    """uint16 stored values, and the one that means "outside the field of view"."""
    raised = phantom.volume.voxels.astype(np.int32) - _intercept(phantom)
    pad = SCANNERS[phantom.truth.hospital].pad - _intercept(phantom)
    return ((raised + 1) // SLOPE_HU).astype(np.uint16), pad // SLOPE_HU


def _shared(phantom: Phantom, number: int, pad: int) -> Dataset:
    """What all slices of the series have in common."""
    truth, scanner = phantom.truth, SCANNERS[phantom.truth.hospital]
    day = (date(2024, 1, 1) + timedelta(days=truth.seed % 366)).strftime("%Y%m%d")
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    # Derived from no other image (PS3.3 C.7.6.1.1.2), so it walks in like a real upload. That no scanner made it stands
    # in names, descriptions and comments; SyntheticData (0008,001C) would say it best, but dciodvfy calls it an error.
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CTImageStorage
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = day
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = "120000"
    ds.AccessionNumber = ""
    ds.Modality = "CT"
    ds.Manufacturer = PHANTOM_MAKER
    ds.InstitutionName = f"Synthetic hospital {truth.hospital}"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Synthetic chest CT"
    ds.SeriesDescription = "Synthetic chest, not a real patient"
    ds.ManufacturerModelName = f"Simulated scanner {truth.hospital}"
    ds.ImageComments = "Made by a computer for teaching and tests; shows nobody"
    ds.PatientName = f"Phantom^{number:03d}"
    ds.PatientID = f"PHANTOM-{number:03d}"
    ds.PatientBirthDate = ""
    ds.PatientSex = truth.sex
    ds.PatientAge = f"{truth.age:03d}Y"
    ds.BodyPartExamined = "CHEST"
    ds.SliceThickness = f"{scanner.thick:g}"
    ds.KVP = "120"
    ds.SpacingBetweenSlices = f"{phantom.volume.geometry.spacing_mm[0]:g}"
    ds.ProtocolName = "Chest"
    ds.ReconstructionDiameter = f"{scanner.fov:g}"
    ds.ConvolutionKernel = scanner.kernel.upper()
    ds.PatientPosition = "HFS"
    if truth.contrast:
        ds.ContrastBolusAgent = "Simulated contrast medium"
    ds.StudyInstanceUID = derived_uid("study", truth.seed, truth.finding, truth.hospital)
    ds.SeriesInstanceUID = series_uid(phantom)
    ds.StudyID = str(number)
    ds.SeriesNumber = 2
    ds.AcquisitionNumber = 1
    ds.FrameOfReferenceUID = derived_uid("frame", truth.seed, truth.hospital)
    ds.PositionReferenceIndicator = ""
    _describe_pixels(ds, phantom, pad)
    return ds


def _describe_pixels(ds: Dataset, phantom: Phantom, pad: int) -> None:
    """Image Pixel (PS3.3 C.7.6.3), CT Image (C.8.2.1) and VOI LUT (C.11.2)."""
    _, rows, columns = phantom.volume.voxels.shape
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.PixelSpacing = [f"{mm:.6g}" for mm in phantom.volume.geometry.spacing_mm[1:]]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelPaddingValue = pad
    ds.BurnedInAnnotation = "NO"
    ds.RescaleIntercept = str(_intercept(phantom))
    ds.RescaleSlope = str(SLOPE_HU)
    ds.RescaleType = "HU"
    ds.WindowCenter = [f"{centre:g}" for centre, _ in phantom.volume.windows]
    ds.WindowWidth = [f"{width:g}" for _, width in phantom.volume.windows]
    ds.WindowCenterWidthExplanation = ["LUNG", "SOFT TISSUE"]


def _slice(shared: Dataset, phantom: Phantom, stored: np.ndarray, k: int, instance: int) -> bytes:
    ds = Dataset(shared)
    x, y, z = phantom.volume.geometry.to_mm((k, 0, 0)).tolist()
    ds.SOPInstanceUID = derived_uid(shared.SeriesInstanceUID, k)
    ds.InstanceNumber = instance
    ds.ImagePositionPatient = [f"{x:.4f}", f"{y:.4f}", f"{z:.4f}"]
    ds.SliceLocation = f"{z:.4f}"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW"
    ds.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()
