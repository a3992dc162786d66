"""Compare all: every method on the same labelled cases, who agrees with whom, and which one to take."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import frame, state
from dashboard.learner_names import learner_names, learner_title
from dashboard.state import Page
from dashboard.steps import compare_numbers
from dashboard.steps.adapt_button import file_adapt
from dashboard.steps.exporting import export
from dashboard.steps.tested import values
from engine.jobs.queue import INTAKE, Job


def show(page: Page) -> None:
    """The comparison of the newest run: its button, its progress, or its table."""
    words, job = page.words, page.queue.latest("compare", page.project.id)
    if page.under_way(job):
        _watch(page, job.id)
        return
    if job is not None and job.args["run"] == page.run.id:
        _how_it_ended(page, job)
    if page.comparison is None:
        count = len(learner_names(page))
        patients = len({c.patient or c.id for c in page.labelled})
        frame.card(words("adapt.compare_what", methods=count, count=patients), quiet=words("adapt.compare_time"))
        _button(page)
        return
    if page.numeric:
        compare_numbers.show(page, lambda name: _use(page, name), lambda: _file(page))
        return
    _recommendation(page)
    _table(page)
    _agreement(page)


def _button(page: Page) -> None:
    if page.stale:
        frame.remark(page.words("adapt.stale"))
    if st.button(page.words("adapt.compare_all"), key="compare-all", icon=":material/balance:", disabled=page.stale):
        _file(page)


def _file(page: Page) -> None:
    """Beside the learning lane, so that Adapt and the maps need not wait; new cases go first."""
    args = {"run": page.run.id, "project": page.project.id}
    page.queue.file("compare", args, lane=INTAKE, priority=-1)
    st.rerun()


def _how_it_ended(page: Page, job: Job) -> None:
    if job.state == "failed":
        frame.remark(page.words("app.job_failed", reason=page.words.note(job.error)), warn=True)
    elif job.state == "cancelled":
        frame.quiet(page.words("adapt.stopped"))


def _watch(page: Page, job_id: str) -> None:
    """The running comparison, method by method; any tab may look, and stop it."""
    words = page.words

    @st.fragment(run_every=0.3)
    def watch() -> None:
        job = page.queue.state(job_id)
        if not job.alive:
            st.rerun()
        frame.heading(words("adapt.comparing"))
        st.progress(job.fraction, text=page.note(job.note) if job.note else words("adapt.waiting"))
        left = job.seconds_left()
        if left is not None:
            frame.quiet(words("app.seconds_left", count=max(1, round(left))))
        if st.button(words("app.cancel"), key="stop-compare", icon=":material/stop:"):
            page.queue.cancel(job_id)

    watch()


def _recommendation(page: Page) -> None:
    words, comparison = page.words, page.comparison
    if page.stale:
        frame.remark(words("adapt.stale"))
    frame.card(*(page.note(note) for note in comparison["notes"]), quiet=words("adapt.compare_how"))
    best = comparison["recommended"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="after-comparing"):
        if best and best != page.run.record["learner"] and not page.stale:
            text = words("adapt.use_this", name=learner_title(words, best))
            if st.button(text, key="use-recommended", icon=":material/check:"):
                _use(page, best)
        export(page, "comparison", words("adapt.compare_csv"))
        if not page.stale and st.button(words("adapt.compare_again"), key="compare-again", type="tertiary"):
            _file(page)


def _use(page: Page, name: str) -> None:
    page.store.set_project_settings(page.project.id, **{**page.project.settings, "learner": name})
    file_adapt(page, learner=name)
    state.go("adapt", view="result")
    st.rerun()


def _table(page: Page) -> None:
    words, rows = page.words, page.comparison["methods"]
    with st.container(key="methods", gap=None):
        heads = ("method", "right", "log_loss", "seconds", "memory")
        st.html('<div class="hf-method head">' + "".join(f"<span>{_head(page, h)}</span>" for h in heads) + "</div>")
        for number, row in enumerate(rows, start=1):
            mine = row["name"] == page.run.record["learner"]
            left, right = st.columns([86, 14], vertical_alignment="center", gap="small", wrap=False)
            left.html(_row(page, number, row))
            if mine:
                right.html(f'<p class="hf-quiet">{html.escape(words("adapt.in_use"))}</p>')
            elif row["refused"] is None and not page.stale:
                title = learner_title(words, row["name"])
                help_text = words("adapt.use_this", name=title)
                if right.button(words("adapt.use"), key=f"use-{row['name']}", type="tertiary", help=help_text):
                    _use(page, row["name"])


def _head(page: Page, name: str) -> str:
    words = page.words
    return f'<abbr title="{html.escape(words(f"adapt.head_{name}_hint"), quote=True)}">' + (
        html.escape(words(f"adapt.head_{name}")) + "</abbr>"
    )


def _row(page: Page, number: int, row: Mapping[str, Any]) -> str:
    """One method: its exact interval drawn as a line with the share right as a dot, then the counts, then the cost."""
    words, tested = page.words, row["tested"]
    name = html.escape(learner_title(words, row["name"]))
    star = " ★" if row["name"] == page.comparison["recommended"] else ""
    first = f'<span class="n"><i>{number}</i> {name}{star}</span>'
    if row["refused"]:
        return f'<div class="hf-method">{first}<span class="wide">{html.escape(page.note(row["refused"]))}</span></div>'
    if not tested["count"]:
        right = f"<span>{html.escape(words('adapt.not_tested'))}</span>"
    else:
        share = 100 * tested["right"] / tested["count"]
        told = html.escape(words("adapt.right_of", **values(tested)))
        right = (
            f'<span class="r"><span class="line"><u style="left:{100 * tested["low"]:.1f}%;'
            f'right:{100 - 100 * tested["high"]:.1f}%"></u><b style="left:{share:.1f}%"></b></span>'
            f"<em>{told}</em></span>"
        )
    loss = "–" if row["log_loss"] is None else f"{row['log_loss']:.2f}"
    return (
        f'<div class="hf-method">{first}{right}<span class="v">{loss}</span>'
        f'<span class="v">{_seconds(row["seconds"])}</span><span class="v">{_megabytes(row["peak_bytes"])}</span></div>'
    )


def _seconds(value: float) -> str:
    if value < 0.001:
        return "< 1 ms"
    return f"{1000 * value:.0f} ms" if value < 0.95 else f"{value:.1f} s"


def _megabytes(value: int | None) -> str:
    return "–" if value is None else "< 1 MB" if value < 1e6 else f"{value / 1e6:.0f} MB"


def _agreement(page: Page) -> None:
    """Two small squares: how often each two methods give the same answer; numbered as the rows above."""
    words, agreement = page.words, page.comparison["agreement"]
    order = {row["name"]: i for i, row in enumerate(page.comparison["methods"], start=1)}
    numbers = [order[name] for name in agreement["methods"]]
    asked = len(page.comparison["asked"])
    squares = [
        (words("adapt.agree_labelled", count=len(page.run.record["support"])), agreement["labelled"]),
        (words("adapt.agree_asked", count=asked), agreement["asked"]),
    ]
    frame.heading(words("adapt.agreement"))
    body = "".join(
        f'<div><p class="hf-quiet">{html.escape(title)}</p>{_square(numbers, table)}</div>' for title, table in squares
    )
    st.html(f'<div class="hf-squares">{body}</div>')


def _square(numbers: Sequence[int], table: Sequence[Sequence[float | None]]) -> str:
    head = "<tr><td></td>" + "".join(f"<th>{n}</th>" for n in numbers) + "</tr>"
    rows = []
    for i, shares in enumerate(table):
        cells = "".join("<td></td>" if j == i else _cell(share) for j, share in enumerate(shares))
        rows.append(f"<tr><th>{numbers[i]}</th>{cells}</tr>")
    return f'<table class="hf-square">{head}{"".join(rows)}</table>'


def _cell(share: float | None) -> str:
    if share is None:
        return "<td>–</td>"
    return f'<td style="--a:{100 * share:.0f}%">{100 * share:.0f}</td>'
