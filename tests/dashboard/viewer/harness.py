"""A page with nothing but the viewer, for browser tests, screenshots and the benchmark: `uvicorn`-able as `app`.

Query: ?case=NAME&lang=en&overlay=1&places=1&small=1&height=720. What the viewer sends stands as JSON in .st-key-seen.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from streamlit import App

from dashboard.viewer import routes
from tests.dashboard.viewer import cases


def find_voxels(_request: Request, case_id: str):
    known = cases.known(case_id)
    return known.volume.voxels if known else None


def find_overlay(_request: Request, overlay_id: str):
    known = cases.known(overlay_id)
    return cases.overlay(known)[0] if known else None


app = App(str(Path(__file__).with_name("page.py")), routes=routes(find_voxels, find_overlay))
