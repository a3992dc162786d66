"""The real application around that page: gate, routes and store are the product's own."""

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from dashboard.asgi import app_parts  # noqa: E402
from engine.settings import load_settings  # noqa: E402

app = st.App(**{**app_parts(load_settings()), "script_path": HERE / "page.py"})
