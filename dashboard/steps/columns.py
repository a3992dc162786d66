"""Columns: a table that was dropped waits here until a person has said what its columns are for, and what to learn."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from dashboard import frame, state
from dashboard.columns_table import Correction, columns_table
from dashboard.records import number_text
from dashboard.state import Page
from dashboard.steps.columns_said import LEARNED, classes, said
from dashboard.worklist import worklist
from engine.jobs.queue import INTAKE, Job
from engine.projects.drafts import Draft
from engine.projects.projects import MAX_CLASSES
from engine.tables.nouns import KINDS, ROLES, Dictionary, Entry

HEIGHT, HEIGHT_OVER_NOTES = "calc(100vh - 178px)", "calc(100vh - 232px - var(--notes, 0px))"
TEACH, MOST, MOST_ROWS = 10, 400, 2000  # what is proposed, and what the engine takes at most (engine.jobs.work.tables)
LEVELS_SHOWN = 4
HIDDEN = "•••"
KEPT = "keeping"  # where the session remembers the table on its way in
LABELS = ("number", "yes_no", "category", "code")  # kinds that an answer can have
FLAGS = ("leak", "label", "patient", "site", "date", "molecule", "measure", "value")  # shown first, in this order


@dataclass
class Choice:
    """What a person has said of one draft so far; kept for the session, since names of columns may name people."""

    dictionary: Dictionary
    corrections: list[Correction] = field(default_factory=list)
    asked: str = ""  # the job that looks for leaks anew

    @property
    def label(self) -> str | None:
        return self.dictionary.one("label")

    def correct(self, each: Correction) -> None:
        """Raises KeyError for a column that is not there."""
        self.dictionary = self.dictionary.change(each.column, **{each.field: each.value})
        self.corrections.append(each)

    def propose(self, dictionary: Dictionary) -> None:
        """A new proposal, with all that was corrected before it kept."""
        self.dictionary = dictionary
        for each in self.corrections:
            if each.field != "role" or each.value != "label":
                self.dictionary = self.dictionary.change(each.column, **{each.field: each.value})


@dataclass(frozen=True)
class Kept:
    """A table on its way into the project: its draft, the job, and what was said of its answer."""

    draft: str
    job: str
    label: str | None
    target: str
    unit: str


def show(page: Page, drafts: Sequence[Draft]) -> None:
    """The screen of the oldest draft, or of the one that was picked."""
    picked = st.session_state.get("draft")
    draft = next((each for each in drafts if each.id == picked), drafts[0])
    choice = _choice(draft)
    _listen(page, draft, choice)
    with frame.columns((17, 57, 26)) as (left, centre, right):
        with left:
            other = _waiting(page, drafts, draft)
        with centre:
            changed = _table(page, draft, choice)
        with right:
            _answer(page, draft, choice)
    if other and other != draft.id:
        st.session_state["draft"] = other
        st.rerun()
    if changed:
        st.rerun()


def _choice(draft: Draft) -> Choice:
    key = f"choice-{draft.id}"
    if key not in st.session_state:
        st.session_state[key] = Choice(Dictionary.from_json(draft.dictionary))
    return st.session_state[key]


def _waiting(page: Page, drafts: Sequence[Draft], draft: Draft) -> str | None:
    items = [
        {
            "id": each.id,
            "title": each.name.rsplit("/", 1)[-1],  # of a file in an archive the end tells it apart
            "detail": page.words("columns.size", rows=f"{each.rows:,}", columns=each.columns),
            "tag": None,
            "thumb": "",
            "filter": "draft",
        }
        for each in drafts
    ]
    return worklist(
        items,
        key="drafts",
        selected=draft.id,
        title=page.words("columns.waiting"),
        aside=str(len(drafts)),
        progress=None,
        filters=[{"id": "all", "text": page.words("app.all"), "colour": None}],
        empty="",
    )


def _table(page: Page, draft: Draft, choice: Choice) -> bool:
    """The columns to look over. Returns whether something was corrected."""
    words = page.words
    st.html(
        f'<div class="hf-big hf-cut">{html.escape(draft.name)}</div>'
        f'<p class="hf-quiet">{html.escape(words("columns.what"))}</p>'
    )
    entries = list(choice.dictionary)
    order = sorted(range(len(entries)), key=lambda i: (_rank(entries[i]), i))
    corrections = columns_table(
        draft.id,
        key="columns-table",
        columns=[describe(page, entries[i]) for i in order],
        head=[entry.name for entry in entries],
        preview=_preview(draft, choice.dictionary),
        roles=ROLES,
        kinds=[kind for kind in KINDS if kind != "empty"],
        lang=words.language,
        height=HEIGHT_OVER_NOTES if draft.notes or choice.dictionary.notes else HEIGHT,
    )
    for each in corrections:
        before = choice.label
        choice.correct(each)
        if choice.label != before:
            _ask_again(page, draft, choice)
    _notes(page, draft, choice)
    return bool(corrections)


def _rank(entry: Entry) -> int:
    return FLAGS.index(entry.role) if entry.role in FLAGS else len(FLAGS)


def describe(page: Page, entry: Entry) -> dict[str, Any]:
    """A column as the table of columns takes it. What an identifier or free text holds is not shown."""
    words = page.words
    return {
        "name": entry.name,
        "role": entry.role,
        "kind": entry.kind,
        "unit": entry.unit,
        "values": _values(page, entry),
        "missing": words("columns.missing", count=entry.missing) if entry.missing else "",
        "reasons": [words.note(note) for note in entry.reasons if note.key != "table.because_told"],
        "flag": entry.role == "leak",
    }


def _hides(entry: Entry) -> bool:
    return entry.role in ("identifier", "patient") or entry.kind in ("identifier", "text")


def _values(page: Page, entry: Entry) -> str:
    words = page.words
    if _hides(entry):
        return words("columns.hidden")
    if entry.levels and entry.kind != "number":
        shown = ", ".join(
            page.yes_no(level) if entry.kind == "yes_no" else level for level in entry.levels[:LEVELS_SHOWN]
        )
        more = len(entry.levels) - LEVELS_SHOWN
        return words("columns.values_more", shown=shown, count=more) if more > 0 else shown
    if entry.low is None:
        return ""
    low, high = (number_text(v) if isinstance(v, float | int) else str(v) for v in (entry.low, entry.high))
    return words("columns.range", low=low, high=high)


def _preview(draft: Draft, dictionary: Dictionary) -> list[list[str]]:
    """The first rows; what names people is not repeated on the screen."""
    hidden = [_hides(entry) for entry in dictionary]
    return [
        [HIDDEN if hide and text else text for text, hide in zip(row, hidden, strict=True)] for row in draft.preview
    ]


def _notes(page: Page, draft: Draft, choice: Choice) -> None:
    """What the reading had to say of the table: below it, folded, since most of it is good to know and no more."""
    notes = [*draft.notes, *choice.dictionary.notes]
    if notes:
        with st.expander(page.words("columns.notes", count=len(notes))):
            for note in notes:
                frame.quiet(page.words.note(note))


def _ask_again(page: Page, draft: Draft, choice: Choice) -> None:
    """Another answer has other leaks: a job looks for them, so that a large table does not stop the page."""
    args = {"project": page.project.id, "draft": draft.id}
    told = {"label": choice.label, "patient": choice.dictionary.one("patient")}
    args |= {role: name for role, name in told.items() if name}
    choice.asked = page.queue.file("propose_again", args, lane=INTAKE, priority=1).id


def _listen(page: Page, draft: Draft, choice: Choice) -> None:
    """Take the new proposal once it is there."""
    job = page.queue.state(choice.asked) if choice.asked else None
    if job is not None and not job.alive:
        choice.asked = ""
        if job.state == "done":
            choice.propose(Dictionary.from_json(job.result["dictionary"]))


def _answer(page: Page, draft: Draft, choice: Choice) -> None:
    """What is to be learned, from how many rows; keep or throw away."""
    words = page.words
    frame.heading(words("columns.answer"))
    label = _choose_label(page, draft, choice)
    numeric = _choose_target(page, draft, choice, label)
    unit = ""
    if numeric and label is None:
        unit = st.text_input(words("columns.unit_of"), placeholder=words("columns.unit_placeholder"), max_chars=20)
    if label is not None and not numeric:
        classes(page, choice.dictionary[label])
    most = st.number_input(
        words("columns.most"), 2, MOST_ROWS, min(MOST, max(2, draft.rows)), step=50, key=f"most-{draft.id}"
    )
    teach: int | str = TEACH
    if label is not None:
        everything = st.toggle(words("columns.teach_all"), key=f"all-{draft.id}")
        name = words("columns.teach_number" if numeric else "columns.teach")
        start = 3 * TEACH if numeric else TEACH
        number = st.number_input(name, 2, MOST_ROWS, start, disabled=everything, key=f"teach-{draft.id}-{numeric}")
        teach = "all" if everything else int(number)
    said(page, draft, choice.dictionary, label, numeric, teach, int(most))
    args = {
        "project": page.project.id,
        "draft": draft.id,
        "dictionary": choice.dictionary.to_json(),
        "label_from": label,
        "teach": teach,
        "most": int(most),
        "target": "number" if numeric else "class",
        "reader": page.reader,
    }
    _keep(page, draft, choice, args, unit if label is None else "")


def _choose_label(page: Page, draft: Draft, choice: Choice) -> str | None:
    words, now = page.words, choice.label
    names = [e.name for e in choice.dictionary if e.kind in LABELS and e.role != "identifier" or e.name == now]
    chosen = st.selectbox(
        words("columns.answer"),
        ["", *names],
        index=1 + names.index(now) if now in names else 0,
        format_func=lambda name: name or words("columns.in_page"),
        label_visibility="collapsed",
        key=f"label-{draft.id}-{now}",
    )
    if (chosen or None) != now:
        correction = Correction(chosen, "role", "label") if chosen else Correction(now, "role", "ignored")
        choice.correct(correction)
        if chosen:
            _ask_again(page, draft, choice)
        st.rerun()
    return now


def _choose_target(page: Page, draft: Draft, choice: Choice, label: str | None) -> bool:
    """Whether a number is learned. Only a column of numbers leaves that open."""
    entry = choice.dictionary[label] if label else None
    if entry is not None and entry.kind != "number":
        return False
    many = entry is not None and entry.distinct > MAX_CLASSES
    chosen = st.segmented_control(
        page.words("columns.target"),
        ("class", "number"),
        default="number" if many else "class",
        required=True,
        format_func=lambda name: page.words(f"columns.target_{name}"),
        key=f"target-{draft.id}-{label}",
    )
    return chosen == "number"


def _keep(page: Page, draft: Draft, choice: Choice, args: Mapping[str, Any], unit: str) -> None:
    """The one coloured button, and the way out."""
    words = page.words
    kept = st.session_state.get(KEPT)
    job = page.queue.state(kept.job) if kept and kept.draft == draft.id else None
    with st.container(key="next"):
        if job is not None and job.alive:
            _watch(page, job, words("columns.keeping"))
        elif page.cases:
            frame.remark(words("columns.taken"))
            if st.button(words("columns.taken_do"), key="move-draft", type="primary", width="stretch"):
                _move(page, draft)
        else:
            if job is not None and job.error:
                frame.remark(words("app.job_failed", reason=words.whole(job.error)), warn=True)
            # Alive or not: one that ended since `_listen` looked is taken in by the run that the watch asks for.
            asked = page.queue.state(choice.asked) if choice.asked else None
            if asked is not None:
                _watch(page, asked, words("columns.again"))
            learned = any(e.role in (*LEARNED, "measure") for e in choice.dictionary)
            one = choice.label is not None and choice.dictionary[choice.label].distinct < 2
            ready = learned and not one and asked is None
            if st.button(words("columns.keep"), key="keep", type="primary", width="stretch", disabled=not ready):
                filed = page.queue.file("keep_table", args, lane=INTAKE, key=f"keep-{draft.id}", priority=1)
                st.session_state[KEPT] = Kept(draft.id, filed.id, args["label_from"], args["target"], unit)
                st.rerun()
        if st.button(words("columns.throw"), key="throw", type="tertiary", help=words("columns.throw_hint")):
            page.store.discard_draft(draft.id, reader=page.reader)
            st.session_state.pop(f"choice-{draft.id}", None)
            st.rerun()


def _move(page: Page, draft: Draft) -> None:
    """The table goes to a project of its own, named after its file."""
    name = draft.name.rsplit("/", 1)[-1].rsplit(".", 1)[0][:60] or draft.name[:60]
    made = page.store.create_project(name, reader=page.reader)
    page.store.move_draft(draft.id, made.id)
    state.go("gather", project=made.id)
    st.rerun()


def _watch(page: Page, job: Job, text: str) -> None:
    @st.fragment(run_every=0.3)
    def watch() -> None:
        now = page.queue.state(job.id)
        if not now.alive:
            st.rerun()
        st.progress(now.fraction, text=page.words.note(now.note) if now.note else text)

    watch()


def kept(page: Page) -> None:
    """Once a table is kept go on to Label, with a word about what came of it. Called where drafts are looked for: the
    draft is gone by then. Numbers that are given in the page are a setting of the project."""
    filed = st.session_state.get(KEPT)
    job = page.queue.state(filed.job) if filed else None
    if job is None or job.state != "done":
        return
    del st.session_state[KEPT]
    st.session_state.pop(f"choice-{filed.draft}", None)
    if filed.label is None and filed.target == "number":
        page.store.set_project_settings(page.project.id, target="number", unit=filed.unit)
    if job.result.get("draft"):  # visits became a table of patients, which is looked over once more
        st.rerun()
    key = "columns.kept" if filed.label else "columns.kept_page"
    st.session_state["said"] = page.words(key, count=job.result["cases"], labelled=job.result.get("labelled", 0))
    state.go("label")
    st.rerun()
