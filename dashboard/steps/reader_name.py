"""Who reads at this browser, and whether the project is read blind."""

from __future__ import annotations

import streamlit as st

from dashboard import frame, gate
from dashboard.state import Page
from engine.projects import blind


def name_field(page: Page, key: str) -> None:
    """The name of who reads, kept with this browser's session. At a sign-in it was given there."""
    words = page.words
    with st.form(f"name-{key}", border=False):
        name = st.text_input(words("readers.name"), value=page.reader, max_chars=gate.MAX_READER, key=f"reader-{key}",
                             help=words("readers.name_hint"))  # fmt: skip
        if st.form_submit_button(words("readers.name_save"), width="stretch") and name.strip():
            gate.name_reader(page.store, page.settings.port, st.context.cookies, name)
            st.rerun()


def who_reads(page: Page) -> None:
    """The line in Label: who reads, whether blind; the field itself where a name is needed."""
    words = page.words
    if page.nameless:
        frame.remark(words("readers.name_first"), warn=True)
        name_field(page, "label")
        return
    if page.blind:
        frame.quiet(words("readers.blind_on"))
    with st.container(key="reading-as"), st.popover(reading_as(page), type="tertiary", icon=":material/person:"):
        name_field(page, "label")
        if not page.blind:
            begin_blind(page)


def reading_as(page: Page) -> str:
    return page.words("readers.reading_as", name=page.reader) if page.reader else page.words("readers.name")


def begin_blind(page: Page) -> None:
    """The button that begins a blind reading."""
    words = page.words
    icon = ":material/visibility_off:"
    if st.button(words("readers.blind"), key="begin-blind", help=words("readers.blind_hint"), icon=icon):
        blind.begin(page.store, page.project.id, reader=page.reader)
        st.rerun()


def lift_blind(page: Page) -> None:
    """Lifting it, behind what that means: it can't be taken back."""
    words = page.words
    with st.container(key="lifting"), st.popover(words("readers.lift"), icon=":material/visibility:"):
        frame.quiet(words("readers.lift_hint"))
        if st.button(words("readers.lift"), key="lift-blind"):
            blind.lift(page.store, page.project.id, reader=page.reader)
            st.rerun()
