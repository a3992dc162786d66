"""What is sent: a structured report (TID 1500), a parametric map of the saliency, and a secondary capture of it.

highdicom builds the objects; here stands what goes into them. Every one says that it is for research: in its series'
description, in its content, and burned into the picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

import engine
from engine.evidence.saliency import Saliency
from engine.nouns import Case
from engine.projects.export import NOTICE

MAKER, MODEL, SCHEME = "Handful", "Handful", "99HANDFUL"
DESCRIPTION = "Handful: for research, not for diagnosis"
NO_UNITS = Code("1", "UCUM", "no units")
MINIMUM, MAXIMUM = Code("255605001", "SCT", "Minimum"), Code("56851009", "SCT", "Maximum")
YES, NO = Code("373066001", "SCT", "Yes"), Code("373067005", "SCT", "No")
# Series of ours in one study, far behind a scanner's own.
SERIES = {"report": 9901, "map": 9902, "picture": 9903}


def report(
    source: Sequence[Dataset],
    picture: Dataset | None,
    case: Case,
    title: str,
    prediction: Mapping[str, Any],
    method: str,
    run: str,
    key_slice: int | None = None,
) -> Dataset:
    """A Comprehensive 3D SR with one measurement group (TID 1501): class, probabilities with ranges, where it looked.

    `source`: the case's slices (`sources`), the evidence where it is kept; `picture`: our secondary capture, evidence
    too. `title`: what people call the case. `key_slice`: the one image that the report's library
    shows. Raises ValueError without any evidence.
    """
    evidence = [*source, *([picture] if picture is not None else [])]
    key = list(source[len(source) // 2 :][:1]) if key_slice is None else [source[min(key_slice, len(source) - 1)]]
    place = (prediction.get("places") or [None])[0]
    where = None
    if place is not None and case.geometry.measured:
        point = np.array([place["centre_mm"]], float)
        frame = source[0].FrameOfReferenceUID
        where = [hd.sr.CoordinatesForMeasurement3D(hd.sr.GraphicTypeValues3D.POINT, point, frame)]
    group = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=generate_uid(), identifier=fitting(title)),
        finding_type=codes.DCM.ImageRegion if where else Code("85756007", "SCT", "Body tissue structure"),
        algorithm_id=hd.sr.AlgorithmIdentification(fitting(method), engine.__version__, parameters=[f"run {run}"]),
        measurements=_measurements(prediction, where),
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(own_code("Predicted class"), own_code(prediction["predicted"])),
            hd.sr.QualitativeEvaluation(
                own_code("Unlike anything labelled"), YES if prediction.get("unlike_flag") else NO
            ),
        ],
    )
    device = hd.sr.ObserverContext(
        codes.DCM.Device,
        hd.sr.DeviceObserverIdentifyingAttributes(generate_uid(), MODEL, MAKER, MODEL, engine.__version__),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=device),
        procedure_reported=Code("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=key or None,
    )
    notice = hd.sr.TextContentItem(codes.DCM.Comment, NOTICE, relationship_type=hd.sr.RelationshipTypeValues.CONTAINS)
    content[0].ContentSequence.append(notice)
    made = hd.sr.Comprehensive3DSR(
        evidence=evidence, content=content[0], series_instance_uid=generate_uid(), series_number=SERIES["report"],
        sop_instance_uid=generate_uid(), instance_number=1, manufacturer=MAKER, manufacturer_model_name=MODEL,
        is_complete=True, is_final=False, is_verified=False,
    )  # fmt: skip
    return _described(made, source or [picture])


def _measurements(prediction: Mapping[str, Any], where: list | None) -> list[hd.sr.Measurement]:
    found = []
    rows = zip(prediction["classes"], prediction["probabilities"], prediction["low"], prediction["high"], strict=True)
    for name, value, low, high in rows:
        what = own_code(f"Probability of {name}")
        at = where if name == prediction["predicted"] else None
        found.append(hd.sr.Measurement(what, _round(value), NO_UNITS, referenced_coordinates=at))
        found.append(hd.sr.Measurement(what, _round(low), NO_UNITS, derivation=MINIMUM))
        found.append(hd.sr.Measurement(what, _round(high), NO_UNITS, derivation=MAXIMUM))
    return found


def saliency_map(source: Sequence[Dataset], case: Case, saliency: Saliency) -> Dataset:
    """A Parametric Map (float, one frame a slice of the map) on the map's own grid, placed in the patient.

    Above 0 speaks for the class, below against it. Raises ValueError for a case without a patient's geometry.
    """
    if not case.geometry.measured:
        raise ValueError("A map can be placed in a patient only where the scan has a geometry.")
    # The map's grid lies on some of the case's slices: in-plane from the map, along the slices from the case.
    corner, step = saliency.geometry.to_mm(np.zeros(3)), case.geometry.matrix()[:, 0]
    positions = [corner + (index - saliency.slices[0]) * step for index in saliency.slices]
    _, rows_axis, columns_axis = saliency.geometry.axes
    spacing = saliency.geometry.spacing_mm
    made = hd.pm.ParametricMap(
        source_images=list(source),
        pixel_array=saliency.map.astype(np.float32),
        series_instance_uid=generate_uid(), series_number=SERIES["map"], sop_instance_uid=generate_uid(),
        instance_number=1, manufacturer=MAKER, manufacturer_model_name=MODEL, software_versions=engine.__version__,
        device_serial_number="none", contains_recognizable_visual_features=False,
        real_world_value_mappings=[
            hd.pm.RealWorldValueMapping(
                "saliency", fitting(f"Saliency for {saliency.label}"), NO_UNITS,
                _range(saliency), 1.0, 0.0,
                quantity_definition=own_code("Saliency"),
            )
        ],
        # Exact: the plain function takes no window narrower than 1 (PS3.3 C.11.2.1.2).
        voi_lut_transformations=[
            hd.VOILUTTransformation(
                0.0, 2 * max(float(np.abs(saliency.map).max()), 1e-6),
                voi_lut_function=hd.VOILUTFunctionValues.LINEAR_EXACT,
            )
        ],
        content_description=fitting(f"{saliency.method} for {saliency.label}"), content_label="SALIENCY",
        pixel_measures=hd.PixelMeasuresSequence(
            [float(v) for v in spacing[1:]], float(case.geometry.spacing_mm[0]), None
        ),
        plane_orientation=hd.PlaneOrientationSequence(
            hd.CoordinateSystemNames.PATIENT, [float(v) for v in (*columns_axis, *rows_axis)]
        ),
        plane_positions=[
            hd.PlanePositionSequence(hd.CoordinateSystemNames.PATIENT, [float(v) for v in p]) for p in positions
        ],
        content_qualification=hd.ContentQualificationValues.RESEARCH,
    )  # fmt: skip
    return _described(made, source)


def capture(source: Dataset, picture: np.ndarray) -> Dataset:
    """A Secondary Capture of a picture (rows, columns, 3) uint8, in the study of the slice `source`."""
    made = hd.sc.SCImage.from_ref_dataset(
        source, picture, hd.PhotometricInterpretationValues.RGB, 8, hd.CoordinateSystemNames.PATIENT,
        series_instance_uid=generate_uid(), series_number=SERIES["picture"], sop_instance_uid=generate_uid(),
        instance_number=1, manufacturer=MAKER, patient_orientation=_orientation(source),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )  # fmt: skip
    made.BurnedInAnnotation = "YES"
    made.DerivationDescription = NOTICE
    return _described(made, [source])


def own_code(meaning: str) -> Code:
    """A concept of ours: classes are named by the person who asks. Value from a hash (SH, 16 characters)."""
    return Code(hashlib.sha256(meaning.encode()).hexdigest()[:12].upper(), SCHEME, fitting(meaning))


def fitting(text: str) -> str:
    """At most 64 bytes: LO allows as many characters (PS3.5 6.2), but validators and some PACS count bytes."""
    return text.encode()[:64].decode("utf-8", "ignore")


def _described(made: Dataset, source: Sequence[Dataset]) -> Dataset:
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SeriesDescription = DESCRIPTION
    if made.Modality != "SR":
        made.Laterality = ""  # type 2C: which side a scan shows, if one, is not known here
    if "StudyDescription" in source[0]:
        made.StudyDescription = source[0].StudyDescription
    return made


def _range(saliency: Saliency) -> tuple[float, float]:
    low = float(saliency.map.min())
    return low, max(float(saliency.map.max()), low + 1e-6)


def _orientation(source: Dataset) -> tuple[str, str]:
    """Where rows and columns run to, as letters (PS3.3 C.7.6.1.1.1): the strongest direction of each."""
    if "ImageOrientationPatient" not in source:
        return "L", "P"
    axes = [float(v) for v in source.ImageOrientationPatient]
    letters = ("LR", "PA", "HF")
    found = []
    for axis in (axes[:3], axes[3:]):
        at = int(np.argmax(np.abs(axis)))
        found.append(letters[at][0 if axis[at] > 0 else 1])
    return found[0], found[1]


def _round(value: float) -> float:
    return round(float(value), 6)
