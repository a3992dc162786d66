"""Report: what leaves the house: predictions, pictures, the whole project; and the log of what was done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from dashboard import frame
from dashboard.learner_names import learner_title
from dashboard.state import Page
from dashboard.steps.cases_list import label_list
from dashboard.steps.exporting import export
from dashboard.steps.pacs_send import pacs_send
from dashboard.steps.report_files import hint, report_files
from dashboard.steps.tested import held_back_sentences, test_sentences

EXPORTS = ("csv", "comparison", "png", "project")
LOG_HEIGHT = 320


def show(page: Page) -> None:
    with frame.columns((21, 45, 34)) as (left, centre, right):
        with left:
            label_list(page, "worklist")
        with centre:
            _summary(page)
            _log(page)
        with right:
            if page.run is not None:
                report_files(page)
                pacs_send(page)
            frame.heading(page.words("report.title"))
            for kind in EXPORTS:
                if kind == "png" and page.of_rows:  # no slices to draw over
                    continue
                if kind == "project" or (page.comparison if kind == "comparison" else page.run) is not None:
                    _export(page, kind)


def _summary(page: Page) -> None:
    words, run = page.words, page.run
    frame.heading(words("report.summary"))
    if run is None:
        frame.card(words("report.none"))
        return
    record = run.record
    asked = "report.question_number" if record.get("target") == "number" else "report.question"
    rows = [
        (words(asked), _question(page, record)),
        (words("report.who"), str(len(record["support"]))),
        (words("adapt.learner"), learner_title(words, record["learner"])),
        *([] if page.of_rows else [(words("adapt.look_where"), words(f"adapt.look_{record['look']}"))]),
        (words("report.run"), time.strftime("%Y-%m-%d %H:%M", time.localtime(run.at)) + f" · {run.id}"),
        (words("report.versions"), " · ".join(f"{k} {v}" for k, v in record["versions"].items())),
    ]
    st.html(
        '<div class="hf-card">'
        + "".join(f'<p class="hf-p"><b>{frame.html.escape(k)}</b> {frame.html.escape(v)}</p>' for k, v in rows)
        + "</div>"
    )
    for sentence in (*held_back_sentences(page), *test_sentences(page)):
        frame.card(sentence)


def _question(page: Page, record: Mapping[str, Any]) -> str:
    """The classes, or that a number is predicted, with its unit."""
    if record.get("target") == "number":
        return page.words("report.number", unit=page.unit or "–")
    return " / ".join(record["classes"])


def _export(page: Page, kind: str) -> None:
    with st.container(border=True, key=f"export-{kind}"):
        frame.heading(page.words(f"report.{kind}"))
        frame.quiet(hint(page, f"report.{kind}_hint"))
        export(page, kind)


def _log(page: Page) -> None:
    """What was done, newest first, by this machine's clock."""
    words = page.words
    with st.expander(words("report.log")), st.container(height=LOG_HEIGHT, border=False, key="log"):
        head = [words(f"report.log_{column}") for column in ("when", "what", "case")]
        rows = page.store.audit_rows(page.project.id)
        frame.table(head, [[_when(row.at), _did(page, row.what), _of(page, row.case)] for row in rows])


def _when(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _did(page: Page, what: str) -> str:
    """A line of the log in words; one that a later version wrote stands as it is."""
    key = f"report.did_{what.replace('.', '_')}"
    return page.words(key) if key in page.words else what


def _of(page: Page, case: str) -> str:
    return page.title(case) if case in page.by_id else ""
