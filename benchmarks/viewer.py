"""The CT viewer in a headless Chromium: frames a second, time to the first image, memory of the browser.

    python benchmarks/viewer.py [--frames 300] [--rounds 3]

A volume of 512x512x200, scrolled a slice a frame in one plane of about 800x700 pixels (its place in the page at
1440x900), without and with an overlay, and with WebGL switched off; `cpu` is the processor time that the browser's
processes spent on a frame, which other work on the machine does not distort as it does frames a second.
Targets (issue "the whole journey"): median 55 frames a second without overlay, 45 with; first image within 1.5 s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.browser import ARGUMENTS, NO_WEBGL, chromium_path
from tests.dashboard.viewer.conftest import serve_page

SIZE = {"width": 836, "height": 860}
HEIGHT = 780  # of the whole viewer: leaves 820x700 for the image
SCROLL = """(e, count) => new Promise((done) => {
  const v = e.handful, last = v.pane.slices - 1, times = [];
  let before = 0, step = 1;
  function frame(now) {
    if (before) times.push(now - before);
    before = now;
    if (v.pane.slice >= last || v.pane.slice <= 0) step = v.pane.slice <= 0 ? 1 : -1;
    v.goTo(v.pane.slice + step);
    if (times.length < count) requestAnimationFrame(frame); else done(times);
  }
  requestAnimationFrame(frame);
})"""


def processes() -> list[psutil.Process]:
    """The browser's processes: all below this one that are not Python's or Playwright's."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "chrom" in child.name():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def spent() -> float:
    """Processor seconds of the browser so far."""
    times = [p.cpu_times() for p in processes()]
    return sum(t.user + t.system for t in times)


def private_mb() -> float:
    """Memory private to the browser's processes, in MB."""
    return sum(p.memory_full_info().uss for p in processes()) / 1e6


def ready(page: Page, **state: str) -> None:
    marks = "".join(f'[data-{name}="{value}"]' for name, value in state.items())
    page.wait_for_selector(f".viewer{marks}", timeout=120_000)


@contextmanager
def opened(playwright: Playwright, address: str, query: str, *switches: str) -> Iterator[tuple[Browser, Page]]:
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*ARGUMENTS, *switches])
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{address}/hf/bare?{query}&height={HEIGHT}")
    yield browser, page
    browser.close()


def frame_rate(page: Page, frames: int, rounds: int) -> tuple[float, float, float]:
    """Median and slowest-tenth frames a second over all rounds, and processor ms a frame."""
    page.locator(".viewer").evaluate(SCROLL, 30)  # the first frames compile the script
    times: list[float] = []
    before = spent()
    for _ in range(rounds):
        times += page.locator(".viewer").evaluate(SCROLL, frames)
    cpu = 1000 * (spent() - before) / len(times)
    return 1000 / statistics.median(times), 1000 / statistics.quantiles(times, n=10)[-1], cpu


def first_images(playwright: Playwright, address: str, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds to the first image: on a page that just loaded (the file is parsed first), and of a next case."""
    cold, next_case = [], []
    for _ in range(rounds):
        with opened(playwright, address, "case=plain") as (_browser, page):
            ready(page, ready="true", case="plain")
            cold.append(page.locator(".viewer").evaluate("e => (e.handful.firstImage - window.began) / 1000"))
            next_case.append(
                page.evaluate(
                    """async () => {
                      const data = await (await fetch("/hf/data?case=big")).json();
                      const root = document.querySelector("#place").shadowRoot.querySelector(".viewer");
                      const began = performance.now();
                      window.show(data);
                      while (root.dataset.case !== "big" || root.dataset.ready !== "true")
                        await new Promise(requestAnimationFrame);
                      return (performance.now() - began) / 1000;
                    }"""
                )
            )
    return cold, next_case


def show(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    show(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with serve_page() as address, sync_playwright() as playwright:
        warm_up(address)
        cold, next_case = first_images(playwright, address, wanted.rounds)
        show(f"first image, page just loaded    {statistics.median(cold):.2f} s (target 1.5)")
        show(f"first image, next case           {statistics.median(next_case):.2f} s (target 1.5)")
        for name, query, switches, target in (
            ("one plane", "case=big", (), 55),
            ("one plane, overlay", "case=big&overlay=1", (), 45),
            ("one plane, WebGL off", "case=big", NO_WEBGL, 55),
        ):
            with opened(playwright, address, query, *switches) as (_browser, page):
                ready(page, ready="true", complete="true", **({"overlay": "on"} if "overlay" in query else {}))
                time.sleep(1)
                median, slow, cpu = frame_rate(page, wanted.frames, wanted.rounds)
                memory = private_mb()
            show(
                f"{name:<32} {median:.0f} frames/s median (target {target}), {slow:.0f} in the slowest tenth; "
                f"cpu {cpu:.1f} ms a frame; browser {memory:.0f} MB"
            )


def warm_up(address: str) -> None:
    """Makes the volume before any clock runs."""
    urllib.request.urlopen(f"{address}/hf/cases/big/voxels?first=0&count=1", timeout=120).close()


if __name__ == "__main__":
    main()
