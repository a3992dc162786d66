"""Pictures in a row, each with a line under it."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

PREFIX = "data:image/png;base64,"


def pictures(shown: Sequence[tuple[Sequence[str], str]], columns: int) -> None:
    """`shown`: (addresses of pictures that the engine made, their caption), a cell each. Captions are escaped."""
    cells = []
    for sources, caption in shown:
        if not all(source.startswith(PREFIX) for source in sources):
            raise ValueError("a lesson shows pictures of the engine's own making only")
        text = html.escape(caption)
        images = "".join(f'<img src="{source}" alt="{text}">' for source in sources)
        cells.append(f"<figure><div>{images}</div><figcaption>{text}</figcaption></figure>")
    st.html(f'<div class="hf-cells" style="grid-template-columns: repeat({columns}, 1fr)">{"".join(cells)}</div>')
