"""A job that is under way: how far it is, what it does, and a button that stops it."""

from __future__ import annotations

import streamlit as st

from dashboard import frame
from dashboard.state import Page


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
