"""Made-up DICOM series with known truth, and the reading child run in this process so that tests are quick."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from engine.intake import Limits, Taken, take_in, taking
from engine.intake.bounded import Bounded, Request
from engine.intake.child import Readers
from engine.nouns import Refused

KEY = bytes(range(32))


class InThisProcess(Bounded):
    """The same requests and answers, through the same JSON, without the processes (0.5 s each to start)."""

    readers = None

    def ask_all(self, requests: Sequence[Request], *, spread: bool = False) -> Iterator[dict[str, Any]]:
        if InThisProcess.readers is None:
            InThisProcess.readers = Readers(Limits())
        readers = InThisProcess.readers
        readers.limits = self.limits
        for _, request in requests:
            yield json.loads(json.dumps(readers.answer(json.loads(json.dumps(request)))))
        readers.opened.path = readers.archive.path = None


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "Bounded", InThisProcess)


@pytest.fixture
def take(in_process: None, tmp_path: Path) -> Callable[..., Taken]:
    """take(source) -> Taken with cases under tmp_path/"cases"; every file is accounted for, or the test fails."""

    def run(source: Path, **options: Any) -> Taken:
        taken = take_in(source, tmp_path / "cases", key=KEY, **options)
        files = [p for p in source.rglob("*") if p.is_symlink() or not p.is_dir()] if source.is_dir() else []
        if files and not any(p.suffix == ".zip" for p in files):
            named = [f for shown in taken.files.values() for f in shown]
            named += [r.file for r in (*taken.refused, *taken.ignored)]
            assert sorted(named) == sorted(p.relative_to(source).as_posix() for p in files)
        return taken

    return run


def pattern(index: int, shape: tuple[int, int] = (16, 20)) -> np.ndarray:
    """Stored values 24 + row + 20 x column + 7 x index: no symmetry, no two slices alike, and air at -1000 HU."""
    rows, columns = np.indices(shape)
    return (24 + rows + 20 * columns + 7 * index).astype(np.uint16)


def slice_of(index: int, **changes: Any) -> FileDataset:
    """One axial CT slice at z = 2 x index mm. `changes` set elements; None deletes; `pixels` the stored values."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PatientID, ds.PatientName, ds.InstanceNumber = "P1", "Doe^Jane", index + 1
    ds.PixelSpacing, ds.SliceThickness = [0.5, 0.75], 2.0
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-10.0, -20.0, 2.0 * index], [1, 0, 0, 0, 1, 0]
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    pixels = changes.pop("pixels", pattern(index))
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated = ds.BitsStored = pixels.dtype.itemsize * 8
    ds.HighBit = ds.BitsStored - 1
    ds.PixelData = pixels.tobytes()
    for name, value in changes.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    return ds


def save(ds: FileDataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def series(folder: Path, indices: Sequence[int], **changes: Any) -> Path:
    """Slices at the given places, under names whose order says nothing."""
    for n, index in enumerate(indices):
        save(slice_of(index, **changes), folder / f"{(n * 7919) % 1009:04d}")
    return folder


def keys(refused: Sequence[Refused]) -> list[str]:
    return [r.note.key.split(".")[1] for r in refused]


def warnings_of(taken: Taken, which: int = 0) -> list[str]:
    return [note.key.removeprefix("warning.") for note in taken.cases[which].notes]
