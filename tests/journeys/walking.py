"""What a person does, as verbs: the journeys read like what they prove."""

from __future__ import annotations

import re
import time
from pathlib import Path

from engine.jobs.queue import Queue

VIEWER_READY = ".st-key-viewer [data-ready='true']"


def go(page, step: str) -> None:
    """Press a step in the bar."""
    page.locator(f"nav [data-step={step}]").click()
    page.locator(f"nav [data-step={step}][aria-current=step]").wait_for()


def new_project(page, name: str) -> None:
    page.locator("[data-step=projects]").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create", exact=True).click()
    page.locator("nav [data-step=gather][aria-current=step]").wait_for()


def drop(page, *files: Path) -> None:
    """Send files through the drop zone and wait until every case is ready."""
    page.locator(".st-key-drop input[type=file]").first.set_input_files([str(f) for f in files])
    page.get_by_text(re.compile(r"\d+ cases? taken in")).wait_for()


def name_classes(page, *names: str) -> None:
    for name in names:
        page.get_by_label("Name of the class").fill(name)
        page.get_by_role("button", name="Add", exact=True).click()
        page.locator("[class*=st-key-class-]").get_by_text(name).first.wait_for()


def open_case(page, number: int) -> None:
    page.locator(f"button.item:has-text('Case {number:02d}')").click()
    page.locator(f"button.item[aria-selected=true]:has-text('Case {number:02d}')").wait_for()
    page.locator(VIEWER_READY).wait_for()


def label(page, number: int, key: str, shown: str) -> None:
    """Open a case, press a key, and wait until the worklist says so: then it is on the disk."""
    open_case(page, number)
    page.keyboard.press(key)
    page.locator(f"button.item:has-text('Case {number:02d}') .tag:has-text('{shown}')").wait_for()


def adapt(page) -> None:
    page.locator(".st-key-adapt button").click()
    page.get_by_text(re.compile(r"\d+ predicted in")).wait_for()


def draw_map(page) -> None:
    """Go to the evidence and wait for the first map over the scan."""
    page.locator(".st-key-see button").click()
    page.get_by_text("The check in figures").wait_for()
    page.locator(".st-key-viewer").get_by_text("overlay").first.wait_for()


def wait_until_idle(served, seconds: float = 600.0) -> None:
    """Wait until the engine has nothing left to do."""
    queue, end = Queue(served.data_dir), time.monotonic() + seconds
    while queue.jobs(alive=True, limit=1):
        assert time.monotonic() < end, "the engine is still busy"
        time.sleep(0.5)
