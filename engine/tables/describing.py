"""A table and its dictionary as plain JSON: for the command line, for other programs, and for the page."""

from __future__ import annotations

from typing import Any

from engine.sentences import say
from engine.tables.nouns import Dictionary, Entry, Table
from engine.tables.proposing import propose
from engine.tables.reading import Read, what_to_do

MOST_LEVELS = 30  # of a category are listed


def describe_read(read: Read, language: str) -> dict[str, Any]:
    """{"tables": [...], "refused": [...]}: every table with its proposed columns, every refusal with what to do."""
    return {
        "tables": [describe_table(table, propose(table), language) for table in read.tables],
        "refused": [
            {"file": r.file, "reason": say(r.note, language), "do": say(what_to_do(r.note), language)}
            for r in read.refused
        ],
    }


def describe_table(table: Table, dictionary: Dictionary, language: str) -> dict[str, Any]:
    """One table: shape, how it was read, proposals by role, columns with the reasons, notes."""
    return {
        "file": table.name,
        "rows": len(table),
        "columns": [describe_column(entry, language) for entry in dictionary],
        "label": dictionary.one("label"),
        "patient": dictionary.one("patient"),
        "site": dictionary.one("site"),
        "date": dictionary.one("date"),
        "identifiers": dictionary.named("identifier"),
        "leaks": dictionary.named("leak"),
        "molecules": dictionary.named("molecule"),
        "long": any(note.key == "table.long" for note in dictionary.notes),
        "read_as": {k: v for k, v in table.facts.items() if k != "codes"},
        "notes": [say(note, language) for note in (*table.notes, *dictionary.notes)],
    }


def describe_column(entry: Entry, language: str) -> dict[str, Any]:
    """One column. What an identifier or free text holds is not repeated."""
    shown = entry.role not in ("identifier", "patient") and entry.kind not in ("identifier", "text")
    return {
        "name": entry.name,
        "kind": entry.kind,
        "role": entry.role,
        "unit": entry.unit,
        "missing": entry.missing,
        "distinct": entry.distinct,
        "range": [entry.low, entry.high] if shown and entry.low is not None else None,
        "levels": dict(list(zip(entry.levels, entry.counts, strict=True))[:MOST_LEVELS]) if shown else {},
        "reasons": [say(reason, language) for reason in entry.reasons],
    }
