"""The page: one script, run by Streamlit for every action. Chooses the step and draws the frame around it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard import frame, state, tour
from dashboard.header import header
from dashboard.steps import adapt, evidence, gather, label, lessons, projects, report
from dashboard.steps.watching import await_others
from engine.projects.database import StoreError

LOGO = Path(__file__).resolve().parent.parent / "assets" / "logo.png"
PAGES = {
    "projects": projects.show,
    "gather": gather.show,
    "label": label.show,
    "adapt": adapt.show,
    "evidence": evidence.show,
    "report": report.show,
    "lessons": lessons.show,
}


def main() -> None:
    page = state.open_page()
    words = page.words
    title = words(f"{page.step}.title" if page.step in state.ASIDE else f"app.step_{page.step}")
    st.set_page_config(page_title=f"{title} · Handful", page_icon=str(LOGO), layout="wide")
    frame.style()
    has_cases = bool(page.project and page.cases)
    steps = [
        {"id": s, "label": words(f"app.step_{s}"), "enabled": page.project is not None and (s == "gather" or has_cases)}
        for s in state.STEPS
    ]
    name = page.project.name if page.project else words("projects.title")
    clicked = header(steps, page.step, name, title, words.language, words.page("app"))
    if clicked.language:
        st.session_state["language"] = clicked.language
        st.rerun()
    if clicked.go == "tour":
        if not tour.begin(page):
            state.go("projects")
        st.rerun()
    if clicked.go:
        state.go(clicked.go)
        st.rerun()
    if tour.presenting():
        tour.large_type()
    draw(page)
    if page.project and page.step in state.STEPS:
        await_others(page)
    frame.footer(words, len(page.run.record["support"]) if page.project and page.run else None)
    tour.show(page)


def draw(page: state.Page) -> None:
    """The step. What goes wrong in it is said in a sentence and logged; labels were on the disk before."""
    try:
        PAGES[page.step](page)
    except StoreError as error:
        said = page.words.note(error.note)
        if not st.session_state.pop("drawn-anew", False):
            # What could not be written stops a step half way: it is drawn once more, whole, as things stand.
            st.session_state.update({"drawn-anew": True, "said": said})
            st.rerun()
        frame.remark(said, warn=True)
    except Exception:  # the page's last boundary: a person gets a sentence, the log gets the rest
        logging.getLogger("handful.page").exception("a step could not be drawn")
        frame.remark(page.words("app.broke"), warn=True)
    else:
        if st.session_state.pop("drawn-anew", False):
            st.toast(st.session_state["said"], icon=":material/warning:", duration="infinite")


main()
