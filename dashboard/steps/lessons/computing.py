"""What the engine answers to a lesson's settings: asked for as a job, found again where anybody asked before."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from engine.jobs.queue import LEARN, Job
from engine.lessons.plan import Plan

# Behind every Adapt that waits; a lesson's job takes a second or two, so Adapt waits for one of them at most.
PRIORITY = -1
AT_ONCE = 0.6  # s that the page waits itself: most answers are there by then, and nothing flickers
LOOK = 0.2  # s between looks after that, where few wait
# A look costs the page server some 10 ms and a class waits together: each five that began to wait within the last
# seconds make everybody look that much less often (30 browsers: every 1.2 s), so that waiting doesn't slow the answers.
FEW, RECENT = 5, 6.0
PAUSES = (0.02, 0.15)  # s, first and longest, between looks while the page waits itself
_began: deque[float] = deque(maxlen=1000)  # when pages of this server began to wait


def computed(page: Page, plan: Plan, settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The result; while it is computed the one before it, with a word, or None where there is none yet."""
    job = wait_a_little(page, ask(page, plan, settings))
    kept = f"lesson-before-{plan.name}"
    if job.state == "done":
        st.session_state[kept] = job.result
        return job.result
    if job.alive:
        _watch(page, job.id)
    else:
        reason = page.words.note(job.error) if job.error else page.words("adapt.stopped")
        frame.remark(page.words("app.job_failed", reason=reason), warn=True)
        if st.button(page.words("app.try_again"), key="lesson-try-again"):
            file(page, plan, settings)
            st.rerun()
    return st.session_state.get(kept)


def ask(page: Page, plan: Plan, settings: Mapping[str, Any]) -> Job:
    """The newest job with these settings, whoever asked for it; a new one where there is none."""
    return page.queue.find("lesson", plan.job_args(settings)) or file(page, plan, settings)


def file(page: Page, plan: Plan, settings: Mapping[str, Any]) -> Job:
    return page.queue.file("lesson", plan.job_args(settings), lane=LEARN, project="", priority=PRIORITY)


def wait_a_little(page: Page, job: Job) -> Job:
    end, pause = time.monotonic() + AT_ONCE, PAUSES[0]
    while job.alive and time.monotonic() < end:
        time.sleep(pause)
        pause = min(PAUSES[1], 1.4 * pause)
        job = page.queue.state(job.id) or job
    return job


def look_every(now: float) -> float:
    """Seconds between looks of a page that begins to wait at `now` (monotonic)."""
    _began.append(now)
    while now - _began[0] > RECENT:
        _began.popleft()
    return LOOK * max(1.0, len(_began) / FEW)


def _watch(page: Page, job_id: str) -> None:
    @st.fragment(run_every=look_every(time.monotonic()))
    def watch() -> None:
        job = page.queue.state(job_id)
        if job is None or not job.alive:
            st.rerun()
        frame.quiet(page.words("lessons.computing"))

    watch()
