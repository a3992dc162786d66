"""A report before it has a form: blocks of text, tables, bars and pictures, the same for PDF, HTML and Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Heading:
    """`level` 1 begins a section, 2 a case."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Text:
    """A paragraph. `look`: "plain", "quiet" (smaller, grey) or "warn" (a bar at its side)."""

    text: str
    look: str = "plain"


@dataclass(frozen=True)
class Table:
    """Rows of sentences under a head (empty: none). `shares` are the columns' parts of the width; they sum to 1."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Bar:
    """A class's probability (0..1) with its range; `shape` and `colour` tell classes apart."""

    name: str
    value: float
    low: float
    high: float
    colour: str
    shape: str


@dataclass(frozen=True)
class Picture:
    """A JPEG with the words beneath it; `mark` is the colour of the class it belongs to, "" for none."""

    jpeg: bytes
    caption: str
    quiet: str = ""
    mark: str = ""


@dataclass(frozen=True)
class CaseBlock:
    """One predicted case: its picture beside bars and remarks, the labelled cases it is most like beneath.

    Of a row, which has no pictures, `tables` say what each column adds and which labelled rows are most like it, each
    under a heading of its own.
    """

    heading: str
    picture: Picture | None
    bars: tuple[Bar, ...]
    remarks: tuple[Text, ...]
    near_heading: str
    near: tuple[Picture, ...]
    tables: tuple[tuple[str, Table], ...] = ()


Block = Heading | Text | Table | CaseBlock


@dataclass(frozen=True)
class Document:
    """A whole report in one language. `footer` stands on every page, `notice` at the top and on every page."""

    title: str
    subtitle: str
    language: str
    notice: str
    footer: str
    blocks: tuple[Block, ...]
    keywords: tuple[str, ...] = field(default=())
