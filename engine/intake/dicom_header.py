"""Reading one DICOM header, bounded: only the elements that intake needs, never the pixels. Runs in the child."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from engine.intake.deidentify import kept_of
from engine.intake.header import Frame, Header
from engine.intake.limits import Limits
from engine.intake.refusal import DAMAGED, Refusal

IN_MEMORY = 4 << 20
LARGEST = 1e9  # places, spacings, slopes and counts stay far below; also keeps NaN and infinity out
NEEDED = """
SOPClassUID SOPInstanceUID SeriesInstanceUID StudyInstanceUID Modality ImageType Rows Columns NumberOfFrames
SamplesPerPixel PhotometricInterpretation BitsAllocated BitsStored PixelRepresentation PixelPaddingValue
PixelPaddingRangeLimit InstanceNumber AcquisitionNumber AcquisitionTime EchoTime EchoNumbers
TemporalPositionIdentifier TriggerTime DiffusionBValue ConvolutionKernel WindowCenter WindowWidth BurnedInAnnotation
TotalPixelMatrixColumns PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing SpacingBetweenSlices SliceThickness
ImagePositionPatient ImageOrientationPatient RescaleSlope RescaleIntercept RescaleType PatientID IssuerOfPatientID
PatientName PatientBirthDate InstitutionName Manufacturer StationName ManufacturerModelName PatientSex PatientAge KVP
BodyPartExamined ContrastBolusAgent MagneticFieldStrength SharedFunctionalGroupsSequence
PerFrameFunctionalGroupsSequence SpecificCharacterSet
"""
TAGS = [tag_for_keyword(keyword) for keyword in NEEDED.split()]
# What tells several pictures at one place apart, the likeliest first
FACETS = """
EchoTime EchoNumbers TemporalPositionIdentifier DiffusionBValue ImageType ConvolutionKernel AcquisitionNumber
TriggerTime AcquisitionTime
"""


def read_header(path: Path, limits: Limits, *, list_elements: bool = False) -> Header:
    """The header of one DICOM file, with or without preamble.

    `list_elements` also names every top-level element, for the table of what was removed. Raises Refusal where the
    file has no picture or would inflate past the limits; a damaged file raises whatever pydicom raises.
    """
    refuse_inflation(path, limits)
    tags = None if list_elements else TAGS
    ds = pydicom.dcmread(in_memory(path), stop_before_pixels=True, specific_tags=tags, force=True)
    if not list_elements:
        refuse_depth(ds, limits.depth)
    if not text(ds, "SOPClassUID") and not text(ds, "Modality") and integer(ds, "Rows") is None:
        raise Refusal("not_dicom")
    count = integer(ds, "NumberOfFrames") or 1
    if not 1 <= count <= limits.slices:
        raise Refusal("too_many_frames", frames=count, limit=limits.slices)
    return Header(
        syntax=syntax_of(ds),
        sop_class=text(ds, "SOPClassUID"),
        instance=text(ds, "SOPInstanceUID"),
        series=text(ds, "SeriesInstanceUID"),
        study=text(ds, "StudyInstanceUID"),
        modality=text(ds, "Modality").upper()[:16],
        image_type=image_type(ds),
        rows=integer(ds, "Rows") or 0,
        columns=integer(ds, "Columns") or 0,
        samples=integer(ds, "SamplesPerPixel") or 1,
        photometric=text(ds, "PhotometricInterpretation").upper(),
        bits_allocated=integer(ds, "BitsAllocated") or 0,
        bits_stored=integer(ds, "BitsStored") or integer(ds, "BitsAllocated") or 0,
        signed=integer(ds, "PixelRepresentation") == 1,
        padding=_padding(ds, "PixelPaddingValue"),
        padding_limit=_padding(ds, "PixelPaddingRangeLimit"),
        number=integer(ds, "InstanceNumber"),
        windows=_windows(ds),
        burned_in=text(ds, "BurnedInAnnotation").upper(),
        tiled=integer(ds, "TotalPixelMatrixColumns") is not None,
        spacing_at_detector=numbers(ds, "PixelSpacing", 2) is None and numbers(ds, "ImagerPixelSpacing", 2) is not None,
        between_slices=number(ds, "SpacingBetweenSlices"),
        patient=tuple(text(ds, k) for k in ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate")),
        place=tuple(text(ds, k) for k in ("InstitutionName", "Manufacturer", "StationName")),
        kept=kept_of(lambda keyword: text(ds, keyword)),
        elements=tuple(_names(ds)) if list_elements else (),
        frames=_frames(ds, count),
    )


def in_memory(path: Path) -> Path | BytesIO:
    """A small file as bytes: reading past their end is harmless, while a file object asked for the 4 GB that a
    damaged length promises reserves them first."""
    return BytesIO(path.read_bytes()) if path.stat().st_size <= IN_MEMORY else path


def syntax_of(ds: Dataset) -> str:
    """The transfer syntax UID; a file without meta header gets the one its encoding shows."""
    stated = text(getattr(ds, "file_meta", Dataset()), "TransferSyntaxUID")
    if stated:
        return stated
    implicit, little = ds.original_encoding
    if implicit:
        return "1.2.840.10008.1.2"
    return "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"


def text(ds: Dataset, keyword: str) -> str:
    """One element as stripped text, several values joined by a backslash; "" if absent or damaged."""
    try:
        tag = _tag(keyword)
        if tag not in ds:  # asking by keyword would raise and catch an AttributeError inside: ten times slower
            return ""
        value = ds[tag].value
        if value is None:
            return ""
        if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
            return "\\".join(str(v).strip(" \0") for v in value)
        return str(value).strip(" \0")
    except DAMAGED:
        return ""


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(tag_for_keyword(keyword))


def number(ds: Dataset, keyword: str) -> float | None:
    """One finite number, or None."""
    found = numbers(ds, keyword, 1)
    return found[0] if found else None


def numbers(ds: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Exactly `count` numbers of a size that headers have, or None."""
    parts = text(ds, keyword).split("\\")
    try:
        found = tuple(float(p) for p in parts)
    except ValueError:
        return None
    return found if len(found) == count and all(abs(v) < LARGEST for v in found) else None


def integer(ds: Dataset, keyword: str) -> int | None:
    """One number cut to a whole one, or None."""
    found = number(ds, keyword)
    return int(found) if found is not None else None


def image_type(ds: Dataset) -> tuple[str, ...]:
    """Image Type (0008,0008) in capitals, empty values left out."""
    return tuple(part.strip().upper() for part in text(ds, "ImageType").split("\\") if part.strip())


def refuse_inflation(path: Path, limits: Limits) -> None:
    """Deflated data sets are inflated whole by pydicom: measured, 408 kB became 400 MiB. Count first, bounded."""
    with path.open("rb") as file:
        head = file.read(2048)
        if DeflatedExplicitVRLittleEndian.encode() not in head or head[128:132] != b"DICM":
            return
        # the length of group 0002 stands in its first element (PS3.10 7.1)
        group, element, vr, _, length = struct.unpack("<HH2sHI", head[132:144])
        if (group, element, vr) != (2, 0, b"UL"):
            raise Refusal("unreadable", detail="meta header")
        file.seek(144 + length)
        inflater, total = zlib.decompressobj(wbits=-15), 0
        while block := file.read(1 << 16):
            while block:
                total += len(inflater.decompress(block, 1 << 20))
                block = inflater.unconsumed_tail
                if total > limits.zip_member_bytes:
                    raise Refusal("inflates", limit_mb=limits.zip_member_bytes >> 20)


def refuse_depth(ds: Dataset, limit: int) -> None:
    """Sequences nest at most `limit` deep; a loop, not a recursion, so that depth itself cannot exhaust the stack."""
    level, depth = [ds], 0
    while level:
        if depth > limit:
            raise Refusal("nested", limit=limit)
        level = [below for item in level for tag in list(item.keys()) if _is_sequence(item, tag) for below in item[tag]]
        depth += 1


def _is_sequence(item: Dataset, tag: BaseTag) -> bool:
    """Whether an element is a sequence, without converting it: implicit VR leaves that to the dictionary."""
    vr = item.get_item(tag).VR
    return vr == "SQ" or (vr is None and dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ")


def _padding(ds: Dataset, keyword: str) -> int | None:
    """Padding as the pixel data codes it: a signed picture may carry it as unsigned 16 bit (63536 for -2000)."""
    value = integer(ds, keyword)
    if value is not None and integer(ds, "PixelRepresentation") == 1 and value > 0x7FFF:
        value -= 0x10000
    return value


def _windows(ds: Dataset) -> tuple[tuple[float, float], ...]:
    """(centre, width) pairs of the header that make sense (PS3.3 C.11.2.1.2)."""
    try:
        centres = [float(v) for v in text(ds, "WindowCenter").split("\\")]
        widths = [float(v) for v in text(ds, "WindowWidth").split("\\")]
    except ValueError:
        return ()
    pairs = zip(centres, widths, strict=False)
    return tuple((c, w) for c, w in pairs if math.isfinite(c) and math.isfinite(w) and w >= 1)[:4]


def _names(ds: Dataset) -> list[str]:
    return [keyword_for_tag(tag) or ("private" if tag.is_private else "unknown") for tag in ds.keys()]  # noqa: SIM118


def _frames(ds: Dataset, count: int) -> tuple[Frame, ...]:
    per_frame = _sequence(ds, "PerFrameFunctionalGroupsSequence")
    shared = (_sequence(ds, "SharedFunctionalGroupsSequence") or [Dataset()])[0]
    if per_frame:
        if len(per_frame) != count:
            raise Refusal("frames_disagree", frames=count, described=len(per_frame))
        return tuple(_enhanced_frame(item, shared, ds) for item in per_frame)
    frame = _plain_frame(ds)
    return (frame,) if count == 1 else (replace(frame, position=None),) * count  # one place cannot hold for all


def _plain_frame(ds: Dataset) -> Frame:
    spacing = None
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        spacing = spacing or numbers(ds, keyword, 2)
    return Frame(
        position=numbers(ds, "ImagePositionPatient", 3),
        orientation=_orientation(numbers(ds, "ImageOrientationPatient", 6)),
        spacing=_positive(spacing),
        thickness=number(ds, "SliceThickness"),
        slope=number(ds, "RescaleSlope"),
        intercept=number(ds, "RescaleIntercept"),
        rescale_type=text(ds, "RescaleType").upper(),
        facets=tuple(text(ds, k) for k in FACETS.split()),
    )


def _enhanced_frame(item: Dataset, shared: Dataset, ds: Dataset) -> Frame:
    """Functional groups of one frame over the shared ones (PS3.3 C.7.6.16)."""

    def group(name: str) -> Dataset:
        return (_sequence(item, name) or _sequence(shared, name) or [Dataset()])[0]

    measures, values, content = (
        group("PixelMeasuresSequence"),
        group("PixelValueTransformationSequence"),
        group("FrameContentSequence"),
    )
    kind = group("CTImageFrameTypeSequence") or group("MRImageFrameTypeSequence")
    facets = (
        text(content, "StackID"),
        text(content, "TemporalPositionIndex"),
        text(group("MREchoSequence"), "EffectiveEchoTime"),
        text(group("MRDiffusionSequence"), "DiffusionBValue"),
        text(kind, "FrameType"),
        text(content, "FrameAcquisitionNumber"),
    )
    return Frame(
        position=numbers(group("PlanePositionSequence"), "ImagePositionPatient", 3),
        orientation=_orientation(numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6)),
        spacing=_positive(numbers(measures, "PixelSpacing", 2)),
        thickness=number(measures, "SliceThickness"),
        slope=number(values, "RescaleSlope") if values else number(ds, "RescaleSlope"),
        intercept=number(values, "RescaleIntercept") if values else number(ds, "RescaleIntercept"),
        rescale_type=text(values if values else ds, "RescaleType").upper(),
        facets=facets,
    )


def _sequence(ds: Dataset, keyword: str) -> list[Any]:
    try:
        return list(ds.get(keyword) or ())
    except DAMAGED:
        return []


def _positive(spacing: tuple[float, ...] | None) -> tuple[float, float] | None:
    return spacing if spacing is not None and all(0.001 <= s <= 100 for s in spacing) else None


def _orientation(found: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Six direction cosines, or None where they are not two unit vectors at a right angle (within 1e-2; rounding to
    few digits in the header reaches 1e-3)."""
    if found is None:
        return None
    row, column = found[:3], found[3:]
    dot = sum(a * b for a, b in zip(row, column, strict=True))
    good = all(abs(math.hypot(*v) - 1) < 1e-2 for v in (row, column)) and abs(dot) < 1e-2
    return found if good else None


def listed_files(path: Path, limits: Limits) -> list[str]:
    """The files that a DICOMDIR names, as paths relative to it (PS3.3 F.3.2.2, Referenced File ID)."""
    ds = pydicom.dcmread(in_memory(path), specific_tags=[tag_for_keyword("DirectoryRecordSequence")], force=True)
    names = []
    for record in _sequence(ds, "DirectoryRecordSequence")[: limits.files]:
        if name := text(record, "ReferencedFileID"):
            names.append(name.replace("\\", "/"))
    return names
