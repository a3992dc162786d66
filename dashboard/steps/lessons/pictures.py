"""Pictures in a row, each with a line under it."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

PREFIX = "data:image/png;base64,"


def pictures(shown: Sequence[tuple[str, str]], columns: int) -> None:
    """`shown`: (address of a picture that the engine made, caption). Captions are escaped."""
    cells = []
    for source, caption in shown:
        if not source.startswith(PREFIX):
            raise ValueError("a lesson shows pictures of the engine's own making only")
        text = html.escape(caption)
        line = f"<figcaption>{text}</figcaption>" if text else ""
        cells.append(f'<figure><img src="{source}" alt="{text}">{line}</figure>')
    st.html(f'<div class="hf-cells" style="grid-template-columns: repeat({columns}, 1fr)">{"".join(cells)}</div>')
