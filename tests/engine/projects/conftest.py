"""A store with a project of six cases of three patients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.nouns import Case, Geometry
from engine.projects import Project, Store


def make_case(number: int, patient: str | None = None) -> Case:
    """A tiny volume; two cases in a row are of one patient."""
    patient = f"p{number // 2}" if patient is None else patient
    return Case(f"case{number}", "volume", f"scan {number}", (2, 3, 4), Geometry(), patient, is_hu=True)


def write_case(cases_dir: Path, case: Case) -> None:
    """The files that intake leaves for a case."""
    folder = cases_dir / case.id
    folder.mkdir(parents=True)
    voxels = np.random.default_rng(len(case.id)).integers(-1000, 1000, case.shape).astype(np.int16)
    np.save(folder / "voxels.npy", voxels)
    (folder / "case.json").write_text(json.dumps(case.to_json()), "utf-8")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "handful.db")


@pytest.fixture
def project(store: Store) -> Project:
    made = store.create_project("Nodules", ["smooth", "spiculated"])
    for number in range(6):
        store.add_case(made.id, make_case(number))
    return made
