"""The gallery on the projects page: six ready tasks as cards, each with a short page and one button that opens it."""

from __future__ import annotations

import html

import streamlit as st

from dashboard import frame, state
from dashboard.learner_names import learner_title
from dashboard.state import Page
from engine.jobs.gallery import Task, task, tasks
from engine.jobs.queue import INTAKE, Job

VIEW = "task-"  # what of the projects page is shown: the page of one task


def shown() -> Task | None:
    """The task whose page the address asks for, or None."""
    view = st.query_params.get("v", "")
    return task(view.removeprefix(VIEW)) if view.startswith(VIEW) else None


def cards(page: Page) -> None:
    """All ready tasks: title, question, method."""
    words = page.words
    frame.heading(words("gallery.title"))
    frame.quiet(words("gallery.intro"))
    with st.container(key="gallery", horizontal=True, gap="small"):
        for each in tasks():
            _card(page, each)


def _card(page: Page, each: Task) -> None:
    words, text = page.words, each.text(page.words.language)
    with st.container(border=True, key=f"task-{each.id}", width=200):
        method = words("gallery.starts_with", learner=learner_title(words, each.learner))
        st.html(
            f'<h3 class="hf-h">{html.escape(text.title)}</h3><p class="hf-p">{html.escape(text.question)}</p>'
            f'<p class="hf-quiet">{html.escape(method)}</p>'
        )
        if st.button(words("gallery.see"), key=f"see-{each.id}", width="stretch"):
            state.go(view=VIEW + each.id)
            st.rerun()


def read(page: Page, each: Task) -> None:
    """The page of one task: what is asked of what, by which method, and what it can't do."""
    words, text = page.words, each.text(page.words.language)
    st.html(
        f'<div class="hf-big">{html.escape(text.title)}</div><p class="hf-p hf-task-question">'
        f"{html.escape(text.question)}</p>"
    )
    if text.warning:
        frame.card(text.warning, warn=True)
    _part(words("gallery.row"), text.row)
    _list(words("gallery.columns"), text.columns)
    _part(words("gallery.method"), text.why)
    _list(words("gallery.limits"), text.limits)


def act(page: Page, each: Task) -> None:
    """Open it, bring a table of one's own, or go back; and how far the engine is."""
    words = page.words
    job = _opening(page, each)
    running = job is not None and job.alive
    with st.container(key="next"):
        if job is not None and job.state == "done":
            _enter(job)
        if job is not None and job.state == "failed":
            frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
        if running:
            _wait(page, job)
        if st.button(words("gallery.open"), key="open-task", type="primary", width="stretch", disabled=running):
            _file(page, each)
        frame.quiet(words("gallery.open_hint"))
        if st.button(words("gallery.own"), key="own-task", width="stretch", disabled=running):
            _file(page, each, own=True)
        frame.quiet(words("gallery.own_hint"))
        if st.button(words("gallery.back"), key="leave-task", type="tertiary"):
            leave()
            st.rerun()


def _opening(page: Page, each: Task) -> Job | None:
    """The job that this person asked for; after a reload found again while it is under way."""
    if "opening_task" not in st.session_state:
        asked = (page.queue.find("gallery", _args(page, each, own)) for own in (False, True))
        found = next((job for job in asked if job is not None and job.alive), None)
        if found is None:
            return None
        st.session_state["opening_task"] = found.id
    return page.queue.state(st.session_state["opening_task"])


def leave() -> None:
    """Away from a task's page; the address forgets it."""
    st.query_params.pop("v", None)
    st.session_state.pop("opening_task", None)


def label_again(page: Page, project) -> None:
    """Ask for the first labels of a gallery project that an earlier version made."""
    args = {"task": project.settings["gallery"], "project": project.id}
    page.queue.file("gallery", args, lane=INTAKE, priority=1)


def _args(page: Page, each: Task, own: bool) -> dict[str, str | bool]:
    return {"task": each.id, "reader": page.reader, "language": page.words.language} | ({"own": True} if own else {})


def _file(page: Page, each: Task, *, own: bool = False) -> None:
    args = _args(page, each, own)
    st.session_state["opening_task"] = page.queue.file("gallery", args, lane=INTAKE, project="", priority=1).id
    st.rerun()


def _enter(job) -> None:
    """Into the project that a job opened."""
    leave()
    state.go("gather" if job.args.get("own") else "label", project=job.result["project"])
    st.rerun()


def _wait(page: Page, job) -> None:
    words = page.words

    @st.fragment(run_every=0.5)
    def wait() -> None:
        now = page.queue.state(job.id)
        if not now.alive:
            st.rerun()
        st.progress(now.fraction, text=words.note(now.note) if now.note else words("gallery.opening"))

    wait()


def _part(heading: str, text: str) -> None:
    st.html(f'<h2 class="hf-h">{html.escape(heading)}</h2><p class="hf-p">{html.escape(text)}</p>')


def _list(heading: str, items: tuple[str, ...]) -> None:
    listed = "".join(f"<li>{html.escape(item)}</li>" for item in items)
    st.html(f'<h2 class="hf-h">{html.escape(heading)}</h2><ul class="hf-list">{listed}</ul>')
