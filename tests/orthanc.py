"""A real PACS for tests: Debian's Orthanc with its DICOMweb plugin, on loopback, in a folder that goes away."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset

USER, PASSWORD, TITLE = "handful", "a-test-password", "ORTHANC"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True)
class Orthanc:
    """Where it listens; `rest` is its own interface, for what a test wants to know of it."""

    web: str
    port: int
    rest: httpx.Client

    def upload(self, path: Path) -> None:
        self.rest.post("/instances", content=path.read_bytes()).raise_for_status()

    def modalities(self) -> list[str]:
        """The modality of every series it holds."""
        return sorted(
            self.rest.get(f"/series/{each}").json()["MainDicomTags"]["Modality"]
            for each in self.rest.get("/series").json()
        )

    def ours(self) -> list[str]:
        """The instances that Handful sent."""
        found = []
        for instance in self.rest.get("/instances").json():
            tags = self.rest.get(f"/instances/{instance}/simplified-tags").json()
            if tags.get("Manufacturer") == "Handful":
                found.append(instance)
        return found

    def file(self, instance: str, folder: Path) -> Path:
        """One instance, written to `folder`."""
        path = folder / f"{instance}.dcm"
        path.write_bytes(self.rest.get(f"/instances/{instance}/file").content)
        return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


LISTENER = ("HANDFUL", free_port())  # where it may send to


@contextmanager
def orthanc(folder: Path, ours: tuple[str, int] = LISTENER) -> Iterator[Orthanc]:
    """Starts it; `ours` is the title and port that it may send to. Skips with a sentence where it is not installed."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if program is None or not PLUGIN.exists():
        pytest.skip("there is no Orthanc here (make test-tools installs Debian's orthanc and orthanc-dicomweb)")
    http, dicom = free_port(), free_port()
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "RemoteAccessAllowed": False,
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": TITLE,
        "DefaultEncoding": "Utf8",  # what its DICOMweb answers can say; of Latin1 only Western names are left
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomModalities": {"ours": [ours[0], "127.0.0.1", ours[1]]},
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "storage").mkdir(parents=True, exist_ok=True)
    (folder / "orthanc.json").write_text(json.dumps(settings))
    log = (folder / "orthanc.txt").open("w")
    process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT)
    root = f"http://127.0.0.1:{http}"
    rest = httpx.Client(base_url=root, auth=(USER, PASSWORD), trust_env=False, timeout=30)
    try:
        _wait(rest, process, folder)
        yield Orthanc(f"{root}/dicom-web", dicom, rest)
    finally:
        rest.close()
        process.terminate()
        process.wait(timeout=30)
        log.close()


def _wait(rest: httpx.Client, process: subprocess.Popen, folder: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            if rest.get("/dicom-web/studies").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("Orthanc did not start: " + (folder / "orthanc.txt").read_text()[-2000:])


def name_patient(header: Dataset, name: str, number: str, description: str) -> None:
    """Gives a synthetic scan a patient, so that there is something to search for and to remove."""
    header.PatientName, header.PatientID, header.StudyDescription = name, number, description
