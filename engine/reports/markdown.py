"""A document without pictures as Markdown: the form in which model cards are kept beside models."""

from __future__ import annotations

from pathlib import Path

from engine.reports.nouns import Document, Heading, Table, Text

# What Markdown would read as its own: a class may be called "*" or "a|b".
SPECIAL = "\\`*_[]<>|#"


def markdown(document: Document) -> str:
    """The text; blocks that are pictures are left out."""
    lines = [f"# {_plain(document.title)}", "", _plain(document.subtitle), "", f"> {_plain(document.notice)}", ""]
    for block in document.blocks:
        if isinstance(block, Heading):
            lines += [f"{'#' * (block.level + 1)} {_plain(block.text)}", ""]
        elif isinstance(block, Text):
            lines += [("- " if block.look == "warn" else "") + _plain(block.text), ""]
        elif isinstance(block, Table):
            lines += [*_table(block), ""]
    return "\n".join(lines)


def write_markdown(path: Path, document: Document) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(markdown(document), "utf-8")
    part.replace(path)


def _table(table: Table) -> list[str]:
    head = table.head or ("",) * len(table.shares)
    rows = [_row(head), "|" + "---|" * len(head)]
    return [*rows, *(_row(row) for row in table.rows)]


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in SPECIAL else c for c in " ".join(text.split()))
