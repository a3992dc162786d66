"""The drop zone: files, folders and archives from the browser to the disk, with progress, cancel and resume.

    arrived = drop_zone(project.id, key="gather", language="zh")
    if arrived:                         # for the one run after the last byte
        st.session_state["job"] = arrived.job
The bytes go to `dashboard.upload.routes`, never through Streamlit. Sending goes on while the person looks at another
step, and the zone picks it up again when it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dashboard.upload.routes import IMPORT
from dashboard.words import Words
from engine.sentences import table

__all__ = ["IMPORT", "Arrived", "drop_zone"]

_HERE = Path(__file__).parent
_zone = st.components.v2.component(
    "handful_drop_zone",
    css=(_HERE / "zone.css").read_text("utf-8"),
    # One module for the browser: how bytes are sent, then how it looks.
    js=(_HERE / "sending.js").read_text("utf-8") + (_HERE / "zone.js").read_text("utf-8"),
)


@dataclass(frozen=True)
class Arrived:
    """An upload whose every byte is on the disk, and the job that reads it."""

    upload: str
    job: str
    files: int


def drop_zone(project: str, *, key: str, language: str = "en", words_hint: str = "") -> Arrived | None:
    """Shows the zone for a project (or IMPORT, for a project's own file). `words_hint` replaces the second line.

    Returns what arrived for the one run after it did, else None.
    """
    words = Words(language).page("upload")
    if project == IMPORT:
        words["title"] = words["title_import"]
    if words_hint:
        words["hint"] = words_hint
    notes = {name: text for name, text in table(language).items() if name.startswith(("upload.", "store."))}
    result = _zone(
        key=key,
        data={"project": project, "words": words, "notes": notes, "whole_folders": project != IMPORT},
        on_arrived_change=lambda: None,
    )
    arrived = result.get("arrived")
    return Arrived(arrived["upload"], arrived["job"], int(arrived["files"])) if arrived else None
