"""A class of thirty: so many browsers open one lesson on one machine and all use it at once.

    python -m benchmarks.class_of_thirty [--browsers 30] [--lesson wave] [--url ADDRESS]

Every browser is a Chromium context with its own session, page and WebSocket; all run on this machine too, so what is
measured is the server and thirty browsers sharing its cores. A server is started over an empty folder unless `--url`
names one. In each round all browsers do the same thing at the same moment; the time is taken in the browser, from the
press to the change of the lesson's own sentences. Rounds: everybody opens the teacher's link;
guesses; moves a slider to the same value (computed once, found by the others); draws again, each for another seed
(nothing can be found: thirty computations); goes on to the next lesson.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from playwright.async_api import Browser, Page, async_playwright

from tests.browser import ARGUMENTS, chromium_path
from tests.journeys.conftest import serve

PATIENCE_MS = 180_000
SETTLE = 3.0  # s between rounds: what a round left behind must not slow the next
AFTER = 150.0  # s after the last browser left; Streamlit keeps a session for two minutes in case it comes back
# What the lesson says of its result; not the controls, which change by themselves at once.
SAID = ".st-key-lesson-centre .hf-said, .st-key-lesson-right .hf-card"
WATCH = """(said) => {
  const text = () => [...document.querySelectorAll(said)].map((e) => e.textContent).join("|");
  const w = window.handfulWatch = { asked: 0, answered: 0, before: "" };
  for (const kind of ["keydown", "pointerdown"])
    document.addEventListener(kind, () => { if (w.armed) { w.asked = performance.now(); w.armed = false; } }, true);
  new MutationObserver(() => {
    if (w.asked && !w.answered && text() && text() !== w.before) w.answered = performance.now();
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
  w.arm = () => Object.assign(w, { armed: true, asked: 0, answered: 0, before: text() });
}"""


@dataclass
class Pupil:
    """One browser. `closed` counts WebSockets that ended while it was there, `broke` holds errors of its page."""

    page: Page
    closed: int = 0
    broke: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("pageerror", lambda error: self.broke.append(str(error)))
        self.page.on("websocket", lambda socket: socket.on("close", self._closed))

    def _closed(self, _socket: object) -> None:
        self.closed += 1


@dataclass(frozen=True)
class Load:
    """Memory of the server's processes in MB, and their processor seconds so far."""

    page_mb: float
    workers_mb: float
    page_s: float
    workers_s: float


def load(server: int | None) -> Load:
    """Memory is what belongs to the process alone (USS). Nought where the server isn't ours."""
    memory, seconds = {"page": 0.0, "work": 0.0}, {"page": 0.0, "work": 0.0}
    children = psutil.Process(server).children(recursive=True) if server else []
    for child in children:
        kind = "page" if "streamlit" in " ".join(child.cmdline()) else "work"
        memory[kind] += child.memory_full_info().uss / 1e6
        seconds[kind] += sum(child.cpu_times()[:2])
    return Load(memory["page"], memory["work"], seconds["page"], seconds["work"])


async def join(browser: Browser, address: str) -> Pupil:
    context = await browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script("""localStorage.setItem('stActiveTheme-/-v2', '"Dark"')""")
    pupil = Pupil(await context.new_page())
    pupil.listen()
    await pupil.page.goto(address, wait_until="commit")
    return pupil


async def timed(pupil: Pupil, act: Callable[[Page], Awaitable[None]]) -> float:
    """Seconds from the press to the changed sentences, by the browser's own clock."""
    page = pupil.page
    await page.evaluate("handfulWatch.arm()")
    await act(page)
    await page.wait_for_function("handfulWatch.answered > 0")
    return await page.evaluate("(handfulWatch.answered - handfulWatch.asked) / 1000")


def head(start: Load) -> None:
    names, units = ("median", "95 %", "longest"), ("s", "s", "s")
    for times, rest in ((names, ("page", "worker", "page", "worker")), (units, ("CPU s", "CPU s", "MB", "MB"))):
        print(f"{'':34}" + "".join(f" {each:>7}" for each in times) + "  " + "".join(f" {each:>6}" for each in rest))
    print(f"{'before (one browser came and went)':34}{'':40} {start.page_mb:6.0f} {start.workers_mb:6.0f}")


def told(name: str, seconds: list[float], before: Load, after: Load) -> None:
    ranked = sorted(seconds)
    high = ranked[min(len(ranked) - 1, round(0.95 * (len(ranked) - 1)))]
    print(
        f"{name:34} {statistics.median(ranked):7.2f} {high:7.2f} {ranked[-1]:7.2f}"
        f"   {after.page_s - before.page_s:6.1f} {after.workers_s - before.workers_s:6.1f}"
        f"   {after.page_mb:6.0f} {after.workers_mb:6.0f}",
        flush=True,
    )


async def lesson_of(
    address: str, server: int | None, count: int, lesson: str, own: Callable[[int], str] | None
) -> tuple[list[Pupil], int]:
    """Open, guess, move, draw again, go on; prints a line a round. Returns the pupils and how many are not well."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        first = await join(browser, address)  # the teacher's own screen: everything is imported and computed once
        await first.page.locator(f".st-key-guess-{lesson}-1 button").wait_for()
        await first.page.context.close()
        start = load(server)
        head(start)
        pupils, ready = [], []

        async def arrive(number: int) -> None:
            began = time.monotonic()
            pupil = await join(browser, f"{address}{own(number) if own else ''}")
            await pupil.page.locator(f".st-key-guess-{lesson}-1 button").wait_for()
            pupils.append(pupil)
            ready.append(time.monotonic() - began)

        await asyncio.gather(*(arrive(i) for i in range(count)))
        told("open the link", ready, start, load(server))
        for pupil in pupils:
            await pupil.page.evaluate(WATCH, SAID)

        async def round_of(name: str, act: Callable[[Page], Awaitable[None]]) -> None:
            await asyncio.sleep(SETTLE)
            before = load(server)
            told(name, list(await asyncio.gather(*(timed(p, act) for p in pupils))), before, load(server))

        await round_of("guess", lambda page: page.locator(f".st-key-guess-{lesson}-1 button").click())
        for turn in (1, 2):
            await round_of(f"slider, all the same ({turn})", lambda page: slide(page, lesson))
        for turn in (1, 2):
            await round_of(
                f"draw again, each another ({turn})" if own else f"draw again, all the same ({turn})",
                lambda page: page.locator(f".st-key-set-{lesson}-again button").click(),
            )
        await round_of("next lesson", lambda page: page.locator(".st-key-lesson-next button").click())
        lost = [p for p in pupils if await unwell(p)]
        for pupil in pupils:
            await pupil.page.context.close()
        await browser.close()
        return pupils, len(lost)


async def slide(page: Page, lesson: str) -> None:
    slider = page.locator(f".st-key-set-{lesson}-amplitude input")
    await slider.focus()
    await slider.press("ArrowRight")


async def unwell(pupil: Pupil) -> bool:
    """Whether a page lost its server or says that something went wrong."""
    said = await pupil.page.locator("[data-testid=stConnectionStatus], [role=dialog], .hf-warn").all_inner_texts()
    return bool(pupil.closed or pupil.broke or any(text.strip() for text in said))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--browsers", type=int, default=30)
    parser.add_argument("--lesson", default="wave", choices=("wave",))
    parser.add_argument("--same", action="store_true", help="everybody draws the same seed again")
    parser.add_argument("--url", default="", help="a server that runs already")
    parser.add_argument("--wait", action="store_true", help="measure memory once more when the sessions have ended")
    asked = parser.parse_args()
    size = f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, load {os.getloadavg()[0]:.1f}"
    print(f"{asked.browsers} browsers and the server on one machine: {size}")
    own = None if asked.same else lambda number: f"&seed={20 * number}"
    with tempfile.TemporaryDirectory(prefix="handful-class-") as folder:
        if asked.url:
            _run(asked, asked.url, None, own)
            return
        with serve(Path(folder), HANDFUL_DEMO="0") as served:
            server = next(c.pid for c in psutil.Process().children() if "serve" in " ".join(c.cmdline()))
            _run(asked, served.url, server, own)


def _run(asked: argparse.Namespace, url: str, server: int | None, own: Callable[[int], str] | None) -> None:
    address = f"{url}/?s=lessons&l={asked.lesson}"
    pupils, lost = asyncio.run(lesson_of(address, server, asked.browsers, asked.lesson, own))
    errors = sum(len(p.broke) for p in pupils)
    print(f"still connected and well: {len(pupils) - lost} of {len(pupils)}; errors in their pages: {errors}")
    if asked.wait:
        time.sleep(AFTER)
        left = load(server)
        print(f"{AFTER:.0f} s after all have left: page {left.page_mb:.0f} MB, workers {left.workers_mb:.0f} MB")


if __name__ == "__main__":
    main()
