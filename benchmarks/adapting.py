"""From a click on Adapt to predictions on the page: 10 labelled and 20 other CT volumes, in a real browser.

    python -m benchmarks.adapting            prints seconds for each learner, first and second press

The volumes are the demo's 24 studies and 6 more phantoms; all are embedded before the clock starts, as on the page.
Targets (issue "the whole journey"): 3 s with prototypes, 10 s with a gradient learner, on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

from playwright.sync_api import sync_playwright

from engine.phantoms import make_phantom
from engine.phantoms.demo import DEMO_FOLDER, match_demo
from engine.phantoms.dicom import write_zip
from engine.projects.store import Store
from tests.browser import ARGUMENTS, chromium_path
from tests.journeys.conftest import serve
from tests.journeys.walking import drop, name_classes, new_project

LEARNERS = {"protonet": 3.0, "maml": 10.0, "nearest": None, "logistic": None}
LABELLED_A_CLASS = 5
MORE = [(700 + i, finding, "AB"[i % 2]) for i, finding in enumerate(("smooth", "spiculated") * 3)]


def studies(folder: Path) -> list[Path]:
    """The demo's zips and six phantoms more."""
    files = sorted(DEMO_FOLDER.glob("hospital-*.zip"))
    for seed, finding, hospital in MORE:
        phantom = make_phantom(seed, finding, hospital, slices=24, cover_mm=120, around_finding=True)
        write_zip(phantom, folder / f"more-{seed}.zip", seed)
        files.append(folder / f"more-{seed}.zip")
    return files


def label_ten(store: Store, project: str, cases_dir: Path) -> None:
    """Five smooth and five spiculated nodules of the demo, by their truth."""
    from engine.intake import load_volume

    given: Counter[str] = Counter()
    for case in store.cases(project):
        series = match_demo(load_volume(cases_dir / case.id))
        finding = series.truth.finding if series else ""
        if finding in ("smooth", "spiculated") and given[finding] < LABELLED_A_CLASS:
            given[finding] += 1
            store.set_label(project, case.id, finding)


def press(page, url: str, project: str) -> float:
    """Seconds from the click to the sentence that says how many were predicted."""
    page.goto(f"{url}/?p={project}&s=label")
    page.locator(".st-key-adapt button:not([disabled])").wait_for()
    page.locator(".st-key-viewer [data-ready='true']").wait_for()
    began = time.perf_counter()
    page.locator(".st-key-adapt button").click()
    page.get_by_text("predicted in").wait_for()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=3)
    presses = parser.parse_args().presses
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        files = studies(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        with serve(Path(folder), HANDFUL_DEMO="0") as served:
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            page.set_default_timeout(900_000)
            page.goto(served.url)
            new_project(page, "Bench")
            began = time.perf_counter()
            drop(page, *files)
            prepared = time.perf_counter() - began
            page.locator("nav [data-step=label]").click()
            name_classes(page, "smooth", "spiculated")
            store = Store(served.data_dir / "handful.db")
            project = store.projects()[0].id
            label_ten(store, project, served.data_dir / "cases")
            print(f"{len(files)} studies sent, read and embedded in {prepared:.0f} s", flush=True)
            print(f"{'learner':10} {'first':>7} {'median':>7} {'in engine':>10} {'target':>7}")
            for name, target in LEARNERS.items():
                store.set_project_settings(project, learner=name, look="whole")
                times = [press(page, served.url, project) for _ in range(presses)]
                inside = store.latest_run(project).record["seconds"]["predictions"]
                wanted = f"{target:.0f} s" if target else "-"
                median = statistics.median(times)
                print(f"{name:10} {times[0]:6.2f}s {median:6.2f}s {inside:9.2f}s {wanted:>7}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
