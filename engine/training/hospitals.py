"""A folder of hospitals as training data: one sub-folder a hospital, in it one a class, in it the cases.

    DATA/north/haemorrhage/case1/*.dcm   DATA/north/normal/case2.nii.gz   DATA/south/haemorrhage/...

Cases come in through the same door as uploads (`engine.intake`): bounded, stripped of identifiers, refused with a
sentence. Each hospital is a source of tasks by itself; its name never becomes a label.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.encoders.framing import frame
from engine.encoders.views import make_views
from engine.intake import load_volume, take_in
from engine.sentences import say
from engine.training.loop import Report
from engine.training.pictures import KEPT_PX, Pictures

SLICES = 8  # of a study: evenly spread among those that the product looks at
KEY = b"training"  # codes patients within this run only; nothing of it is kept elsewhere


@dataclass(frozen=True)
class Hospital:
    """`cases`: (folder of the case taken in, class, patient code); `refused`: one sentence a file."""

    name: str
    cases: list[tuple[Path, str, str]]
    refused: list[str]


def is_hospitals(folder: Path) -> bool:
    """Whether a folder holds hospitals with classes: folders in folders, and no archive of pictures on top."""
    inside = [p for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []
    archives = any(p.suffix in (".zip", ".npz") for p in folder.iterdir()) if folder.is_dir() else False
    return bool(inside) and not archives and any(q.is_dir() for p in inside for q in p.iterdir())


def read_hospitals(folder: Path, into: Path, report: Report) -> list[Hospital]:
    """Take every case in, once; what was taken in before is not read again. ValueError where no hospital is usable."""
    hospitals = []
    names = sorted(p for p in folder.iterdir() if p.is_dir())
    for number, place in enumerate(names, start=1):
        cases: list[tuple[Path, str, str]] = []
        refused: list[str] = []
        for kind in sorted(p for p in place.iterdir() if p.is_dir()):
            for entry in sorted(kind.iterdir()):
                taken, said = _case(entry, into / place.name / kind.name)
                cases += [(path, kind.name, patient) for path, patient in taken]
                refused += said
        report(number, len(names), f"{place.name}: {len(cases)} cases, {len(refused)} files refused")
        if len({c for _, c, _ in cases}) >= 2:
            hospitals.append(Hospital(place.name, cases, refused))
    if not hospitals:
        raise ValueError(
            f"{folder.name} holds no hospital with two classes: make one folder a hospital, in it one a class"
        )
    return hospitals


def _case(entry: Path, into: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    """The cases of one entry (a file, a folder of slices, a zip) and the sentences of what was refused."""
    stamp = hashlib.sha256(str(entry).encode()).hexdigest()[:16]
    listed = into / f"{stamp}.json"
    if not listed.exists():
        into.mkdir(parents=True, exist_ok=True)
        taken = take_in(entry, into / stamp, key=KEY, top_is_case=True)
        about = {
            "cases": [[case.id, case.patient] for case in taken.cases],
            "refused": [f"{refused.file}: {say(refused.note, 'en')}" for refused in taken.refused],
        }
        listed.write_text(json.dumps(about))
    about = json.loads(listed.read_text())
    return [(into / stamp / name, patient) for name, patient in about["cases"]], about["refused"]


def pictures_of(hospital: Hospital) -> Pictures:
    """The studies' slices as pictures to train the encoder on; a patient's slices share a group."""
    views: list[Tensor] = []
    labels: list[int] = []
    groups: list[str] = []
    classes = tuple(sorted({kind for _, kind, _ in hospital.cases}))
    for folder, kind, patient in hospital.cases:
        volume = load_volume(folder)
        at = frame(volume)
        some = np.unique(np.linspace(0, len(at.slices) - 1, SLICES).round().astype(int))
        at = type(at)(tuple(at.slices[i] for i in some), at.row0, at.row1, at.col0, at.col1)
        seen = make_views(volume, at, px=KEPT_PX, bare=True).mul(255).round().to(torch.uint8)
        views.append(seen)
        labels += [classes.index(kind)] * len(seen)
        groups += [patient or folder.name] * len(seen)
    return Pictures(hospital.name, torch.cat(views), torch.tensor(labels), classes, np.array(groups))
