"""Label: one case after the other, one key each; optionally one click on the finding."""

from __future__ import annotations

import streamlit as st

from dashboard import frame, state
from dashboard.class_marks import class_mark
from dashboard.state import Page
from dashboard.steps.adapt_button import adapt_button
from dashboard.steps.as_drawn import as_drawn, drawing
from dashboard.steps.cases_list import label_list
from dashboard.steps.look import look
from dashboard.steps.reader_name import who_reads
from dashboard.steps.watching import await_arrivals
from engine.intake import load_case
from engine.projects.records import UNSURE

MOST_CLASSES = 9  # as many as there are digit keys
VIEWER_HEIGHT = "calc(100vh - 94px - var(--hf-presenter, 0px))"  # the window less the bar, the foot and their margins


def show(page: Page) -> None:
    drawing(page, page.case_id)
    with frame.columns() as (left, centre, right):
        with left:
            picked = label_list(page, "worklist")
        with centre:
            look(page, page.case_id, on_key=lambda key: press(page, key), height=VIEWER_HEIGHT)
        with right:
            _panel(page)
            await_arrivals(page)
    if picked and picked != page.case_id:
        state.go(case=picked)
        st.rerun()


def press(page: Page, key: str) -> bool:
    """Act on a labelling key. True if something changed (the page is then drawn anew)."""
    case_id = page.case_id
    if case_id is None:
        return False
    if page.numeric and key.isdigit() and key != "0":
        return False  # a number has a field of its own
    if key.isdigit() and 1 <= int(key) <= len(page.classes):
        return give(page, case_id, page.classes[int(key) - 1], go_on=True)
    if key == "0":
        return give(page, case_id, None, go_on=False)
    if key == "u":
        return give(page, case_id, UNSURE, go_on=True)
    if key == "undo":
        return undo(page)
    if key in ("next", "previous"):
        return _step(page, 1 if key == "next" else -1)
    return False


def give(page: Page, case_id: str, value: str | float | None, *, go_on: bool) -> bool:
    """Write a label to the disk, say so, and open the next case without one. Read blind, it takes a name first."""
    if page.nameless or not as_drawn(page, case_id):
        return False
    if isinstance(value, float):
        page.store.set_number(page.project.id, case_id, value, reader=page.reader)
    else:
        page.store.set_label(page.project.id, case_id, value, reader=page.reader)
    shown = page.words("app.unlabelled") if value is None else page.said(value)
    st.session_state["said"] = page.words("label.saved_label", case=page.title(case_id), value=shown)
    if go_on:
        waiting = [c.id for c in page.cases if c.id not in page.labels and c.id != case_id]
        order = [c.id for c in page.cases]
        after = [i for i in waiting if order.index(i) > order.index(case_id)]
        if after or waiting:
            state.go(case=(after or waiting)[0])
    return True


def undo(page: Page) -> bool:
    """Take this reader's newest label or place back, show its case and say what it is now: whoever gives no name shares
    one list with all others who give none, and with their own other tabs."""
    undone = page.store.undo(page.project.id, reader=page.reader)
    if undone is None or undone.case_id not in page.by_id:
        return False
    words, title = page.words, page.title(undone.case_id)
    if undone.kind == "label":
        now = page.words("app.unlabelled") if undone.value is None else page.said(undone.value)
        st.session_state["said"] = words("label.taken_back", case=title, value=now)
    else:
        st.session_state["said"] = words(f"label.taken_back_{undone.kind}", case=title)
    if undone.case_id != page.case_id:
        st.toast(st.session_state["said"])
    state.go(case=undone.case_id)
    return True


def _step(page: Page, by: int) -> bool:
    order = [c.id for c in page.cases]
    state.go(case=order[(order.index(page.case_id) + by) % len(order)])
    return True


def _panel(page: Page) -> None:
    words = page.words
    who_reads(page)
    if page.nameless:
        return
    frame.heading(words("label.how_much" if page.numeric else "label.what"))
    if page.numeric:
        number_field(page, page.case_id)
    else:
        class_buttons(page)
    if page.case_id and not page.is_row(page.case_id):
        _where(page)
    frame.heading(words("label.learn_from"))
    _split(page)
    _remarks(page)
    adapt_button(page)


def class_buttons(page: Page) -> None:
    """The classes with their keys and counts; a click labels like the key does."""
    words = page.words
    if len(page.classes) < 2:
        frame.quiet(words("label.no_classes"))
    for i, name in enumerate(page.classes):
        mark = class_mark(page.classes, name)
        count = sum(1 for v in page.labels.values() if v == name)
        with st.container(key=f"class-{i}"):
            st.html(f"<style>.st-key-class-{i} button {{ border-left: 5px solid {mark.colour} !important; }}</style>")
            text = f"`{i + 1}`  {mark.shape} {plain(name)}  ·  {count}"
            if st.button(text, key=f"give-{i}", width="stretch") and page.case_id:
                give(page, page.case_id, name, go_on=True)
                st.rerun()
    if page.classes:
        _other_buttons(page)
        frame.quiet(page.words("label.key_hint"))
    _edit_classes(page)


def number_field(page: Page, case_id: str | None, *, go_on: bool = True) -> None:
    """The number of a row, where a number is learned: Enter saves it and goes on."""
    words = page.words
    if case_id is None:
        return
    now = page.labels.get(case_id)
    with st.form(f"number-{case_id}", border=False):
        name = words("label.number_in", unit=page.unit) if page.unit else words("label.number")
        value = st.number_input(
            name, value=now if isinstance(now, float) else None, format="%g", step=1.0, key=f"number-of-{case_id}"
        )
        if st.form_submit_button(words("label.number_save"), width="stretch") and value is not None:
            give(page, case_id, float(value), go_on=go_on)
            st.rerun()
    _other_buttons(page)
    frame.quiet(words("label.number_hint"))


def _other_buttons(page: Page) -> None:
    """Clear, unsure, undo: the keys 0, U and Ctrl+Z."""
    words = page.words
    with st.container(horizontal=True, gap="small", key="label-tools"):
        if st.button(f"`0` {words('label.clear')}", key="give-clear", type="tertiary") and page.case_id:
            give(page, page.case_id, None, go_on=False)
            st.rerun()
        if st.button(f"`U` {words('label.unsure')}", key="give-unsure", type="tertiary") and page.case_id:
            give(page, page.case_id, UNSURE, go_on=True)
            st.rerun()
        if st.button(words("label.undo"), key="give-undo", type="tertiary", icon=":material/undo:") and undo(page):
            st.rerun()


def plain(name: str) -> str:
    """A class name as Streamlit's Markdown shows it to the letter."""
    return "".join("\\" + ch if ch in "\\`*_{}[]()#+-.!:$~<>|" else ch for ch in name)


def _edit_classes(page: Page) -> None:
    """Name the classes: in the open while there are fewer than two, afterwards behind a button."""
    if len(page.classes) < 2:
        _name_class(page)
        return
    with st.popover(page.words("label.edit_classes"), width="stretch"):
        _name_class(page)
        for i, old in enumerate(page.classes):
            _change_class(page, i, old)


def _name_class(page: Page) -> None:
    words = page.words
    with st.form("new-class", clear_on_submit=True, border=False):
        name = st.text_input(words("label.class_name"), placeholder=words("label.class_placeholder"), max_chars=40)
        if st.form_submit_button(words("label.class_added"), width="stretch") and name.strip():
            if name.strip() in page.classes or len(page.classes) >= MOST_CLASSES:
                st.warning(words("label.class_exists"))
            else:
                page.store.add_class(page.project.id, name.strip(), reader=page.reader)
                st.rerun()


def _change_class(page: Page, number: int, old: str) -> None:
    words = page.words
    key = f"rename-{page.project.id}-{number}-{old}"
    new = st.text_input(f"{words('label.rename')} {number + 1}", value=old, key=key, max_chars=40).strip()
    if new and new != old and new not in page.classes:
        page.store.rename_class(page.project.id, old, new, reader=page.reader)
        st.rerun()
    remove = f"{words('label.remove_class')}: {plain(old)}"
    if st.button(remove, key=f"drop-{key}", type="tertiary", help=words("label.remove_class_hint")):
        page.store.remove_class(page.project.id, old, reader=page.reader)
        st.rerun()


def _where(page: Page) -> None:
    """What was pointed at in this case, and the region that narrows it."""
    words, case_id = page.words, page.case_id
    frame.heading(words("label.pointing"))
    pointed = sum(1 for c in page.labelled if page.places.get(c.id))
    places = page.places.get(case_id)
    frame.quiet(words("label.point_hint"))
    if page.labelled:
        frame.quiet(words("label.point_done", count=pointed, labelled=len(page.labelled)))
    if places and st.button(
        words("label.point_clear"), key=f"unpoint-{case_id}", type="tertiary", icon=":material/location_off:"
    ):
        page.store.clear_place(page.project.id, case_id, reader=page.reader)
        st.rerun()
    region = page.regions.get(case_id)
    if region is not None:
        size = " × ".join(f"{mm:.0f}" for mm in (region.size_mm or ()))
        frame.quiet(words("label.region_set", size=size))
        if st.button(
            words("label.region_clear"), key=f"unregion-{case_id}", type="tertiary", icon=":material/crop_free:"
        ):
            page.store.set_region(page.project.id, case_id, None, reader=page.reader)
            st.rerun()


def split_sentences(page: Page) -> list[str]:
    """The split in words: who teaches, who is predicted, who is left out and why."""
    words, split = page.words, page.split
    said = [words("label.teach", count=len(split.support)), words("label.predict", count=len(split.query))]
    if split.same_patient:
        said.append(words("label.left_out", count=len(split.same_patient)))
    if split.unsure:
        said.append(words("label.unsure_out", count=len(split.unsure)))
    return said


def _split(page: Page) -> None:
    frame.card(*split_sentences(page), quiet=page.words("label.never_both"))


def _remarks(page: Page) -> None:
    """What intake had to say about the case looked at."""
    if not page.case_id or page.is_row(page.case_id):
        return
    notes = load_case(page.case_dir(page.case_id)).notes
    if notes:
        with st.expander(page.words("label.case_notes")):
            for note in notes:
                frame.remark(page.words.note(note))
