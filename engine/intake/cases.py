"""A case on disk: a folder with `voxels.npy`, `case.json` and `thumb.png`, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np

from engine.nouns import Case, Volume

VOXELS, CASE, THUMB = "voxels.npy", "case.json", "thumb.png"


def load_case(case_dir: Path) -> Case:
    """The description of a case. Raises FileNotFoundError where there is none."""
    return Case.from_json(json.loads((case_dir / CASE).read_text("utf-8")))


def load_volume(case_dir: Path) -> Volume:
    """The voxels of a case as a read-only memory map: int16 (slices, rows, columns), or uint8 with an optional last
    axis of 3 for pictures."""
    case = load_case(case_dir)
    voxels = np.load(case_dir / VOXELS, mmap_mode="r", allow_pickle=False)
    if voxels.shape != case.shape:
        raise ValueError(f"The voxel file of case {case.id} is damaged: {voxels.shape} instead of {case.shape}.")
    return Volume(voxels, case.geometry, case.is_hu, case.windows)


def keep(draft: Path, case: Case, into: Path) -> Case:
    """Make the finished folder `draft` (voxels and thumbnail inside) the case's folder, in one step.

    A case of the same id that is already there and whole stays and is returned: it has the same voxels, the id comes
    from them.
    """
    (draft / CASE).write_text(json.dumps(case.to_json(), ensure_ascii=False, indent=1), "utf-8")
    for name in (VOXELS, CASE, THUMB):
        _sync(draft / name)
    _sync(draft)
    home = into / case.id
    if _whole(home):
        shutil.rmtree(draft)
        return load_case(home)
    if home.exists():
        shutil.rmtree(home)
    draft.replace(home)
    _sync(into)
    return case


def _whole(home: Path) -> bool:
    try:
        return load_volume(home).voxels is not None and (home / THUMB).exists()
    except (OSError, ValueError, KeyError):
        return False


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
