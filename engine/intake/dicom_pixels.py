"""Decoding one slice of a DICOM file into the numbers that are stored. Runs in the child.

Hounsfield units: stored value x slope + intercept (PS3.3 C.11.1.1.2), rounded to the nearest integer, int16.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, pixel_array
from pydicom.pixels.utils import get_j2k_parameters
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEG2000TransferSyntaxes, JPEGLSLossless, JPEGLSNearLossless

from engine.intake.dicom_header import in_memory, refuse_inflation, syntax_of
from engine.intake.limits import Limits
from engine.intake.refusal import DAMAGED, Refusal

QUICKEST = {
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
}
INT16 = np.iinfo(np.int16)
AIR_HU = -1024
PLAUSIBLE_HU = (-8192, 20_000)  # beyond padding (-3024, -4048) and metal on an extended scale
PLAUSIBLE_SHARE = 0.05  # of a slice: more than artefacts at a screw
TISSUE_HU = (-1024, 3071)  # the 12-bit range of CT; padding outside it cannot be tissue


class Opened:
    """The file read last, kept: the frames of one multi-frame file come one after another."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.ds = Dataset()

    def open(self, path: Path, limits: Limits) -> Dataset:
        """The whole data set of `path`, with a transfer syntax. Raises Refusal where it holds no picture."""
        if path != self.path:
            self.path, self.ds = None, Dataset()
            refuse_inflation(path, limits)
            ds = pydicom.dcmread(in_memory(path), force=True)
            if "PixelData" not in ds:
                raise Refusal("no_pixels")
            if not getattr(ds.file_meta, "TransferSyntaxUID", None):
                ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax_of(ds))
            self.path, self.ds = path, ds
        return self.ds


def stored_values(ds: Dataset, frame: int, rows: int, columns: int) -> np.ndarray:
    """(rows, columns) or (rows, columns, 3) as stored, colour as RGB. Raises Refusal if the size is not as stated."""
    many = int(ds.get("NumberOfFrames") or 1) > 1
    found = _decoded(ds, frame if many else None)
    if found.dtype == np.uint16 and ds.file_meta.TransferSyntaxUID in JPEG2000TransferSyntaxes:
        found = _signed_as_coded(found, ds, frame)
    if ds.get("PhotometricInterpretation") == "PALETTE COLOR":
        found = apply_color_lut(found, ds)
    if found.ndim == (4 if found.shape[-1] == 3 and not many else 3) and found.shape[0] == 1:
        found = found[0]
    if found.shape[:2] != (rows, columns) or found.ndim > 3:
        raise Refusal("size_disagrees", rows=rows, columns=columns)
    return found


def _decoded(ds: Dataset, frame: int | None) -> np.ndarray:
    """By the quickest decoder for the syntax (measured: JPEG-LS 6.6 against 9 ms a slice, JPEG 2000 32 against 36), by
    any other that can where that one fails."""
    plugin = QUICKEST.get(ds.file_meta.TransferSyntaxUID)
    if plugin:
        try:
            return pixel_array(ds, index=frame, decoding_plugin=plugin)
        except (RuntimeError, *DAMAGED):
            pass
    return pixel_array(ds, index=frame)


def _signed_as_coded(found: np.ndarray, ds: Dataset, frame: int) -> np.ndarray:
    """JPEG 2000 codes its own sign, and the pixels obey it where the header (Pixel Representation) says unsigned:
    some Toshiba exports; read by the header, air would come out at 63488."""
    coded = get_j2k_parameters(get_frame(ds.PixelData, frame, number_of_frames=int(ds.get("NumberOfFrames") or 1)))
    bits = coded.get("precision", 16)
    if not coded.get("is_signed") or found.max() < 1 << (bits - 1):
        return found
    values = found.astype(np.int32)
    return np.where(values >= 1 << (bits - 1), values - (1 << bits), values).astype(np.int16)


def to_hu(stored: np.ndarray, plan: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Stored values -> int16 HU, and what is told of them: facts of the rescaled values, and counts of what changed.

    Padding outside the scanned circle becomes air where its value cannot be tissue; values past int16 are clipped.
    The range told is that of the file, padding included.
    """
    slope, intercept = plan["slope"], plan["intercept"]
    ends = sorted(float(v) * slope + intercept for v in (stored.min(), stored.max()))
    if slope == 1 and float(intercept).is_integer() and ends[0] >= INT16.min and ends[1] <= INT16.max:
        hu = stored.astype(np.int16, copy=True)  # wraps around and back: the sum fits
        hu += np.int16(int(intercept) % (1 << 16) - (1 << 16 if int(intercept) % (1 << 16) > INT16.max else 0))
    else:
        hu = np.rint(stored.astype(np.float64) * slope + intercept)
    told: dict[str, Any] = {"min": round(ends[0]), "max": round(ends[1]), "sum": int(hu.sum(dtype=np.float64))}
    if plan.get("padding") is not None and (count := _pad(hu, stored, plan)):
        told["padded"] = count
    if told["min"] < INT16.min or told["max"] > INT16.max:
        wild = (hu < INT16.min) | (hu > INT16.max)
        told["clipped"] = int(wild.sum())
        hu = np.clip(hu, INT16.min, INT16.max)
    if told["min"] < PLAUSIBLE_HU[0] or told["max"] > PLAUSIBLE_HU[1]:
        wild = (hu < PLAUSIBLE_HU[0]) | (hu > PLAUSIBLE_HU[1])
        if wild.mean() > PLAUSIBLE_SHARE:
            raise Refusal("implausible", least=int(hu.min()), most=int(hu.max()))
    return hu.astype(np.int16, copy=False), told


def _pad(hu: np.ndarray, stored: np.ndarray, plan: Mapping[str, Any]) -> int:
    """Turn declared padding (PS3.3 C.7.5.1.1.2) into air, in place, unless its value could be tissue."""
    padding, limit = plan["padding"], plan.get("padding_limit")
    if TISSUE_HU[0] <= padding * plan["slope"] + plan["intercept"] <= TISSUE_HU[1]:
        return 0
    low, high = sorted((padding, padding if limit is None else limit))
    mask = (stored >= low) & (stored <= high)
    hu[mask] = AIR_HU
    return int(mask.sum())


def to_grey(stored: np.ndarray, plan: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Stored values -> the series' grey values: as they are (int16, or uint16 that `cases` fits later), or scaled by
    `plan["scale"]` after slope and intercept where these differ from slice to slice (PET)."""
    if plan.get("invert"):
        low, high = plan["range"]
        stored = (low + high - stored.astype(np.int64)).clip(INT16.min, 2 * INT16.max + 1)
    if plan.get("scale"):
        real = stored.astype(np.float64) * plan["slope"] + plan["intercept"]
        stored = np.rint(real * plan["scale"]).clip(INT16.min, INT16.max)
    return stored.astype(plan["dtype"]), {}


def to_colour(stored: np.ndarray, plan: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """RGB of 8 or 16 bits -> `plan["dtype"]`, uint8; 16-bit palettes and pictures keep their upper eight bits."""
    if stored.dtype == np.uint8:
        return stored, {}
    if stored.max(initial=0) > 255:
        return (stored >> 8).astype(np.uint8), {"shortened": True}
    return stored.astype(plan["dtype"]), {}
