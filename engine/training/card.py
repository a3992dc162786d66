"""The card beside a weight file: what stands in its table."""

from __future__ import annotations

from collections.abc import Mapping


def facts(rows: Mapping[str, object]) -> str:
    """A Markdown table of two columns, a row a fact."""
    return "| | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in rows.items())
