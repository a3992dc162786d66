"""What is under way: a job with how far it is and a button that stops it, cases that are still arriving, and what
colleagues do meanwhile."""

from __future__ import annotations

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from engine.jobs.queue import Job
from engine.pacs.address import SETTING

ARRIVALS = ("take_in", "fetch", "received")  # through the browser, from the PACS, sent by it
READS = (*ARRIVALS, "demo", "encode")


def come_and_ready(page: Page) -> tuple[int, int]:
    """How many cases this project has by now, and how many of those that the page knows are ready to be adapted."""
    return len(page.store.cases(page.project.id)), sum(1 for c in page.cases if page.ready(c.id))


def reading(page: Page) -> bool:
    """Whether scans of this project are being read or prepared now."""
    return bool(page.queue.jobs(project=page.project.id, kinds=READS, alive=True, limit=1))


def is_inbox(page: Page) -> bool:
    """Whether a scanner or PACS may send studies into this project at any time."""
    inbox = page.store.get_setting(SETTING, {}).get("inbox")
    return bool(page.settings.dicom_port) and inbox == page.project.id


def await_arrivals(page: Page) -> None:
    """Draws nothing. While scans are read or prepared, or may be sent at any time, the whole page is drawn anew when
    another one has come or is ready: who went on to Label before the last had come sees it there."""
    begun = reading(page)
    if not begun and not is_inbox(page):
        return
    drawn = (len(page.cases), sum(1 for c in page.cases if page.ready(c.id)))

    @st.fragment(run_every=2.0 if begun else 4.0)
    def wait() -> None:
        if (come_and_ready(page), reading(page)) != (drawn, begun):
            st.rerun()

    wait()


def await_others(page: Page) -> None:
    """Draws nothing. Where a colleague or another tab labels, learns or changes something in the open project, the
    page is drawn anew; a reader who reads blind is not disturbed by what others say."""

    @st.fragment(run_every=4.0)
    def wait() -> None:
        if page.store.stands_at(page.project.id) != page.stood:
            st.rerun()

    if not page.blind:
        wait()


def watch_job(page: Page, job_id: str, waiting: str, stop: str, heading: str = "") -> None:
    """Drawn anew until the job ends; then the whole page. `waiting` stands while the job says nothing itself, `stop`
    is the button's key."""

    @st.fragment(run_every=0.4)
    def watch() -> None:
        job = page.queue.state(job_id)
        if not job.alive:
            st.rerun()
        if heading:
            frame.heading(heading)
        st.progress(job.fraction, text=page.words.note(job.note) if job.note else waiting)
        if st.button(page.words("app.cancel"), key=stop, icon=":material/stop:"):
            page.queue.cancel(job_id)

    watch()


def ended_badly(page: Page, job: Job) -> None:
    """A job that gave nothing: why, and a button that asks for the same once more. Without it what failed once (a full
    disk, a machine out of memory) would stand there for as long as the run does."""
    reason = page.words.note(job.error) if job.error else page.words("adapt.stopped")
    frame.remark(page.words("app.job_failed", reason=reason), warn=True)
    if st.button(page.words("app.try_again"), key=f"again-{job.id}", icon=":material/refresh:"):
        page.queue.file(job.kind, job.args, lane=job.lane, key=job.key, project=job.project, priority=1)
        st.rerun()
