"""The two fonts that ship with us (assets/fonts, SIL OFL): a PDF carries the glyphs it uses and opens anywhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FONTS = Path(__file__).resolve().parents[2] / "assets" / "fonts"
REGULAR, BOLD = "NotoSansSC-Regular", "NotoSansSC-Bold"
MISSING = "□"


@cache
def register() -> None:
    """Makes both known to reportlab, once in a process."""
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))
    for italic in (0, 1):
        addMapping(REGULAR, 0, italic, REGULAR)
        addMapping(REGULAR, 1, italic, BOLD)


@cache
def _known() -> frozenset[int]:
    register()
    return frozenset(pdfmetrics.getFont(REGULAR).face.charToGlyph)


def printable(text: str) -> str:
    """The text with a box for each character that the fonts lack (rare names, emoji), rather than nothing at all."""
    return "".join(c if ord(c) in _known() or c == "\n" else MISSING for c in text)
