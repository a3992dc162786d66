"""A case -> its embedding and its dense features, once, when it arrives; so that Adapt only adapts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.encoders import Encoding
from engine.encoders.finder import Dense, propose
from engine.encoders.finder import identity as finder_identity
from engine.intake import load_case, load_volume
from engine.jobs.queue import INTAKE
from engine.jobs.work import rooms
from engine.nouns import Note, Place


def file_encode(project: str, case_id: str) -> None:
    """Ask for a case's embedding; asking twice is asking once."""
    rooms.queue().file("encode", {"case": case_id}, lane=INTAKE, project=project)


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: case. Writes both files beside the case's voxels; what is there already is left alone."""
    case_id = args["case"]
    report(0, 2, Note("work.looking").to_json())
    whole(case_id)
    report(1, 2, Note("work.looking_closer").to_json())
    dense(case_id)
    return {}


def whole(case_id: str, region: Place | None = None) -> Encoding:
    """The embedding of a case, or of a region of it; from its file if it was made before."""
    folder, encoder = rooms.case_dir(case_id), rooms.encoder()
    path = folder / f"encoding-{encoder.identity}{_suffix(region)}.npz"
    if path.exists():
        return Encoding.load(path)
    encoding = encoder.encode(load_volume(folder), region=region)
    encoding.save(path)
    return encoding


def dense(case_id: str) -> Dense | None:
    """The dense features of a volume, for finding places; None for a picture."""
    folder = rooms.case_dir(case_id)
    if load_case(folder).kind != "volume":
        return None
    path = folder / f"dense-{finder_identity()}.npz"
    if path.exists():
        return Dense.load(path)
    found = propose(load_volume(folder))
    found.save(path)
    return found


def _suffix(region: Place | None) -> str:
    if region is None:
        return ""
    text = json.dumps([region.centre_mm, region.size_mm, region.shape])
    return "-" + hashlib.sha256(text.encode()).hexdigest()[:12]
