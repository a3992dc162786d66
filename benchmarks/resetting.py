"""From a click on "Reset the demo" until the page shows the first labels again, in a real browser.

    python -m benchmarks.resetting            prints seconds: median and worst of --times resets

Before each reset every case of the 24-study demo is labelled and pointed at by two readers and a run is filed.
Target (issue "Shown, taught and trusted"): under 3 s.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from engine.nouns import Place
from engine.projects.store import Store
from tests.browser import ARGUMENTS, chromium_path
from tests.journeys.conftest import serve

READERS = ("AB", "CD")


def use(store: Store, project: str) -> None:
    """What an afternoon of visitors leaves: labels and places on every case, and a run."""
    classes = store.project(project).classes
    for case in store.cases(project):
        for i, reader in enumerate(READERS):
            store.set_label(project, case.id, classes[(case.number + i) % len(classes)], reader=reader)
            store.set_place(project, case.id, Place((0, 0, 0)), reader=reader)
    store.file_run(project, {"learner": "protonet", "marks": "", "notes": []}, {})


def reset(page, project: str) -> float:
    """Seconds from the click until the project's row says how many cases are labelled at the start."""
    row = page.locator(f".st-key-project-{project}")
    row.get_by_text("24 labelled").wait_for()
    began = time.perf_counter()
    page.locator(f".st-key-reset-{project} button").click()
    row.get_by_text("9 labelled").wait_for()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        with serve(Path(folder), HANDFUL_DEMO="1") as served:
            store = Store(served.data_dir / "handful.db")
            project = store.projects()[1].id
            while len(store.readers(project)) == 0:  # the demo's scans are still being read
                time.sleep(0.5)
            page = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB").new_page()
            page.set_default_timeout(120_000)
            seconds = []
            for _ in range(times):
                use(store, project)
                page.goto(f"{served.url}/?s=projects")
                seconds.append(reset(page, project))
        browser.close()
    print(f"reset of the demo: {statistics.median(seconds):.2f} s (worst of {times}: {max(seconds):.2f} s)")


if __name__ == "__main__":
    main()
