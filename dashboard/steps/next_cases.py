"""Which cases would teach most if they were labelled next: a button each, with the reason."""

from __future__ import annotations

import streamlit as st

from dashboard import frame, state
from dashboard.state import Page


def next_cases(page: Page) -> None:
    """Draw the newest run's proposals that nobody has labelled since; nothing where there are none."""
    if page.run is None:
        return
    open_ones = [
        each
        for each in page.run.record.get("next_cases", ())
        if each["case"] in page.by_id and each["case"] not in page.labels
    ]
    if not open_ones:
        return
    frame.heading(page.words("adapt.next_cases"))
    for each in open_ones:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"next-{each['case']}"):
            if st.button(page.title(each["case"]), key=f"label-next-{each['case']}"):
                state.go("label", case=each["case"])
                st.rerun()
            frame.quiet(page.note(each["reason"]))
