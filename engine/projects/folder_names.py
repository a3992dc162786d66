"""The folders that pictures lay in, kept beside a project until somebody says whether they are its classes.

A folder's name may be a patient's, so it stands in a file of its own and in no row: `folders/<project>.json`, deleted
once it was used or declined, after a day at the latest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

FOLDER = "folders"
OLD_SECONDS = 24 * 3600.0


def keep_folders(data_dir: Path, project: str, folders: Mapping[str, str]) -> None:
    """Case id -> the name of its folder, beside what earlier uploads into this project left."""
    path = _path(data_dir, project)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({**folders_of(data_dir, project), **folders}, ensure_ascii=False), "utf-8")
    part.replace(path)


def folders_of(data_dir: Path, project: str) -> dict[str, str]:
    """Case id -> the name of its folder; empty where nothing is kept."""
    try:
        return json.loads(_path(data_dir, project).read_text("utf-8"))
    except FileNotFoundError:
        return {}


def forget_folders(data_dir: Path, project: str) -> None:
    """They were used or declined."""
    _path(data_dir, project).unlink(missing_ok=True)


def sweep_folders(data_dir: Path, now: float | None = None) -> int:
    """Deletes those that nobody said a word about for a day; returns how many."""
    now, count = time.time() if now is None else now, 0
    for path in (data_dir / FOLDER).glob("*"):
        if now - path.stat().st_mtime > OLD_SECONDS:
            path.unlink(missing_ok=True)
            count += 1
    return count


def _path(data_dir: Path, project: str) -> Path:
    return data_dir / FOLDER / f"{project}.json"
