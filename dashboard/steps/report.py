"""Report: what leaves the house: predictions, pictures, the whole project; and the log of what was done."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from dashboard import frame
from dashboard.state import Page
from dashboard.steps.cases_list import label_list
from dashboard.steps.tested import test_sentences
from engine.jobs.queue import LEARN

EXPORTS = ("csv", "png", "project")


def show(page: Page) -> None:
    with frame.columns((21, 45, 34)) as (left, centre, right):
        with left:
            label_list(page, "worklist")
        with centre:
            _summary(page)
            _log(page)
        with right:
            frame.heading(page.words("report.title"))
            for kind in EXPORTS:
                if kind == "project" or page.run is not None:
                    _export(page, kind)


def _summary(page: Page) -> None:
    words, run = page.words, page.run
    frame.heading(words("report.summary"))
    if run is None:
        frame.card(words("report.none"))
        return
    record = run.record
    rows = [
        (words("report.question"), " / ".join(record["classes"])),
        (words("report.who"), str(len(record["support"]))),
        (words("adapt.learner"), words(f"adapt.learner_{record['learner']}")),
        (words("adapt.look_where"), words(f"adapt.look_{record['look']}")),
        (words("report.run"), time.strftime("%Y-%m-%d %H:%M", time.localtime(run.at)) + f" · {run.id}"),
        (words("report.versions"), " · ".join(f"{k} {v}" for k, v in record["versions"].items())),
    ]
    st.html(
        '<div class="hf-card">'
        + "".join(f'<p class="hf-p"><b>{frame.html.escape(k)}</b> {frame.html.escape(v)}</p>' for k, v in rows)
        + "</div>"
    )
    for sentence in test_sentences(page):
        frame.card(sentence)


def _export(page: Page, kind: str) -> None:
    """One thing to take along: prepared by a job, then a plain download."""
    words = page.words
    with st.container(border=True, key=f"export-{kind}"):
        frame.heading(words(f"report.{kind}"))
        frame.quiet(words(f"report.{kind}_hint"))
        key = f"export-{kind}-{page.project.id}"
        job_id = st.session_state.get(key)
        job = page.queue.state(job_id) if job_id else None
        if job is not None and job.alive:
            _wait(page, job.id)
        elif job is not None and job.state == "done":
            frame.download(words("report.download"), job.result["download"], job.result["name"])
        else:
            if job is not None and job.error:
                frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
            if st.button(words("report.make"), key=f"make-{kind}"):
                args = {"project": page.project.id, "what": kind, "reader": page.reader, "language": words.language}
                job = page.queue.file("export", args, lane=LEARN)
                st.session_state[key] = job.id
                st.rerun()


def _wait(page: Page, job_id: str) -> None:
    @st.fragment(run_every=0.4)
    def wait() -> None:
        job = page.queue.state(job_id)
        if not job.alive:
            st.rerun()
        st.progress(job.fraction, text=page.words("report.make"))

    wait()


def _log(page: Page) -> None:
    words = page.words
    with st.expander(words("report.log")):
        rows = [
            {
                words("report.log_when"): row.at,
                words("report.log_what"): row.what,
                words("report.log_case"): page.title(row.case) if row.case in page.by_id else "",
            }
            for row in page.store.audit_rows(page.project.id)
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, height=320, width="stretch")
