"""Projects: open one, make one, bring one from elsewhere, start the demo again."""

from __future__ import annotations

import streamlit as st

from dashboard import frame, state, tour
from dashboard.state import Page
from dashboard.steps import gallery
from dashboard.upload import IMPORT, drop_zone
from engine.jobs.queue import INTAKE, LEARN, Job
from engine.projects.folder_names import forget_folders


def show(page: Page) -> None:
    words = page.words
    with frame.columns((25, 50, 25)) as (left, centre, right):
        with left:
            frame.heading(words("app.name"))
            frame.card(words("app.tagline"), quiet=words("projects.intro"))
            _tour(page)
        task = gallery.shown()
        with centre:
            if task:
                gallery.read(page, task)
            else:
                frame.heading(words("projects.title"))
                if page.gone:
                    frame.remark(words("projects.gone"), warn=True)
                for project in page.store.projects():
                    _row(page, project)
                gallery.cards(page)
        with right:
            if task:
                gallery.act(page, task)
            else:
                _make(page)
                frame.heading(words("projects.import_title"))
                _import(page)


def _tour(page: Page) -> None:
    """The guided tour and the presentation, on the demo project."""
    words = page.words
    if tour.demo_project(page) is None:
        return
    if st.button(words("tour.begin"), key="tour-begin", width="stretch", icon=":material/route:"):
        tour.begin(page)
        st.rerun()
    with st.container(horizontal=True, gap="small", key="tour-tools"):
        if st.button(words("tour.present"), key="tour-present", icon=":material/slideshow:", width="stretch"):
            tour.begin(page, show=True)
            st.rerun()
        with st.popover(words("tour.arrange"), icon=":material/reorder:", width="stretch"):
            tour.arrange(page)


def _import(page: Page) -> None:
    """A project file from elsewhere: dropped, opened by a job, shown when it is there."""
    words = page.words
    arrived = drop_zone(IMPORT, key="import-project", language=words.language, words_hint=words("projects.import_hint"))
    if arrived:
        st.session_state["opening"] = arrived.job
    mine = "opening" in st.session_state
    job = page.queue.state(st.session_state["opening"]) if mine else _import_under_way(page)
    if job is None:
        return
    if job.state == "failed":
        frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
    elif job.state == "done":
        del st.session_state["opening"]
        state.go("label", project=job.result["project"])
        st.rerun()
    elif not job.alive:  # it was stopped
        del st.session_state["opening"]
    else:

        @st.fragment(run_every=0.5)
        def wait() -> None:
            now = page.queue.state(job.id)
            if not now.alive:
                st.rerun()
            st.progress(now.fraction, text=words.note(now.note) if now.note else words("projects.import_title"))

        wait()


def _import_under_way(page: Page) -> Job | None:
    """After a reload, an import that this person began: its progress, and the project in the list once it is there."""
    alive = page.queue.jobs(project="", kinds=("open_project",), alive=True)
    return next((job for job in alive if job.args["reader"] == page.reader), None)


def _row(page: Page, project) -> None:
    words = page.words
    cases = page.store.cases(project.id)
    labelled = sum(1 for v in page.store.labels(project.id).values() if v)
    with st.container(border=True, key=f"project-{project.id}"):
        text, button = st.columns((3, 1), vertical_alignment="center")
        with text:
            parts = [words("projects.cases", count=len(cases)), words("projects.labelled", count=labelled)]
            if project.demo:
                parts.append(words("projects.demo_badge"))
            name, what = frame.html.escape(project.name), frame.html.escape(" · ".join(parts))
            st.html(f'<div class="hf-project">{name}</div><p class="hf-quiet">{what}</p>')
        with button:
            # One coloured button: the way back to what was open.
            kind = "primary" if page.project and project.id == page.project.id else "secondary"
            if st.button(words("projects.open"), key=f"open-{project.id}", type=kind, width="stretch"):
                state.go("label" if cases else "gather", project=project.id)
                st.rerun()
        with st.container(horizontal=True, key=f"project-tools-{project.id}"):
            again = project.demo and st.button(words("projects.demo_reset"), key=f"reset-{project.id}", type="tertiary")
            if again:
                _reset(page, project)
                st.rerun()
            own = not project.demo or "gallery" in project.settings  # made by a person, from a ready task too
            if own and st.button(words("projects.delete"), key=f"delete-{project.id}", type="tertiary"):
                _confirm(page, project)


def _reset(page: Page, project) -> None:
    """A demo project back to its first state. One that an earlier version made has its first labels given by a job."""
    for job in page.queue.jobs(project=project.id, alive=True):
        if job.lane == LEARN:
            page.queue.cancel(job.id)
    if page.store.reset_project(project.id, reader=page.reader):
        return
    if "gallery" in project.settings:
        gallery.label_again(page, project)
    else:
        page.queue.file("demo", {"project": project.id, "again": True}, lane=INTAKE, priority=1)


def _confirm(page: Page, project) -> None:
    words = page.words

    @st.dialog(words("projects.delete"))
    def ask() -> None:
        st.write(words("projects.delete_confirm", name=project.name))
        if st.button(words("projects.delete_yes"), type="primary"):
            page.store.remove_project(project.id, reader=page.reader)
            forget_folders(page.settings.data_dir, project.id)
            st.query_params.clear()
            st.rerun()

    ask()


def _make(page: Page) -> None:
    words = page.words
    frame.heading(words("projects.new"))
    with st.container(key="make-project"), st.form("new-project", clear_on_submit=True):
        name = st.text_input(words("projects.new_name"), placeholder=words("projects.new_placeholder"), max_chars=80)
        if st.form_submit_button(words("projects.create"), width="stretch") and name.strip():
            made = page.store.create_project(name.strip(), reader=page.reader)
            state.go("gather", project=made.id)
            st.rerun()
