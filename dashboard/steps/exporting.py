"""Something to take along: prepared by a job, then a plain download."""

from __future__ import annotations

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from engine.jobs.queue import LEARN


def export(page: Page, kind: str, text: str | None = None) -> None:
    """The button that files the job ("csv", "png", "project", "comparison"), its progress, then the link."""
    words = page.words
    # What was prepared before another run or label is not offered as what is there now.
    key = f"export-{kind}-{page.project.id}-{page.run.id if page.run else ''}-{page.marks}"
    job_id = st.session_state.get(key)
    job = page.queue.state(job_id) if job_id else None
    if job is not None and job.alive:
        _wait(page, job.id)
    elif job is not None and job.state == "done":
        frame.download((words("report.download"), job.result["download"], job.result["name"]))
    else:
        if job is not None and job.error:
            frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
        if st.button(text or words("report.make"), key=f"make-{kind}"):
            args = {"project": page.project.id, "what": kind, "reader": page.reader, "language": words.language}
            st.session_state[key] = page.queue.file("export", args, lane=LEARN).id
            st.rerun()


def _wait(page: Page, job_id: str) -> None:
    @st.fragment(run_every=0.4)
    def wait() -> None:
        job = page.queue.state(job_id)
        if not job.alive:
            st.rerun()
        st.progress(job.fraction, text=page.words("report.make"))

    wait()
