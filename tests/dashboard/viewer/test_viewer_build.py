"""The file under assets/viewer is what its sources say, and its lock and licences are fit to ship."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "assets" / "viewer"
SOURCE = ROOT / "dashboard" / "viewer" / "source"
OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network", re.IGNORECASE)


def test_building_again_gives_the_same_bytes(tmp_path):
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not here: the viewer's file is taken as it is")
    build = subprocess.run(
        [ROOT / "dashboard" / "viewer" / "build.sh", tmp_path], capture_output=True, text=True, timeout=500
    )
    if build.returncode and OFFLINE.search(build.stderr):
        pytest.skip("the packages of the viewer's file cannot be fetched here")
    assert build.returncode == 0, build.stderr
    for name in ("handful-viewer.js", "LICENCES.txt"):
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes(), f"assets/viewer/{name}: run build.sh"


def test_the_lock_pins_cornerstone_and_names_no_registry():
    text = (SOURCE / "package-lock.json").read_text("utf-8")
    packages = json.loads(text)["packages"]
    for name in ("core", "tools", "metadata", "utils"):
        assert packages[f"node_modules/@cornerstonejs/{name}"]["version"] == "5.14.0"
    assert "resolved" not in text
    unsigned = [name for name, about in packages.items() if name and "integrity" not in about]
    assert not unsigned


def test_every_package_in_the_file_has_a_licence_that_lets_us_ship_it():
    text = (SHIPPED / "LICENCES.txt").read_text("utf-8")
    found = dict(re.findall(r"^={20,}\n(\S+ \S+): (.+)$", text, re.MULTILINE))
    assert "@cornerstonejs/core 5.14.0" in found
    allowed = {"MIT", "ISC", "Apache-2.0", "BSD-3-Clause", "BSL-1.0"}
    assert set(found.values()) <= allowed | {"(WTFPL OR MIT)"}
    assert "no licence file" not in text
