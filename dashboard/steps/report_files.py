"""The report of the newest run: one button, then a PDF to open, and the same as HTML, JSON and a model card."""

from __future__ import annotations

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from dashboard.steps.watching import watch_job
from engine.jobs.queue import LEARN, Job


def report_files(page: Page) -> None:
    """The one coloured button of the step; where it is pressed the job can be seen, stopped and found again."""
    words = page.words
    job = _newest(page)
    with st.container(border=True, key="report-files"):
        frame.heading(words("report.report"))
        frame.quiet(hint(page, "report.report_hint"))
        if job is not None and job.alive:
            watch_job(page, job.id, page.words("report.report_make"), "stop-report")
        elif job is not None and job.state == "done":
            _links(page, job)
        else:
            if job is not None and job.error:
                frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
            _button(page, "report.report_make", "primary")


def hint(page: Page, key: str) -> str:
    """What a file holds: of a table other things than of scans, of a number others than of classes."""
    kinds = [f"{key}_number"] if page.numeric else []
    kinds += [f"{key}_rows"] if page.of_rows else []
    return page.words(next((each for each in kinds if each in page.words), key))


def _args(page: Page) -> dict[str, str]:
    return {"project": page.project.id, "run": page.run.id, "language": page.words.language, "reader": page.reader}


def _key(page: Page) -> str:
    # Another language, run or label is another report: what was written before is not offered as this one.
    return f"report-{page.run.id}-{page.words.language}-{page.marks}"


def _newest(page: Page) -> Job | None:
    """The newest report of this run in this language, while its files are still there (they go after a day)."""
    job = page.queue.find("report", {}, key=_key(page))
    if job is None or job.state != "done":
        return job
    return job if all(page.is_there(each["download"]) for each in job.result["files"]) else None


def _button(page: Page, text: str, kind: str) -> None:
    if st.button(page.words(text), key="make-report", type=kind, width="stretch", icon=":material/description:"):
        page.queue.file("report", _args(page), lane=LEARN, key=_key(page))
        st.rerun()


def _links(page: Page, job: Job) -> None:
    words = page.words
    frame.download(*((words(f"report.as_{f['what']}"), f["download"], f["name"]) for f in job.result["files"]))
    _button(page, "report.report_again", "tertiary")
