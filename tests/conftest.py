"""Fixtures for all tests. Real data is found through HANDFUL_TEST_DATA and tests that need it skip without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real test data; skips the test with a sentence where it is missing."""
    folder = Path(os.environ.get("HANDFUL_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "MANIFEST.md").exists():
        pytest.skip("the real test data is not here (set HANDFUL_TEST_DATA to its folder)")
    return folder
