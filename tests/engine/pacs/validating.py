"""Second opinions on DICOM objects: dicom3tools' validator and dcmtk's reader."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def validated(path: Path) -> None:
    """dciodvfy finds no error in it, dcmtk opens it."""
    for tool in ("dciodvfy", "dcmdump"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} here (make test-tools installs Debian's dicom3tools and dcmtk)")
    said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    assert [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")] == []
    subprocess.run(["dcmdump", "-q", str(path)], check=True, capture_output=True)
