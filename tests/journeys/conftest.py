"""The whole product for a journey: `python -m engine serve` on a free port, a data folder of its own, a real browser.

Pictures of each journey are kept in HANDFUL_PICTURES (a folder) when it is set; the README's come from there.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 180_000  # for a busy machine; how fast it is stands in the benchmarks


@dataclass(frozen=True)
class Served:
    """A running Handful."""

    url: str
    data_dir: Path


@contextmanager
def serve(folder: Path, **environment: str) -> Iterator[Served]:
    """Start the product over a data folder and stop it as a person does. Fails with what it printed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data_dir = folder / "data"
    settings = {
        "HANDFUL_DATA_DIR": str(data_dir),
        "HANDFUL_KEY_FILE": str(folder / "key"),
        "HANDFUL_PORT": str(port),
        "HANDFUL_ADDRESS": "127.0.0.1",
        **environment,
    }
    log = (folder / "serve.txt").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "serve"],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, folder / "serve.txt")
        yield Served(url, data_dir)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        log.close()


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            if opener.open(url + "/_stcore/health", timeout=5).status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("Handful did not start: " + log.read_text()[-2000:])


@pytest.fixture
def open_page(browser) -> Iterator[Callable]:
    """open_page(url, width=1440, height=900, theme="Dark", language="en") -> a page that collects what went wrong.

    `page.asked` lists every address the browser asked for, `page.broke` errors of scripts.
    """
    contexts = []

    def make(url: str, *, width: int = 1440, height: int = 900, theme: str = "Dark", language: str = "en"):
        context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(
            f"localStorage.getItem('stActiveTheme-/-v2') || localStorage.setItem('stActiveTheme-/-v2', '\"{theme}\"')"
        )
        context.add_cookies([{"name": "handful_language", "value": language, "url": url}])
        contexts.append(context)
        page = context.new_page()
        page.asked, page.broke = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.broke.append(str(error)))
        page.goto(url)
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def picture(request) -> Callable:
    """picture(page, name): keep a screenshot where HANDFUL_PICTURES says, for the README and for human eyes."""

    def take(page, name: str) -> None:
        if folder := os.environ.get("HANDFUL_PICTURES"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take
