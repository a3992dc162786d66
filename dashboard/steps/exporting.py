"""Something to take along: prepared by a job, then a plain download."""

from __future__ import annotations

import hashlib
import json

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from engine.jobs.queue import LEARN, Job


def export(page: Page, kind: str, text: str | None = None) -> None:
    """The button that files the job ("csv", "png", "project", "comparison"), its progress, then the link. A reload
    finds what is being prepared, and what was, for as long as its file is there."""
    words, job = page.words, _newest(page, kind)
    if job is not None and job.alive:
        _wait(page, job.id)
    elif job is not None and job.state == "done":
        frame.download((words("report.download"), job.result["download"], job.result["name"]))
        if st.button(words("report.make_again"), key=f"again-{kind}", type="tertiary"):
            _file(page, kind)
    else:
        if job is not None and job.error:
            frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
        if st.button(text or words("report.make"), key=f"make-{kind}"):
            _file(page, kind)


def _file(page: Page, kind: str) -> None:
    args = {"project": page.project.id, "what": kind, "reader": page.reader, "language": page.words.language}
    page.queue.file("export", args, lane=LEARN, key=_key(page, kind))
    st.rerun()


def _key(page: Page, kind: str) -> str:
    """The same for the same file: after another run, label, case or comparison what was prepared is not offered."""
    project = page.project
    compared = page.queue.latest("compare", project.id) if kind == "comparison" else None
    shown = [project.id, project.name, project.classes, page.reader, page.words.language, sorted(page.by_id)]
    shown += [page.run.id if page.run else "", page.marks, compared.id if compared else ""]
    return f"export-{kind}-" + hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:24]


def _newest(page: Page, kind: str) -> Job | None:
    """The newest job for this file; None where what it wrote is gone (downloads go after a day)."""
    job = page.queue.find("export", {}, key=_key(page, kind))
    if job is None or job.state != "done":
        return job
    return job if page.is_there(job.result["download"]) else None


def _wait(page: Page, job_id: str) -> None:
    @st.fragment(run_every=0.4)
    def wait() -> None:
        job = page.queue.state(job_id)
        if not job.alive:
            st.rerun()
        st.progress(job.fraction, text=page.words("report.make"))

    wait()
