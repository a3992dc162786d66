"""Where the real data of benchmarks lies: HANDFUL_TEST_DATA, or a folder given on the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def folder(name: str, given: Path | None = None) -> Path:
    """`given`, or the folder `name` of the real data; where there is none, a sentence and an end without an error."""
    path = given or Path(os.environ.get("HANDFUL_TEST_DATA", ROOT.parent / "shared" / "data")) / name
    if not path.is_dir():
        print(f"This benchmark needs real data that is not here: give a folder, or set HANDFUL_TEST_DATA ({name}).")
        sys.exit(0)
    return path
