"""From decoded voxels to a kept case: id, patient, site, notes, thumbnail, folder."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.intake import cases
from engine.intake.codes import code
from engine.intake.upload import Upload, stable
from engine.nouns import Case, Geometry, Note

AIR_HU = (-1150, -800)  # the darkest 1 % of a scan that shows air or lung; -1000 is air by definition
FINISH_BYTES = 3  # reads and writes of the voxel file while finishing


@dataclass
class Making:
    """A case in the making: `facts` of its real slices in order (filled ones are not counted), `draft` its folder."""

    kind: str
    shape: tuple[int, ...]
    geometry: Geometry
    facts: list[Mapping[str, Any]]
    draft: Path | None
    files: list[int]
    is_hu: bool = False
    modality: str = ""
    patient: str = ""
    site: str = ""
    grey: bool = False
    windows: tuple[tuple[float, float], ...] = ()
    notes: list[Note] = field(default_factory=list)
    kept: Mapping[str, Any] = field(default_factory=dict)


def fingerprint(making: Making) -> bytes:
    """Digest of voxels and geometry: the same series gives the same one, however its files were named or packed."""
    digest = hashlib.sha256()
    for fact in making.facts:
        digest.update(bytes.fromhex(fact["digest"]))
    g = making.geometry
    digest.update(stable([making.is_hu, [round(v, 3) for v in (*g.spacing_mm, *g.origin_mm)]]))
    return digest.digest()


def make(upload: Upload, making: Making) -> Case | None:
    """Finish a case and keep it; None if it was refused or is a double of one of this upload."""
    content = fingerprint(making)
    case_id = code(upload.key, "case", content)
    if any(case_id == known.id for known in upload.taken.cases):
        _drop(making)
        for index in making.files:
            upload.ignore(index, "double")
        return None
    told = {name for fact in making.facts for name in fact}
    windows = making.windows
    if making.draft is not None:
        finished = _finish(upload, making)
        if "refused" in finished:
            _drop(making)
            for index in making.files:
                upload.refuse(index, finished["refused"])
            return None
        making.shape, windows = tuple(finished["shape"]), tuple(tuple(w) for w in finished["windows"])
        told |= {"halved"} if finished["halved"] else set()
    case = Case(
        id=case_id,
        kind=making.kind,
        name=f"{making.modality or making.kind} {case_id[:6]}",
        shape=making.shape[:3] if making.grey else making.shape,
        geometry=making.geometry,
        patient=making.patient or code(upload.key, "patient-unknown", content),
        site=making.site,
        modality=making.modality,
        is_hu=making.is_hu,
        windows=windows,
        notes=(*making.notes, *_notes_of_facts(making, told)),
        kept=making.kept,
    )
    if making.draft is not None:
        case = cases.keep(making.draft, case, upload.into)
    _account(upload, making, case)
    return case


def _finish(upload: Upload, making: Making) -> dict[str, Any]:
    out = making.draft / cases.VOXELS
    return upload.child.ask(
        "finish",
        out=str(out),
        thumb=str(making.draft / cases.THUMB),
        windows=list(making.windows),
        is_hu=making.is_hu,
        grey=making.grey,
        spacing=list(making.geometry.spacing_mm),
        seconds=upload.limits.decode_seconds(FINISH_BYTES * out.stat().st_size),
    )


def _notes_of_facts(making: Making, told: set[str]) -> list[Note]:
    notes = [Note(f"warning.{name}") for name in ("clipped", "halved", "stretched", "shortened") if name in told]
    if not making.geometry.measured and making.kind == "volume" and making.modality in ("CT", "MR", "PT"):
        notes.append(Note("warning.no_spacing"))
    if making.is_hu:
        dark = next((f["darkest"] for f in making.facts if f.get("darkest") is not None), None)
        if dark is not None and not AIR_HU[0] <= dark <= AIR_HU[1]:
            notes.append(Note("warning.no_air", {"hu": dark}))
    return notes


def _account(upload: Upload, making: Making, case: Case) -> None:
    count = sum(f["count"] for f in making.facts)
    upload.taken.cases.append(case)
    upload.taken.stats[case.id] = {
        "min": min(f["min"] for f in making.facts),
        "max": max(f["max"] for f in making.facts),
        "mean": sum(f["sum"] for f in making.facts) / count,
    }
    upload.taken.files[case.id] = [upload.files[i].shown for i in dict.fromkeys(making.files)]
    for index in making.files:
        upload.done(index)


def _drop(making: Making) -> None:
    if making.draft is not None:
        shutil.rmtree(making.draft, ignore_errors=True)
