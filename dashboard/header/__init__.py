"""The bar across the top: brand, steps, project, language and theme. A component, so that it looks the same anywhere.

The theme is Streamlit's own (its browser storage key, read from the 1.67 bundle); the language is a cookie, so that
a person's choice is kept; both are set in the browser and need no server state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_header = st.components.v2.component(
    "handful_header",
    css=(_HERE / "header.css").read_text("utf-8"),
    js=(_HERE / "header.js").read_text("utf-8"),
)


def header(
    steps: Sequence[dict[str, Any]],
    current: str,
    project: str,
    title: str,
    language: str,
    words: dict[str, str],
) -> Any:
    """Draw the bar. `steps`: [{"id", "label", "done", "enabled"}]; `title`: the page's, for who hears it.

    Returns a result with `go` (a step id or "projects") and `language` set for the one run after a click.
    """
    return _header(
        key="header",
        data={
            "steps": list(steps),
            "current": current,
            "project": project,
            "title": title,
            "language": language,
            "words": words,
        },
        on_go_change=lambda: None,
        on_language_change=lambda: None,
    )
