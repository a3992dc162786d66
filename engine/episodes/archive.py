"""Labelled pictures in one file: an npz with `images`, `label` and perhaps `group`, or a zip with `labels.csv`."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

MOST_PIXELS = 40_000_000  # of one picture in a zip; larger ones are refused before they are decoded


@dataclass(frozen=True)
class Archive:
    """`images`: one uint8 array (rows, columns) or (rows, columns, 3) each; `labels` and `groups` (n,) text.

    What shares a group (a patient, a video, near copies) must never stand on both sides of a split.
    """

    name: str
    images: Sequence[np.ndarray]
    labels: np.ndarray
    groups: np.ndarray

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.labels.tolist())))


def open_archive(path: Path | str) -> Archive:
    """Read an archive. ValueError says in a sentence what is wrong with the file; nothing is unpickled."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path.name} was not found")
    if not zipfile.is_zipfile(path):  # an npz is a zip too
        raise ValueError(f"{path.name} is neither an npz file nor a zip file")
    with zipfile.ZipFile(path) as archive:
        listed = "labels.csv" in archive.namelist()
    return _from_zip(path) if listed else _from_npz(path)


def _from_npz(path: Path) -> Archive:
    try:
        with np.load(path, allow_pickle=False) as raw:
            missing = {"images", "label"} - set(raw.files)
            if missing:
                raise ValueError(f"{path.name} lacks the array {' and '.join(sorted(missing))}")
            images, labels = raw["images"], raw["label"].astype(str)
            groups = raw["group"].astype(str) if "group" in raw.files else None
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
        raise ValueError(f"{path.name}: images must be uint8 (N, rows, columns) or (N, rows, columns, 3)")
    return _checked(path, images, labels, groups)


def _from_zip(path: Path) -> Archive:
    with zipfile.ZipFile(path) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode("utf-8"))))
        if not rows or not {"file", "label"} <= set(rows[0]):
            raise ValueError(f"{path.name}: labels.csv needs the columns file and label")
        images = [_picture(archive.read(row["file"]), row["file"]) for row in rows]
    labels = np.array([row["label"] for row in rows])
    groups = np.array([row["group"] for row in rows]) if "group" in rows[0] else None
    return _checked(path, images, labels, groups)


def _picture(raw: bytes, name: str) -> np.ndarray:
    with Image.open(io.BytesIO(raw)) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError(f"{name} has {picture.width} x {picture.height} pixels, too many")
        return np.asarray(picture.convert("L" if picture.mode in ("L", "1", "I;16", "F") else "RGB"))


def _checked(path: Path, images: Sequence[np.ndarray], labels: np.ndarray, groups: np.ndarray | None) -> Archive:
    if groups is None:
        groups = np.array([f"#{i}" for i in range(len(labels))])
    if not len(images) == len(labels) == len(groups):
        counts = f"{len(images)} images, {len(labels)} labels, {len(groups)} groups"
        raise ValueError(f"{path.name}: the arrays differ in length ({counts})")
    return Archive(path.stem, images, labels, groups)
