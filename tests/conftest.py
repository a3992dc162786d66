"""Fixtures for all tests. Real data is found through HANDFUL_TEST_DATA and tests that need it skip without it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser import ARGUMENTS, chromium_path

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real test data; skips the test with a sentence where it is missing."""
    folder = Path(os.environ.get("HANDFUL_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "MANIFEST.md").exists():
        pytest.skip("the real test data is not here (set HANDFUL_TEST_DATA to its folder)")
    return folder


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable]:
    """launch(*switches) -> a headless Chromium, kept for the module; skips with a sentence where there is none.

    Playwright keeps an event loop running in this thread: a second one is refused, and so is `asyncio.run`. So each
    module has it to itself and ends it.
    """
    path = chromium_path()
    if path is None:
        pytest.skip("there is no Chromium here (make test-tools, or set HANDFUL_CHROMIUM to its path)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browsers: dict[tuple[str, ...], object] = {}

        def make(*switches: str):
            if switches not in browsers:
                browsers[switches] = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *switches])
            return browsers[switches]

        yield make
        for browser in browsers.values():
            browser.close()


@pytest.fixture(scope="module")
def browser(launch):
    """The module's ordinary browser."""
    return launch()
