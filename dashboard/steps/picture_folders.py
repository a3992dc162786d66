"""Pictures that came in folders: are the folders the classes? Then a few of each are labelled by one press."""

from __future__ import annotations

from collections import defaultdict

import streamlit as st

from dashboard import frame, state
from dashboard.state import Page
from engine.projects.folder_names import folders_of, forget_folders
from engine.projects.projects import MAX_CLASSES

FEWEST = 2  # folders, to be classes
USUAL = 5  # pictures a class that teach at first, so that there are others to predict


def ask(page: Page) -> None:
    """The question, while it is open: the folders with how many pictures, how many of each are labelled, yes or no."""
    folders = _folders(page)
    together = {name.casefold() for name in (*folders, *page.classes)}
    if page.numeric or page.blind or len(folders) < FEWEST or len(together) > MAX_CLASSES:
        return
    words = page.words
    with st.container(border=True, key="folders"):
        frame.heading(words("gather.folders"))
        frame.quiet(" · ".join(f"“{name}” {len(cases)}" for name, cases in folders.items()))
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            most = max(len(cases) for cases in folders.values())
            text, usual = words("gather.folders_count"), min(USUAL, most)
            count = st.number_input(text, 1, most, usual, key="folders-count", width=150)
            if st.button(words("gather.folders_yes"), key="folders-yes"):
                _use(page, folders, int(count))
            if st.button(words("gather.folders_no"), key="folders-no", type="tertiary"):
                forget_folders(page.settings.data_dir, page.project.id)
                st.rerun()
        frame.quiet(words("gather.folders_hint"))


def _folders(page: Page) -> dict[str, list[str]]:
    """Folder -> its cases that are still in the project and without a label, in the project's order."""
    named = folders_of(page.settings.data_dir, page.project.id)
    found: dict[str, list[str]] = defaultdict(list)
    for case in page.cases:
        if case.id in named and case.id not in page.labels:
            found[named[case.id]].append(case.id)
    return dict(found)


def _use(page: Page, folders: dict[str, list[str]], count: int) -> None:
    """Each folder becomes a class, the first of its pictures carry it; the others wait to be predicted."""
    store, project = page.store, page.project.id
    known = {name.casefold(): name for name in page.classes}
    labels: dict[str, str | float] = {}
    for folder, cases in folders.items():
        name = " ".join(folder.split())
        if name.casefold() not in known:
            made = store.add_class(project, name, reader=page.reader).classes[-1]
            known[name.casefold()] = made
        labels |= dict.fromkeys(cases[:count], known[name.casefold()])
    store.label_rows(project, labels, reader=page.reader)
    forget_folders(page.settings.data_dir, project)
    st.session_state["said"] = page.words("gather.folders_used", count=len(labels))
    state.go("label")
    st.rerun()
