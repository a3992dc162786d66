"""The real page server on a free port and a data folder of its own, for tests that speak HTTP or drive a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from engine.jobs import Queue
from engine.projects import Project, Store

ROOT = Path(__file__).resolve().parents[2]
ZONE = ROOT / "tests" / "dashboard" / "zone" / "asgi.py"


@dataclass
class Page:
    """A running page server: its address, and the same store, queue and folder that it uses."""

    url: str
    port: int
    data_dir: Path
    store: Store
    queue: Queue
    project: Project
    process: subprocess.Popen

    def client(self, *, session: bool = True, **headers: str) -> httpx.Client:
        """A client that has opened the page as a browser does, or (session=False) has not."""
        # No proxy of the environment stands between a test and its own machine.
        client = httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30)
        if session:
            client.get("/", headers={"Accept": "text/html"})
        return client


@contextmanager
def page_server(data_dir: Path, script: Path = ZONE, **environment: str) -> Iterator[Page]:
    """Starts `script` (an asgi.py) and ends it; fails with what it printed where it does not answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store, queue = Store(data_dir / "handful.db"), Queue(data_dir)
    projects = store.projects()
    project = projects[0] if projects else store.create_project("Nodules", ["smooth", "spiculated"])
    log = (data_dir / "page-output.txt").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port),
         "--server.address", "127.0.0.1"],
        cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
        env={**os.environ, "HANDFUL_DATA_DIR": str(data_dir), "HANDFUL_PORT": str(port),
             "HANDFUL_KEY_FILE": str(data_dir.parent / "key"), **environment},
    )  # fmt: skip
    page = Page(f"http://127.0.0.1:{port}", port, data_dir, store, queue, project, process)
    try:
        _wait(page, log.name)
        yield page
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _wait(page: Page, log: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and page.process.poll() is None:
        try:
            if httpx.get(page.url + "/_stcore/health", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("the page server did not answer: " + Path(log).read_text()[-2000:])
