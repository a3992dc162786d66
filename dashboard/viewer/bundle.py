"""The viewer's one JavaScript file: where it lies and the address it is served at."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[2] / "assets" / "viewer" / "handful-viewer.js"
FOLDER = "/hf/assets/"


@cache
def bundle_url() -> str:
    """The address with the file's hash in it, so that browsers may keep it for good and still get a new build."""
    return f"{FOLDER}viewer-{hashlib.sha256(BUNDLE.read_bytes()).hexdigest()[:16]}.js"
