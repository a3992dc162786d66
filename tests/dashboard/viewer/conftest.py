"""A real browser on the test page of harness.py. Skips where there is no Chromium."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_MS = 60_000  # a busy machine, not the product's speed


@contextmanager
def serve_page() -> Iterator[str]:
    """Serves the test pages in a process of their own; yields their address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "tests.dashboard.viewer.harness:app", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--log-level", "warning"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The test pages, served for the session."""
    with serve_page() as url:
        yield url


def _wait(url: str, server: subprocess.Popen) -> None:
    for _ in range(240):
        if server.poll() is not None:
            pytest.fail(f"the test page ended with code {server.returncode} at its start")
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.25)
    pytest.fail("the test page did not start within a minute")


class Screen:
    """What a test does with one open viewer: keys and mouse in, the page's own state out."""

    def __init__(self, page) -> None:
        self.page = page
        self.root = page.locator(".viewer")
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def wait(self, **state: str) -> dict[str, str]:
        """Waits until the viewer's data attributes are as given; returns all of them."""
        marks = "".join(f'[data-{name}="{value}"]' for name, value in state.items())
        self.page.wait_for_selector(f".viewer{marks}", timeout=PATIENCE_MS)
        return self.state()

    def state(self) -> dict[str, str]:
        return self.root.evaluate("e => ({...e.dataset})")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def press_at_once(self, *keys: str) -> None:
        """Letters and digits in one turn of the page: between separate presses a quick page shows the next case."""
        self.page.evaluate(
            """keys => keys.forEach(key => document.activeElement.dispatchEvent(
                new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true })))""",
            list(keys),
        )

    def run(self, script: str, argument=None):
        """Runs `(viewer, argument) => ...` in the page, with the viewer's own object."""
        return self.root.evaluate(f"(e, a) => ({script})(e.handful, a)", argument)

    def at(self, voxel: tuple[float, float, float], pane: int = 0) -> tuple[float, float]:
        """Where a voxel (slice, row, column) lies on the page, in CSS pixels."""
        return tuple(
            self.run(
                """(v, [voxel, pane]) => {
                  const p = v.scene.panes[pane];
                  const [x, y] = p.toCanvas(v.scene.space.fromVoxel([voxel[2], voxel[1], voxel[0]]));
                  const box = p.view.getBoundingClientRect();
                  return [box.left + x, box.top + y];
                }""",
                [list(voxel), pane],
            )
        )

    def rgb(self, voxel: tuple[float, float, float], pane: int = 0) -> list[int]:
        """The colour drawn at a voxel's centre."""
        return self.run(
            """(v, [voxel, pane]) => {
              const p = v.scene.panes[pane];
              const [x, y] = p.toCanvas(v.scene.space.fromVoxel([voxel[2], voxel[1], voxel[0]]));
              const canvas = p.viewport.getCanvas();
              const scale = canvas.width / p.view.clientWidth;
              return Array.from(canvas.getContext("2d").getImageData(x * scale, y * scale, 1, 1).data.slice(0, 3));
            }""",
            [list(voxel), pane],
        )

    def corner(self, name: str, pane: int = 0) -> str:
        return self.page.locator(".pane").nth(pane).locator(f".corner.{name}").inner_text()

    def letters(self, pane: int = 0) -> str:
        """The letters on the left, right, top and bottom edge."""
        texts = [
            self.page.locator(".pane").nth(pane).locator(f".letter.{side}").inner_text()
            for side in ("left", "right", "top", "bottom")
        ]
        return "".join(texts)

    def seen(self, count: int) -> list[dict]:
        """What Python received, once it is `count` events."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while time.monotonic() < deadline:
            got = json.loads(self.page.locator(".st-key-seen").inner_text())
            if len(got) >= count:
                return got
            time.sleep(0.1)
        raise AssertionError(f"Python received {got}")


@pytest.fixture(scope="module")
def context(launch: Callable) -> Callable:
    """`context(switches, width, height, scale)`: a browser context, kept for the module: its cache stays warm."""
    contexts: dict[tuple, object] = {}

    def of(switches: tuple[str, ...], width: int, height: int, scale: float):
        key = (switches, width, height, scale)
        if key not in contexts:
            size = {"width": width, "height": height}
            contexts[key] = launch(*switches).new_context(viewport=size, device_scale_factor=scale)
        return contexts[key]

    return of


@pytest.fixture
def open_viewer(address: str, context: Callable) -> Iterator[Callable[..., Screen]]:
    """`open_viewer("case=plain&...", page=, width=, height=, scale=, switches=)` -> a Screen with all slices loaded.

    `page` "bare" is the viewer alone, "streamlit" the component in a Streamlit page, with Python behind it.
    """
    screens: list[Screen] = []

    def open_(query: str, *, page="bare", width=1440, height=900, scale=1.0, switches=()) -> Screen:
        screen = Screen(context(tuple(switches), width, height, scale).new_page())
        screens.append(screen)
        screen.page.goto(f"{address}/{'hf/bare' if page == 'bare' else ''}?{query}")
        screen.wait(ready="true", complete="true")
        return screen

    yield open_
    for screen in screens:
        screen.page.close()
    errors = [error for screen in screens for error in screen.errors]
    assert not errors, f"the page's scripts failed: {errors}"
