"""A class of thirty: so many sessions open one lesson on one machine and all use it at the same moment.

    python -m benchmarks.class_of_thirty [--browsers 2] [--sessions 28] [--url ADDRESS] [--wait]

`--browsers` are Chromium contexts on this very machine, `--sessions` speak Streamlit's protocol without a browser
(benchmarks/class_pupils.py): a class brings its own thirty machines to draw on, and thirty Chromiums beside the server
would measure themselves. Each has its own cookie, session and WebSocket. A server is started over an empty folder
unless `--url` names one. In each round all do the same thing at once, and the time is from the press to the changed
sentences of the lesson: everybody opens the teacher's link, each with a seed of their own (nothing is there yet: thirty
computations); guesses; moves a slider; draws again (each time thirty new computations); goes on to the next lesson
(one computation, found by the others).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.async_api import async_playwright

from benchmarks.class_pupils import InBrowser, OverWire
from tests.browser import ARGUMENTS, chromium_path
from tests.journeys.conftest import Served, serve

LESSON = "wave"
SETTLE = 3.0  # s between rounds: what a round left behind must not slow the next
AFTER = 150.0  # s after the last one left; Streamlit keeps a session for two minutes in case it comes back
Pupil = InBrowser | OverWire


@dataclass(frozen=True)
class Load:
    """Memory of the server's processes in MB (what belongs to each alone), and their processor seconds so far."""

    page_mb: float
    workers_mb: float
    page_s: float
    workers_s: float


def load(server: int | None) -> Load:
    """Nought where the server isn't ours."""
    memory, seconds = {"page": 0.0, "work": 0.0}, {"page": 0.0, "work": 0.0}
    for child in psutil.Process(server).children(recursive=True) if server else []:
        kind = "page" if "streamlit" in " ".join(child.cmdline()) else "work"
        memory[kind] += child.memory_full_info().uss / 1e6
        seconds[kind] += sum(child.cpu_times()[:2])
    return Load(memory["page"], memory["work"], seconds["page"], seconds["work"])


def head(start: Load) -> None:
    names, units = ("median", "95 %", "longest"), ("s", "s", "s")
    for times, rest in ((names, ("page", "worker", "page", "worker")), (units, ("CPU s", "CPU s", "MB", "MB"))):
        print(f"{'':34}" + "".join(f" {each:>7}" for each in times) + "  " + "".join(f" {each:>6}" for each in rest))
    print(f"{'before (one came and went)':34}{'':40} {start.page_mb:6.0f} {start.workers_mb:6.0f}")


def told(name: str, seconds: list[float], before: Load, after: Load) -> None:
    ranked = sorted(seconds)
    high = ranked[min(len(ranked) - 1, round(0.95 * (len(ranked) - 1)))]
    print(
        f"{name:34} {statistics.median(ranked):7.2f} {high:7.2f} {ranked[-1]:7.2f}  "
        f" {after.page_s - before.page_s:6.1f} {after.workers_s - before.workers_s:6.1f}"
        f" {after.page_mb:6.0f} {after.workers_mb:6.0f}",
        flush=True,
    )


async def lesson(address: str, server: int | None, browsers: int, sessions: int) -> tuple[int, int]:
    """Open, guess, move, draw again, go on; prints a line a round. Returns how many were well, and of how many."""
    async with async_playwright() if browsers else nullcontext() as playwright:
        chromium = (
            await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS) if browsers else None
        )
        first = OverWire(LESSON)  # the teacher's own screen: everything is imported once
        await first.open(address)
        await first.leave()
        start = load(server)
        head(start)
        pupils: list[Pupil] = [InBrowser(chromium, LESSON) for _ in range(browsers)]
        pupils += [OverWire(LESSON) for _ in range(sessions)]
        seeds = {pupil: 20 * number for number, pupil in enumerate(pupils)}

        async def together(name: str, act: Callable[[Pupil], Awaitable[float]]) -> None:
            await asyncio.sleep(SETTLE)
            before = load(server)
            told(name, list(await asyncio.gather(*(act(each) for each in pupils))), before, load(server))

        await together("open the link, each another seed", lambda each: each.open(f"{address}&seed={seeds[each]}"))
        await together("guess", lambda each: each.press(f"guess-{LESSON}-1"))
        for turn in (1, 2):
            await together(f"slider, each another ({turn})", lambda each: each.slide())
        for turn in (1, 2):
            await together(f"draw again, each another ({turn})", lambda each: each.press(f"set-{LESSON}-again"))
        await together("next lesson, all the same", lambda each: each.press("lesson-next"))
        return sum([await each.leave() for each in pupils]), len(pupils)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--browsers", type=int, default=2)
    parser.add_argument("--sessions", type=int, default=28)
    parser.add_argument("--url", default="", help="a server that runs already; its memory is then not measured")
    parser.add_argument("--wait", action="store_true", help="measure memory once more when the sessions have ended")
    asked = parser.parse_args()
    size = f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, load {os.getloadavg()[0]:.1f}"
    print(f"{asked.browsers} Chromium and {asked.sessions} sessions without a browser, beside the server: {size}")
    with tempfile.TemporaryDirectory(prefix="handful-class-") as folder:
        started = nullcontext(Served(asked.url, Path(folder))) if asked.url else serve(Path(folder), HANDFUL_DEMO="0")
        with started as served:
            ours = [c.pid for c in psutil.Process().children() if "serve" in " ".join(c.cmdline())]
            server = ours[0] if ours and not asked.url else None
            address = f"{served.url}/?s=lessons&l={LESSON}"
            well, count = asyncio.run(lesson(address, server, asked.browsers, asked.sessions))
            print(f"connected and well to the end: {well} of {count}")
            if asked.wait:
                time.sleep(AFTER)
                left = load(server)
                print(f"{AFTER:.0f} s after: page {left.page_mb:.0f} MB, workers {left.workers_mb:.0f} MB")


if __name__ == "__main__":
    main()
