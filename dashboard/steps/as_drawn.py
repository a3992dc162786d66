"""What stood on the page when a key or button was pressed. It means the case and the classes that were drawn, not those
that are there by now: another tab, or a colleague, may have removed the case, renamed a class, adapted anew or deleted
the whole project."""

from __future__ import annotations

import streamlit as st

from dashboard.state import Page

_NOW, _BEFORE = "drawn", "drawn-before"


def drawing(page: Page, case_id: str | None) -> None:
    """At the beginning of a step that labels: this case is being drawn, with these classes. What was drawn before is
    what a key or button in this run was pressed on."""
    st.session_state[_BEFORE] = st.session_state.get(_NOW)
    st.session_state[_NOW] = (page.project.id, case_id, page.classes)


def as_drawn(page: Page, case_id: str) -> bool:
    """Whether a label for this case says what the person meant; where not, it is said and nothing may be written."""
    before = st.session_state.get(_BEFORE)
    if before is None or before == (page.project.id, case_id, page.classes):
        return True
    st.session_state["said"] = page.words("label.not_as_drawn")
    st.toast(st.session_state["said"])
    return False
