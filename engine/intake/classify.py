"""Whether a DICOM file can be a case at all, from its header alone, and which sentence says why not."""

from __future__ import annotations

import math

from engine.intake.header import Frame, Header
from engine.intake.limits import Limits
from engine.nouns import Note

STACKED = {"CT", "MR", "PT"}  # modalities whose slices make a volume
MAY_SHOW_TEXT = {"US", "IVUS", "ES", "XC", "OP", "XA", "RF", "OT", "GM", "SM"}
HEAD_PARTS = ("HEAD", "BRAIN", "SKULL", "FACE", "SINUS", "ORBIT", "NECK")

# SOP classes without a picture to learn from (PS3.4 annex B.5), by the start of their UID
STORAGE = "1.2.840.10008.5.1.4.1.1."
NO_PICTURE = {
    STORAGE + "88.": "report",
    STORAGE + "66.4": "segmentation",
    STORAGE + "66.": "registration",
    STORAGE + "481.": "radiotherapy",
    STORAGE + "104.": "document",
    STORAGE + "11.": "presentation",
    STORAGE + "9.": "waveform",
    "1.2.840.10008.1.3.10": "directory",
}
NO_PICTURE_MODALITIES = {
    "SR": "report",
    "KO": "report",
    "SEG": "segmentation",
    "REG": "registration",
    "RTSTRUCT": "radiotherapy",
    "RTPLAN": "radiotherapy",
    "RTDOSE": "radiotherapy",
    "RTRECORD": "radiotherapy",
    "DOC": "document",
    "PR": "presentation",
    "ECG": "waveform",
}
SECONDARY_CAPTURE = STORAGE + "7"
SCREEN_SAVES = {"SCREEN SAVE", "SCREENSAVE", "CSA REPORT", "DOSE_INFO", "DOSE INFO"}
LOCALIZERS = {"LOCALIZER", "SCOUT", "SURVIEW", "REF_SURVIEW", "TOPOGRAM"}
NOT_HOUNSFIELD = {"RCBF", "RCBV", "RMTT", "MTT", "TTP", "TMAX", "CBF", "CBV", "VOLUME_RENDER", "VRT", "3D"}

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
# What the installed decoders read: pydicom itself, gdcm, pylibjpeg-openjpeg and -rle, pyjpegls, Pillow
SYNTAXES = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    JPEG_EXTENDED,
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
}


def refusal_of(header: Header, limits: Limits) -> Note | None:
    """The refusal of one file, or None if it can be (part of) a case."""
    if kind := _kind_without_picture(header):
        return Note(f"refused.{kind}")
    if header.rows < 1 or header.columns < 1:
        return Note("refused.no_pixels")
    if max(header.rows, header.columns) > limits.side:
        return Note("refused.too_large_picture", {"rows": header.rows, "columns": header.columns})
    if header.tiled:
        return Note("refused.whole_slide")
    types = set(header.image_type)
    if types & LOCALIZERS:
        return Note("refused.localizer")
    if header.sop_class == SECONDARY_CAPTURE or header.sop_class.startswith(SECONDARY_CAPTURE + "."):
        return Note("refused.screen_capture")
    if types & SCREEN_SAVES:
        return Note("refused.screen_capture")
    if header.samples not in (1, 3):
        return Note("refused.samples", {"samples": header.samples})
    if header.bits_allocated not in (8, 16) or not 1 <= header.bits_stored <= header.bits_allocated:
        return Note("refused.bits", {"bits": header.bits_allocated})
    if header.syntax not in SYNTAXES:
        return Note("refused.syntax", {"syntax": _short(header.syntax)})
    if header.syntax == JPEG_EXTENDED and header.bits_stored > 8:
        return Note("refused.jpeg_12_bit")
    if needs_hounsfield(header):
        return next((note for frame in header.frames if (note := _rescale_refusal(frame))), None)
    return None


def needs_hounsfield(header: Header) -> bool:
    """A grey CT picture: its slope and intercept must be there, never assumed (measured: of 57 single-bit errors that
    change HU without any sign, 54 sit in these two elements)."""
    return header.modality == "CT" and header.samples == 1


def is_hounsfield(header: Header, frame: Frame) -> bool:
    """CT whose rescaled values are HU: the rescale type says so or is absent (PS3.3 C.8.2.1: absent means HU for
    original CT), and the picture is no map or rendering made from CT."""
    types = set(header.image_type[2:]) | set(frame.facets)
    made_up = bool(types & NOT_HOUNSFIELD)
    return needs_hounsfield(header) and frame.rescale_type in ("", "HU") and not made_up


def _kind_without_picture(header: Header) -> str:
    for start, kind in NO_PICTURE.items():
        if header.sop_class.startswith(start):
            return kind
    return NO_PICTURE_MODALITIES.get(header.modality, "")


def _rescale_refusal(frame: Frame) -> Note | None:
    if frame.slope is None or frame.intercept is None:
        return Note("refused.no_rescale")
    if frame.slope == 0 or not math.isfinite(frame.slope) or not math.isfinite(frame.intercept):
        return Note("refused.bad_rescale")
    return None


def _short(uid: str) -> str:
    return "".join(c for c in uid if c.isdigit() or c == ".")[:64] or "?"
