"""The frame of every page: three columns under the bar, the quiet line at the foot, small blocks of text."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from dashboard.words import Words

_CSS = (Path(__file__).parent / "frame.css").read_text("utf-8")
LONGEST_WORD = 16  # letters; file names, SMILES and the like are longer
GROUNDS = {"dark": "#0e1117", "light": "#ffffff"}
# The theme's primary colour, and what is readable on it (WCAG 2.2, 1.4.3): Streamlit itself writes white on both.
ACCENTS = {"dark": "#4fc4b5", "light": "#147468"}
# How much of a class's colour its name has, the rest being the text's: 12 px must be readable on a tint of itself.
TINTS = {"dark": "75%", "light": "48%"}
ON_ACCENT = {"dark": "#06211d", "light": "#ffffff"}


def style() -> None:
    """The page's style sheet; once a run."""
    theme = "light" if st.context.theme.type == "light" else "dark"
    colours = f"--hf-ground: {GROUNDS[theme]}; --hf-accent: {ACCENTS[theme]}; --hf-on-accent: {ON_ACCENT[theme]}; "
    colours += f"--hf-tint: {TINTS[theme]};"
    st.html(f"<style>:root {{ {colours} }}\n{_CSS}</style>")


@contextmanager
def columns(widths: tuple[float, float, float] = (21, 57, 22)) -> Iterator[tuple]:
    """Three columns of the window's height: what there is, what you look at, what to do about it."""
    with st.container(key="body"):
        left, centre, right = st.columns(widths, gap="small", wrap=False)
        yield (
            left.container(key="left"),
            centre.container(key="centre"),
            right.container(key="right"),
        )


def footer(words: Words, count: int | None) -> None:
    """The line on every page that says what this is not."""
    parts = [words("app.disclaimer")]
    if count:
        parts.append(words("app.learned_from", count=count))
    parts.append(st.session_state.get("said") or words("app.saved"))
    with st.container(key="footer"):
        st.html('<div class="hf-footer">' + "".join(f"<span>{html.escape(p)}</span>" for p in parts) + "</div>")


def heading(text: str) -> None:
    st.html(f'<h2 class="hf-h">{html.escape(text)}</h2>')


def card(*paragraphs: str, quiet: str = "", warn: bool = False) -> None:
    """A bordered block of plain sentences; `quiet` stands smaller below them. Texts are escaped."""
    body = "".join(f'<p class="hf-p">{html.escape(p)}</p>' for p in paragraphs if p)
    if quiet:
        body += f'<p class="hf-quiet">{html.escape(quiet)}</p>'
    st.html(f'<div class="hf-card{" hf-warn" if warn else ""}">{body}</div>')


def quiet(text: str) -> None:
    st.html(f'<p class="hf-quiet">{html.escape(text)}</p>')


def remark(text: str, warn: bool = False) -> None:
    st.html(f'<div class="hf-note{" hf-warn" if warn else ""}">{html.escape(text)}</div>')


def pill(text: str, colour: str) -> str:
    """HTML of a coloured word; the text is escaped."""
    return f'<span class="hf-pill" style="--c:{colour}">{html.escape(text)}</span>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], below: Sequence[str] = ()) -> None:
    """A table of sentences, which wrap between words; only a word longer than any of ours is broken. `below`: for each
    row what stands in a line of its own beneath it, "" for nothing. Texts are escaped."""
    top = "".join(f"<th>{html.escape(h)}</th>" for h in head)
    body = ""
    for row, more in zip(rows, below or [""] * len(rows), strict=True):
        body += f"<tr{' class=over' if more else ''}>" + "".join(_cell(text) for text in row) + "</tr>"
        body += f'<tr><td colspan="{len(head)}" class="below">{html.escape(more)}</td></tr>' if more else ""
    st.html(f'<table class="hf-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>')


def _cell(text: str) -> str:
    long = any(len(word) > LONGEST_WORD for word in text.split())
    return f"<td{' class=long' if long else ''}>{html.escape(text)}</td>"


def download(*links: tuple[str, str, str]) -> None:
    """Links (text, export, name of the file) that keep finished exports as files, in this very tab; the first is
    coloured."""
    st.html(
        '<div class="hf-downloads">'
        + "".join(
            f'<a class="hf-download{" hf-plain" if at else ""}" href="/hf/downloads/{html.escape(export, quote=True)}" '
            f'target="_self" download="{html.escape(name, quote=True)}">{html.escape(text)}</a>'
            for at, (text, export, name) in enumerate(links)
        )
        + "</div>"
    )
