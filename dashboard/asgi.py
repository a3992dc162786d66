"""The page server: Streamlit's app with our routes and the gate on one port. Started by `python -m engine serve`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import psutil
import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

ROOT = Path(__file__).resolve().parent.parent
# Streamlit runs this file by its path, so the project's own folder is not on the way of imports yet.
sys.path.insert(0, str(ROOT))

from dashboard.gate import Gate, SecurityHeaders  # noqa: E402
from dashboard.login import Login  # noqa: E402
from dashboard.routes import make_routes  # noqa: E402
from engine.jobs.parent import SUPERVISOR, end_with_parent  # noqa: E402
from engine.jobs.queue import Queue  # noqa: E402
from engine.projects import Store  # noqa: E402
from engine.settings import Settings, load_settings  # noqa: E402


def allowed_hosts(settings: Settings) -> list[str]:
    """The names under which a browser may ask: those of HANDFUL_ALLOWED_HOSTS, this machine's own, and loopback."""
    hosts = {"127.0.0.1", "localhost", "[::1]", "::1"}
    hosts |= {each.strip() for each in settings.allowed_hosts.split(",") if each.strip()}
    if settings.address not in hosts:
        hosts |= {socket.gethostname(), settings.address} - {"0.0.0.0", "::", ""}
        if settings.address in ("0.0.0.0", "::"):
            families = (socket.AF_INET, socket.AF_INET6)
            for addresses in psutil.net_if_addrs().values():
                hosts |= {each.address.split("%")[0] for each in addresses if each.family in families}
    return sorted(hosts)


def app_parts(settings: Settings) -> dict[str, Any]:
    """Script, routes and middleware for one data folder: the arguments of `st.App`."""
    store, queue = Store(settings.database), Queue(settings.data_dir)
    login = Login(store, settings)
    return {
        "script_path": ROOT / "dashboard" / "app.py",
        "routes": make_routes(settings, store, queue, login),
        "middleware": [
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(settings), www_redirect=False),
            Middleware(Gate, store=store, port=settings.port, needs_password=login.needs_password),
        ],
    }


if SUPERVISOR in os.environ:
    end_with_parent()
# Each of a page's 50 messages is handed to the event loop by a call that lets go of the interpreter. Where others
# compute it comes back after a switch interval, Python's 5 ms: a class waited longer for that than for its answers.
sys.setswitchinterval(0.001)
# Streamlit looks for this very call in the text of the file to know that it is an application and not a page.
app = st.App(**app_parts(load_settings()))
