"""DICOM reading, side by side with SimpleITK's series reader: `python benchmarks/dicom_reading.py [--slices 200]`.

The same synthetic series (512 x 512, 12 bits, a body-like picture with noise) is read by both, in turns, in one run.
Ours also checks, groups, rescales, removes identifiers, and keeps the case on disk with fsync; SimpleITK only fills
memory. The voxels of both are compared. A ratio below 1 means that ours took less. Processor seconds (of all processes)
stand beside the wall clock, which other work on the machine distorts; ours include 0.5 s for starting the reader.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.intake import load_volume, take_in

SYNTAXES = {"uncompressed": ExplicitVRLittleEndian, "JPEG-LS": JPEGLSLossless, "JPEG 2000": JPEG2000Lossless}


def make_series(folder: Path, count: int, syntax: str, size: int = 512) -> None:
    """Write `count` axial slices of 1 mm into `folder`, in an order of names that is not the order of places."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    body = np.where((x / 0.8) ** 2 + (y / 0.6) ** 2 < 1, 1064, 24)
    series, study = generate_uid(), generate_uid()
    for i, name in enumerate(rng.permutation(count)):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.Modality = series, study, "CT"
        ds.PatientID, ds.PatientName, ds.InstanceNumber = "1", "Bench^Mark", i + 1
        ds.Rows = ds.Columns = size
        ds.PixelSpacing, ds.SliceThickness = [0.7, 0.7], 1.0
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-180, -180, float(i)], [1, 0, 0, 0, 1, 0]
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
        pixels = (body + rng.normal(0, 12, body.shape) + i % 7).clip(0, 4095).astype(np.uint16)
        ds.set_pixel_data(pixels, "MONOCHROME2", 12)
        if syntax != ExplicitVRLittleEndian:
            ds.compress(syntax, generate_instance_uid=False)
        ds.save_as(folder / f"{name:04d}", enforce_file_format=True)


def read_ours(folder: Path, into: Path) -> np.ndarray:
    taken = take_in(folder, into, key=b"benchmark key of thirty-two byte")
    return load_volume(into / taken.cases[0].id).voxels


def read_simpleitk(folder: Path) -> np.ndarray:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return sitk.GetArrayFromImage(reader.Execute())


def processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(read: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    """(wall seconds, processor seconds, voxels)"""
    start, used = time.perf_counter(), processor_seconds()
    voxels = read()
    return time.perf_counter() - start, processor_seconds() - used, voxels


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    print(f"pydicom {pydicom.__version__}, SimpleITK {sitk.Version.VersionString()}; {args.slices} slices of 512 x 512")
    columns = f"{'ours':>9}{'SimpleITK':>11}{'ratio':>7}"
    print(f"{'series':14}wall s:{columns}   CPU s:{columns}")
    for name, syntax in SYNTAXES.items():
        with tempfile.TemporaryDirectory() as home:
            folder, into = Path(home, "series"), Path(home, "cases")
            folder.mkdir()
            make_series(folder, args.slices, syntax)
            ours, theirs = [], []
            for _ in range(args.turns):
                shutil.rmtree(into, ignore_errors=True)
                a, b = timed(lambda f=folder, i=into: read_ours(f, i)), timed(lambda f=folder: read_simpleitk(f))
                if not np.array_equal(a[2], b[2]):
                    raise SystemExit(f"{name}: the two readers disagree")
                ours.append(a[:2])
                theirs.append(b[:2])
        (wall, cpu), (their_wall, their_cpu) = np.median(ours, axis=0), np.median(theirs, axis=0)
        line = f"{name:14}{'':7}{wall:9.2f}{their_wall:11.2f}{wall / their_wall:7.2f}"
        print(line + f"{'':9}{cpu:9.2f}{their_cpu:11.2f}{cpu / their_cpu:7.2f}", flush=True)
    print(f"(medians of {args.turns} turns)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
