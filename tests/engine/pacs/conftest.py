"""An Orthanc with two synthetic patients, and a data folder that the jobs open."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from engine.jobs.work import rooms
from engine.pacs.address import Address, keep_address
from engine.pacs.vault import Vault
from engine.phantoms import make_phantom
from engine.phantoms.dicom import write_series
from tests.orthanc import LISTENER, PASSWORD, TITLE, USER, Orthanc, name_patient, orthanc

SLICES = 6
PATIENTS = (("Mustermann^Erika", "P-4711", "CT Thorax"), ("张^伟", "P-0815", "CT 肺结节"))


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> list[list[Path]]:
    """The files of each patient's one study."""
    found = []
    for seed, (name, number, description) in enumerate(PATIENTS):
        folder = tmp_path_factory.mktemp("study")
        phantom = make_phantom(seed, "smooth", "A", size=64, slices=SLICES, cover_mm=30, around_finding=True)
        files = write_series(phantom, folder)
        for path in files:
            header = dcmread(path)
            header.SpecificCharacterSet = "ISO_IR 192"
            name_patient(header, name, number, description)
            header.save_as(path)
        found.append(files)
    return found


@pytest.fixture(scope="module")
def pacs(studies, tmp_path_factory) -> Orthanc:
    with orthanc(tmp_path_factory.mktemp("orthanc"), LISTENER) as running:
        for files in studies:
            for path in files:
                running.upload(path)
        yield running


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder that the jobs open instead of the one opened before."""
    monkeypatch.setenv("HANDFUL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HANDFUL_KEY_FILE", str(tmp_path / "secret" / "key"))
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()
    yield tmp_path / "data"
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()


@pytest.fixture
def address(pacs, home) -> Address:
    """The Orthanc's address, kept as a person keeps it."""
    found = Address(pacs.web, USER, PASSWORD, "127.0.0.1", pacs.port, TITLE)
    keep_address(rooms.store(), Vault(rooms.settings()), found)
    yield found
    for instance in pacs.ours():
        pacs.rest.delete(f"/instances/{instance}")
