"""From moving a slider to the new answer on the page, in a real browser: what-ifs over a ready task's demo table.

    python -m benchmarks.what_if [--task surgical-risk] [--learners protonet incontext] [--moves 24]

Prints for each method the median, the time that nine of ten keep within and the slowest of so many moves in
milliseconds, from the key that moves a slider to the answer drawn, which part of it the job took (median, from filed to
done), and how many were past the target (issue "patient records"): 200 ms. The machine's load stands beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, TimeoutError, sync_playwright

from engine.jobs.queue import INTAKE, LEARN, Queue
from tests.browser import ARGUMENTS, chromium_path
from tests.journeys.conftest import Served, serve

TARGET_MS = 200
PATIENCE_MS = 600_000
SAME_AFTER_MS = 3000
# Told by the page itself: when a key went down, and when the answer's card was drawn anew.
WATCH = """() => {
  const card = document.querySelector('.st-key-what-if-answer');
  window.asked = 0; window.answered = [];
  document.addEventListener('keydown', () => { window.asked = performance.now(); }, true);
  new MutationObserver(() => { if (window.asked) { window.answered.push(performance.now() - window.asked); } })
    .observe(card, { childList: true, subtree: true, characterData: true });
}"""


def wait_for(queue: Queue, job: str) -> dict:
    """What a job gave. RuntimeError where it failed."""
    while (now := queue.state(job)).alive:
        time.sleep(0.05)
    if now.state != "done":
        raise RuntimeError(f"{now.kind} {now.state}: {now.error}")
    return now.result


def run_of(queue: Queue, project: str, learner: str) -> str:
    args = {"project": project, "learner": learner, "seed": 0, "reader": ""}
    run = wait_for(queue, queue.file("adapt", args, lane=LEARN).id)["run"]
    while queue.jobs(project=project, kinds=("test",), alive=True):
        time.sleep(0.1)
    return run


def moves(page: Page, queue: Queue, served: Served, project: str, count: int) -> tuple[list[float], list[float]]:
    """(milliseconds from key to answer, milliseconds from filed to done) of each move, sliders in turn."""
    page.goto(f"{served.url}/?p={project}&s=evidence")
    page.locator("table.hf-beside").wait_for()
    page.locator(".js-plotly-plot .barlayer path").first.wait_for()
    page.get_by_role("radio", name="What if").or_(page.get_by_text("What if", exact=True)).first.click()
    sliders = page.locator(".stSlider").locator("[role=slider], input[type=range]")
    sliders.first.wait_for(state="attached")
    page.evaluate(WATCH)
    times, jobs = [], []
    for number in range(count + 1):
        before = len(queue.jobs(project=project, kinds=("what_if",)))
        page.evaluate("() => { window.asked = 0; window.answered = []; }")
        slider = sliders.nth(number % sliders.count())
        room = slider.evaluate("e => 2 * (e.value - e.min) < e.max - e.min")  # the way that has more room
        slider.focus()
        page.keyboard.press("PageUp" if room else "PageDown")  # a tenth of the range
        try:
            page.wait_for_function("() => window.answered.length > 0", timeout=SAME_AFTER_MS)
        except TimeoutError:  # the same to the digits shown: nothing is drawn anew, so nothing can be timed
            continue
        page.wait_for_timeout(600)  # a person looks, then moves the next
        filed = queue.jobs(project=project, kinds=("what_if",))
        if number and len(filed) > before:  # the first makes the model ready
            times.append(page.evaluate("() => window.answered.at(-1)"))
            jobs.append(1000 * (filed[0].ended - filed[0].created))
    return times, jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="surgical-risk")
    parser.add_argument("--learners", nargs="+", default=["protonet", "incontext"])
    parser.add_argument("--moves", type=int, default=24)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        with serve(Path(folder), HANDFUL_DEMO="0") as served:
            queue = Queue(served.data_dir)
            opened = {"task": args.task, "language": "en", "reader": ""}
            project = wait_for(queue, queue.file("gallery", opened, lane=INTAKE).id)["project"]
            head = ("median", "9 of 10", "slowest", "its job", "late", "load")
            print(f"{'learner':12} {'moves':>6} " + " ".join(f"{name:>8}" for name in head))
            for learner in args.learners:
                run_of(queue, project, learner)
                page = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB").new_page()
                page.set_default_timeout(PATIENCE_MS)
                times, jobs = moves(page, queue, served, project, args.moves)
                page.context.close()
                late, load = sum(each > TARGET_MS for each in times), os.getloadavg()[0]
                shown = (statistics.median(times), np.quantile(times, 0.9), max(times), statistics.median(jobs))
                shown = " ".join(f"{each:5.0f} ms" for each in shown)
                print(f"{learner:12} {len(times):6d} {shown} {late:8d} {load:8.1f}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
