"""Report: what leaves the house: predictions, pictures, the whole project; and the log of what was done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import frame
from dashboard.learner_names import learner_title
from dashboard.state import Page
from dashboard.steps.cases_list import label_list
from dashboard.steps.exporting import export
from dashboard.steps.pacs_send import pacs_send
from dashboard.steps.report_files import report_files
from dashboard.steps.tested import held_back_sentences, test_sentences

EXPORTS = ("csv", "comparison", "png", "project")


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
                if kind == "project" or (page.comparison if kind == "comparison" else page.run) is not None:
                    _export(page, kind)


def _summary(page: Page) -> None:
    words, run = page.words, page.run
    frame.heading(words("report.summary"))
    if run is None:
        frame.card(words("report.none"))
        return
    record = run.record
    rows = [
        (words("report.question"), _question(page, record)),
        (words("report.who"), str(len(record["support"]))),
        (words("adapt.learner"), learner_title(words, record["learner"])),
        (words("adapt.look_where"), words(f"adapt.look_{record['look']}")),
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
        frame.quiet(page.words(f"report.{kind}_hint"))
        export(page, kind)


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
