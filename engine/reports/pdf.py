"""A document as PDF on A4, with reportlab: fonts embedded, bookmarks, the notice on every page.

Nothing is drawn by hand but bars and the frame of a page; the layout is reportlab's.
"""

from __future__ import annotations

import io
from html import escape
from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, Image, KeepTogether, PageTemplate, Paragraph, Spacer
from reportlab.platypus import Table as Grid

from engine.reports.chances import chance
from engine.reports.fonts import BOLD, REGULAR, printable, register
from engine.reports.nouns import Bar, Block, CaseBlock, Document, Heading, Picture, Table, Text
from engine.reports.words import Words

MARGIN, TOP, FOOT = 18 * mm, 16 * mm, 18 * mm
WIDTH = A4[0] - 2 * MARGIN
PICTURE, NEAR, GAP = 66 * mm, 24.4 * mm, 5 * mm
INK, GREY, LINE, HARM = (colors.HexColor(c) for c in ("#1b2430", "#5d6775", "#d5dae1", "#c0392b"))


class _Styles:
    """Paragraph styles of one language: Chinese may break a line between any two characters."""

    def __init__(self, language: str) -> None:
        wrap = {"wordWrap": "CJK"} if language == "zh" else {"splitLongWords": 1}

        def style(name: str, size: float, lead: float, **more) -> ParagraphStyle:
            more = {"fontName": REGULAR, "textColor": INK, "alignment": TA_LEFT, **wrap, **more}
            return ParagraphStyle(name, fontSize=size, leading=lead, **more)

        self.title = style("title", 19, 25, fontName=BOLD, spaceAfter=2 * mm)
        self.section = style("section", 12.5, 17, fontName=BOLD, spaceBefore=6 * mm, spaceAfter=1.6 * mm)
        self.case = style("case", 10.5, 14, fontName=BOLD, spaceAfter=1.2 * mm)
        self.plain = style("plain", 9.4, 13.6, spaceAfter=1.4 * mm)
        self.quiet = style("quiet", 8, 11.4, textColor=GREY, spaceAfter=1.2 * mm)
        self.cell = style("cell", 8.6, 11.6)
        self.head = style("head", 8, 11, textColor=GREY, fontName=BOLD)
        self.warn = style(
            "warn", 9.4, 13.6, spaceAfter=1.6 * mm, leftIndent=3.4 * mm, borderColor=HARM, borderPadding=0
        )


def write_pdf(path: Path, document: Document) -> None:
    """Writes the whole file under another name first. Pictures are embedded as they are; no link leads out of it."""
    register()
    styles, words = _Styles(document.language), Words(document.language, {})
    part = path.with_name(path.name + ".part")
    template = _Template(str(part), document)
    story: list[Flowable] = [
        _paragraph(document.title, styles.title),
        _paragraph(document.subtitle, styles.quiet),
        _Warned(_paragraph(document.notice, styles.warn)),
    ]
    for block, after in zip(document.blocks, (*document.blocks[1:], None), strict=True):
        story += _flow(block, after, styles)

    def numbered(*args, **kwargs) -> Canvas:
        return _Numbered(document, words, *args, **kwargs)

    template.build(_glued(story), canvasmaker=numbered)
    part.replace(path)


class _Template(BaseDocTemplate):
    """Pages with one frame; section headings become bookmarks."""

    def __init__(self, path: str, document: Document) -> None:
        super().__init__(
            path, pagesize=A4, title=document.title, author="Handful", subject=document.notice,
            keywords=list(document.keywords), lang="zh-CN" if document.language == "zh" else "en", creator="Handful",
        )  # fmt: skip
        frame = Frame(MARGIN, FOOT, WIDTH, A4[1] - TOP - FOOT, 0, 0, 0, 0)
        self.addPageTemplates([PageTemplate("page", [frame])])
        self._marks = 0

    def afterFlowable(self, flowable: Flowable) -> None:
        text = getattr(flowable, "bookmark", "")
        if text:
            self._marks += 1
            self.canv.bookmarkPage(f"section-{self._marks}")
            self.canv.addOutlineEntry(text, f"section-{self._marks}", 0)


class _Numbered(Canvas):
    """Knows how many pages there are before it writes "page 2 of 7": pages are kept until the end."""

    def __init__(self, document: Document, words: Words, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._document, self._words, self._pages = document, words, []

    def showPage(self) -> None:
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, state in enumerate(self._pages, 1):
            self.__dict__.update(state)
            self._foot(number, len(self._pages))
            super().showPage()
        super().save()

    def _foot(self, number: int, count: int) -> None:
        self.setStrokeColor(LINE)
        self.line(MARGIN, FOOT - 4 * mm, A4[0] - MARGIN, FOOT - 4 * mm)
        self.setFont(REGULAR, 7.4)
        self.setFillColor(GREY)
        self.drawString(MARGIN, FOOT - 7.6 * mm, printable(self._document.notice))
        self.drawString(MARGIN, FOOT - 11 * mm, printable(self._document.footer)[:110])
        self.drawRightString(A4[0] - MARGIN, FOOT - 7.6 * mm, self._words("page", page=number, pages=count))


def _flow(block: Block, after: Block | None, styles: _Styles) -> list[Flowable]:
    if isinstance(block, Heading):
        found = _paragraph(block.text, styles.section if block.level == 1 else styles.case)
        found.bookmark = block.text if block.level == 1 else ""
        found.keepWithNext = True
        return [found]
    if isinstance(block, Text):
        return [_text(block, styles)]
    if isinstance(block, Table):
        return [_table(block, styles), Spacer(1, 1.5 * mm)]
    return [_case(block, styles)]


def _glued(story: list[Flowable]) -> list[Flowable]:
    """A heading stays with what follows it, and so does the small line between a heading and a table or case."""
    for each, after in zip(story, story[1:], strict=False):
        small = isinstance(each, Paragraph) and each.style.name == "quiet" and isinstance(after, Grid | KeepTogether)
        if small:
            each.keepWithNext = True
    return story


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(printable(text), quote=False), style)


def _text(block: Text, styles: _Styles) -> Flowable:
    found = _paragraph(block.text, getattr(styles, block.look))
    return _Warned(found) if block.look == "warn" else found


class _Warned(Flowable):
    """A paragraph with a red bar at its left."""

    def __init__(self, paragraph: Paragraph) -> None:
        super().__init__()
        self.paragraph = paragraph
        self.spaceAfter = 2 * mm

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        self.size = self.paragraph.wrap(width, height)
        return self.size

    def draw(self) -> None:
        self.paragraph.drawOn(self.canv, 0, 0)
        self.canv.setFillColor(HARM)
        self.canv.rect(0, 0, 0.9 * mm, self.size[1], stroke=0, fill=1)


def _table(block: Table, styles: _Styles, width: float = WIDTH) -> Grid:
    rows = [[_paragraph(cell, styles.cell) for cell in row] for row in block.rows]
    look = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 6),
        ("TOPPADDING", (0, 0), (-1, -1), 2.2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.8),
    ]
    head = [[_paragraph(cell, styles.head) for cell in block.head]] if block.head else []
    widths = [share * width for share in block.shares]
    return Grid([*head, *rows], widths, style=look, repeatRows=len(head), hAlign="LEFT")


def _case(block: CaseBlock, styles: _Styles) -> KeepTogether:
    """The picture at the left; bars, remarks and the labelled cases it is most like at its right."""
    width = WIDTH if block.picture is None else WIDTH - PICTURE - GAP
    side: list[Flowable] = [_bars(block.bars, styles)] if block.bars else []
    side += [_text(each, styles) for each in block.remarks]
    for heading, table in block.tables:
        side += [Spacer(1, 1.5 * mm), _paragraph(heading, styles.quiet), _table(table, styles, width)]
    if block.near:
        side += [Spacer(1, 1.5 * mm), _paragraph(block.near_heading, styles.quiet)]
        cells = [[_picture(each, NEAR - 2.4 * mm, styles) for each in block.near]]
        side.append(_beside(cells, [NEAR] * len(block.near)))
    parts: list[Flowable] = [Spacer(1, 2 * mm), _paragraph(block.heading, styles.case)]
    if block.picture is not None:
        parts.append(_beside([[_picture(block.picture, PICTURE, styles), side]], [PICTURE + GAP, width]))
    else:
        parts += side
    return KeepTogether([*parts, Spacer(1, 3 * mm)])


def _beside(cells: list[list], widths: list[float]) -> Grid:
    look = [("VALIGN", (0, 0), (-1, -1), "TOP")]
    look += [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "TOP", "RIGHT", "BOTTOM")]
    return Grid(cells, widths, style=look, hAlign="LEFT")


def _picture(picture: Picture, width: float, styles: _Styles) -> list[Flowable]:
    image = Image(io.BytesIO(picture.jpeg))
    image.drawWidth, image.drawHeight = _fit(image.imageWidth, image.imageHeight, width)
    image.hAlign = "LEFT"
    parts: list[Flowable] = [image, Spacer(1, 1 * mm)]
    colour = f' color="{picture.mark}"' if picture.mark else ""
    parts.append(Paragraph(f"<font{colour}>{escape(printable(picture.caption), quote=False)}</font>", styles.quiet))
    if picture.quiet:
        parts.append(_paragraph(picture.quiet, styles.quiet))
    return parts


def _fit(width: float, height: float, side: float) -> tuple[float, float]:
    scale = side / max(width, height)
    return width * scale, height * scale


def _bars(bars: tuple[Bar, ...], styles: _Styles) -> Grid:
    rows = [
        [
            _paragraph(f"{each.shape} {each.name}".strip(), styles.cell),
            _Strip(each),
            _paragraph(_said(each), styles.cell),
        ]
        for each in bars
    ]
    look = [("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    look += [("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]
    return Grid(rows, [30 * mm, 34 * mm, 32 * mm], style=look, hAlign="LEFT")


def _said(bar: Bar) -> str:
    return f"{chance(bar.value)} ({bar.low:.2f} – {bar.high:.2f})"


class _Strip(Flowable):
    """A probability as a bar from 0 to 1, its range as a thin line with ends over it."""

    def __init__(self, bar: Bar) -> None:
        super().__init__()
        self.bar, self.width, self.height = bar, 32 * mm, 8

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        canvas, bar = self.canv, self.bar
        canvas.setFillColor(colors.HexColor("#e8ebef"))
        canvas.rect(0, 1, self.width, 6, stroke=0, fill=1)
        canvas.setFillColor(colors.HexColor(bar.colour))
        canvas.rect(0, 1, self.width * bar.value, 6, stroke=0, fill=1)
        canvas.setStrokeColor(INK)
        canvas.setLineWidth(0.7)
        low, high = self.width * bar.low, self.width * bar.high
        canvas.line(low, 4, high, 4)
        canvas.line(low, 1.5, low, 6.5)
        canvas.line(high, 1.5, high, 6.5)
