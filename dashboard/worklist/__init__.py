"""The list of cases at the left: thumbnails, labels or predictions, filters. One component for all steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_worklist = st.components.v2.component(
    "handful_worklist",
    css=(_HERE / "worklist.css").read_text("utf-8"),
    js=(_HERE / "worklist.js").read_text("utf-8"),
)


def worklist(
    items: Sequence[dict[str, Any]],
    *,
    key: str,
    selected: str | None,
    title: str,
    aside: str,
    progress: float | None,
    filters: Sequence[dict[str, Any]],
    empty: str,
) -> str | None:
    """Draw the list and return the id of the case that was just clicked, or None.

    An item is {"id", "title", "detail", "tag": {"text", "colour", "shape"} or None, "thumb": url, "filter": id}.
    A filter is {"id", "text", "colour"}; choosing one happens in the browser.
    """
    result = _worklist(
        key=key,
        data={
            "items": list(items),
            "selected": selected,
            "title": title,
            "aside": aside,
            "progress": progress,
            "filters": list(filters),
            "empty": empty,
        },
        on_pick_change=lambda: None,
    )
    return result.pick
