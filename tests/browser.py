"""How the suite starts Debian's Chromium: one place for its path and its switches."""

from __future__ import annotations

import os
import shutil

# Without the background switches Chromium looks for its maker's hosts at each start.
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_WEBGL = ["--disable-3d-apis", "--disable-software-rasterizer"]


def chromium_path() -> str | None:
    """The browser's path: HANDFUL_CHROMIUM, else Debian's; None where there is none."""
    return os.environ.get("HANDFUL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
