"""Gather: drop studies in, watch them being read, see what came and what did not, and why."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import frame, gate, state
from dashboard.state import Page
from dashboard.steps import columns, picture_folders
from dashboard.steps.cases_list import label_list
from dashboard.steps.pacs import kept_identifiers, pacs_button
from dashboard.steps.watching import ARRIVALS, READS, await_arrivals, come_and_ready, reading
from dashboard.upload import drop_zone
from engine.intake import load_case
from engine.projects.records import ProjectCase, RefusedFile
from engine.projects.uploads import Uploads
from engine.sentences import Note

MOST_NAMED = 3  # files refused for the same reason
MOST_ROWS_SHOWN = 60  # of a table on this screen; all of them are in the list at the left


def show(page: Page) -> None:
    words = page.words
    columns.kept(page)
    drafts = page.store.drafts(page.project.id)
    if drafts:
        columns.show(page, drafts)
        return
    with frame.columns((21, 52, 27)) as (left, centre, right):
        with left:
            picked = label_list(page, "worklist")
        with right:
            frame.heading(words("gather.intro"))
            drop_zone(page.project.id, key="drop", language=words.language)
            _broken_off(page)
            pacs_button(page)
            frame.quiet(words("gather.intro_text"))
            _next(page)
        with centre:
            _progress(page)
            picture_folders.ask(page)
            _cases(page)
            _refused(page)
            _identity(page)
    if picked:
        state.go("label", case=picked)
        st.rerun()


def _progress(page: Page) -> None:
    """What is being read and prepared; drawn anew every second while something is under way."""
    if not reading(page):
        _last_result(page)
        await_arrivals(page)
        return
    words = page.words
    drawn = (len(page.cases), sum(1 for c in page.cases if page.ready(c.id)))

    @st.fragment(run_every=1.0)
    def watch() -> None:
        alive = page.queue.jobs(project=page.project.id, kinds=READS, alive=True)
        under_way = [j for j in alive if j.kind != "encode"]
        encoding = [j for j in alive if j.kind == "encode"]
        count, done = come_and_ready(page)
        if (count, done) != drawn or not alive:
            st.rerun()
        for job in under_way:
            frame.heading(words("gather.reading"))
            st.progress(job.fraction, text=words.note(job.note) if job.note else words("gather.reading"))
            if st.button(words("app.cancel"), key=f"stop-{job.id}", icon=":material/stop:"):
                page.queue.cancel(job.id)
        if encoding:
            total = len(page.cases)
            frame.heading(words("gather.preparing"))
            st.progress(done / max(1, total), text=words("gather.preparing_count", done=done, total=total))
            frame.quiet(words("gather.preparing_why"))

    watch()


def _broken_off(page: Page) -> None:
    """An upload of this browser that ended half way, by a reload for example: how much of it is kept, what to do."""
    if not page.store.uploads(page.project.id, "open"):
        return
    session = gate.session_hash(page.store, page.settings.port, st.context.cookies)
    uploads = Uploads(page.store, page.settings.uploads_dir)

    @st.fragment(run_every=4.0)
    def watch() -> None:
        found = uploads.broken_off(page.project.id, session)
        if found:
            done, total = (f"{part / 1024**2:.0f}" for part in found)
            frame.remark(page.words("gather.broken_off", done=done, total=total), warn=True)

    watch()


def _last_result(page: Page) -> None:
    words = page.words
    job = next(iter(page.queue.jobs(project=page.project.id, kinds=ARRIVALS, limit=1)), None)
    if job is None:
        return
    if job.state == "failed" and job.error:
        frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
    elif job.state == "done" and not (job.result.get("drafts") and not job.result["cases"]):  # a table is told below
        said = words("gather.taken", count=job.result["cases"])
        if job.result["already"]:
            said += " · " + words("gather.already", count=job.result["already"])
        frame.quiet(said)
        for note in job.result.get("notes", ()):
            frame.remark(words.note(note))


def _cases(page: Page) -> None:
    words = page.words
    frame.heading(words("gather.title"))
    if not page.cases:
        frame.card(words("gather.none"), quiet=words("gather.hint_empty"))
        return
    if page.of_rows:
        _rows(page)
        return
    head = [words(f"gather.table_{column}") for column in ("case", "kind", "size", "spacing", "patient")]
    remarks = [words.between.join(words.note(note) for note in each.case.notes) for each in page.cases]
    frame.table(head, [_row(page, each) for each in page.cases], below=remarks)


def _rows(page: Page) -> None:
    """Rows of a table: what is known of each, and whose it is. Many rows are told by the first ones."""
    words = page.words
    job = page.queue.latest("keep_table", page.project.id)
    for note in (job.result or {}).get("notes", ()) if job else ():
        frame.remark(words.note(note))
    head = [words(f"gather.table_{column}") for column in ("row", "values", "patient", "label")]
    shown = page.cases[:MOST_ROWS_SHOWN]
    body = []
    for each in shown:
        label = page.labels.get(each.id)
        said = " · ".join(page.in_short(each.id)) or page.structure_of(each.id)
        body.append([page.title(each.id), said, each.case.patient[:8], page.said(label) if label is not None else "–"])
    frame.table(head, body)
    if len(shown) < len(page.cases):
        frame.quiet(words("gather.more_rows", count=len(page.cases) - len(shown)))


def _row(page: Page, each: ProjectCase) -> list[str]:
    words, case = page.words, each.case
    kind = words("gather.kind_image" if case.kind == "image" else "gather.kind_volume", modality=case.modality).strip()
    spacing = " × ".join(f"{mm:.2f}" for mm in case.geometry.spacing_mm) if case.geometry.measured else "–"
    size = " × ".join(str(n) for n in case.shape[:3])
    return [page.title(each.id), kind, size, spacing, case.patient[:8]]


def _refused(page: Page) -> None:
    words = page.words
    refused = page.store.refusals(page.project.id)
    if not refused and not page.cases:
        return
    frame.heading(words("gather.refused"))
    if not refused:
        frame.quiet(words("gather.refused_none"))
        return
    head = [words(f"gather.refused_{column}") for column in ("file", "reason", "do")]
    lines = [[_files(page, files), words.note(note), words.what_to_do(note)] for note, files in _alike(refused)]
    frame.table(head, lines)
    # The names of refused files may name a patient, so a person can make the page forget them.
    if st.button(words("gather.refused_clear"), key="clear-refused", type="tertiary"):
        page.store.clear_refusals(page.project.id)
        st.rerun()


def _alike(refused: Sequence[RefusedFile]) -> list[tuple[Note, list[str]]]:
    """What was refused for one reason out of one folder or archive stands in one line: (reason, its files)."""
    lines: dict[str, tuple[Note, list[str]]] = {}
    for each in refused:
        key = repr((each.upload, each.file.rpartition("/")[0], each.note))
        lines.setdefault(key, (each.note, []))[1].append(each.file)
    return list(lines.values())


def _files(page: Page, files: Sequence[str]) -> str:
    """A few files by their names, many by their folder or the first and the last of them."""
    if len(files) <= MOST_NAMED:
        return ", ".join(files)
    folder = files[0].rpartition("/")[0] or f"{files[0]} … {files[-1]}"
    return f"{folder} · {page.words('gather.refused_count', count=len(files))}"


def _identity(page: Page) -> None:
    """What of the headers was removed and what was kept, for the case looked at."""
    if not page.case_id:
        return
    if page.is_row(page.case_id):
        _columns_kept(page)
        return
    words = page.words
    kept = load_case(page.case_dir(page.case_id)).kept
    with st.expander(words("gather.identity")):
        frame.quiet(words("gather.identity_pixels"))
        job = next(iter(page.queue.jobs(project=page.project.id, kinds=(*ARRIVALS, "demo"), limit=1)), None)
        removed = (job.result or {}).get("removed", {}) if job else {}
        if removed:
            frame.heading(words("gather.identity_removed"))
            frame.quiet(", ".join(removed))
        frame.heading(words("gather.identity_kept"))
        frame.quiet(", ".join(f"{k}: {v}" for k, v in kept.items()))
        kept_identifiers(page)
        if st.button(words("gather.remove"), key=f"remove-{page.case_id}", help=words("gather.removed_hint")):
            page.store.remove_case(page.project.id, page.case_id, reader=page.reader)
            st.query_params.pop("c", None)
            st.rerun()


def _columns_kept(page: Page) -> None:
    """Which columns of a table were dropped before it was stored, and which were kept."""
    words, records = page.words, page.records(page.case_id)
    if records is None:
        return
    with st.expander(words("gather.identity")):
        gone = [e.name for e in records.dictionary if e.name not in records.table.columns]
        if gone:
            frame.heading(words("gather.identity_removed"))
            frame.quiet(", ".join(gone))
        frame.heading(words("gather.identity_kept"))
        frame.quiet(", ".join(records.table.columns))
        frame.quiet(words("gather.rows_coded"))
        if st.button(words("gather.remove_row"), key=f"remove-{page.case_id}", help=words("gather.removed_hint")):
            page.store.remove_case(page.project.id, page.case_id, reader=page.reader)
            st.query_params.pop("c", None)
            st.rerun()


def _next(page: Page) -> None:
    with st.container(key="next"):
        if st.button(
            page.words("app.step_label"), key="to-label", type="primary", width="stretch", disabled=not page.cases
        ):
            state.go("label")
            st.rerun()
        if not page.classes and not page.numeric:
            frame.quiet(page.words("gather.next_hint"))
