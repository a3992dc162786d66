"""ARFF, the format of Weka: named columns with their kinds, then rows of comma separated text. Runs in the child.

Source: https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/ (sparse rows are refused).
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from engine.intake.refusal import Refusal
from engine.tables.encodings import encoding_of
from engine.tables.grid import Grid, Packer, clean_names
from engine.tables.limits import TableLimits
from engine.tables.separated import ragged_notes

ATTRIBUTE = re.compile(r"@attribute\s+('(?:[^'\\]|\\.)*'|\"[^\"]*\"|\S+)\s+(.+)", re.IGNORECASE)


def read(path: Path, limits: TableLimits) -> Grid:
    """The table of an ARFF file; "?" is missing, lines of "%" are remarks."""
    names: list[str] = []
    with path.open(encoding=encoding_of(path), errors="replace", newline="") as file:
        line = 0
        for line, text in enumerate(file, start=1):  # noqa: B007  (the rows are counted on from here)
            text = text.strip()
            if match := ATTRIBUTE.match(text):
                names.append(match[1].strip("'\""))
            if text.lower() == "@data":
                break
        if not names:
            raise Refusal("table_empty")
        packer = Packer(len(names), limits)
        short: list[int] = []
        long: list[int] = []
        for number, text in enumerate(file, start=line + 1):
            if not text.strip() or text.startswith("%"):
                continue
            if text.startswith("{"):
                raise Refusal("table_sparse")
            quote = "'" if "'" in text else '"'
            row = next(csv.reader([text.rstrip("\r\n")], quotechar=quote, skipinitialspace=True, escapechar="\\"))
            if len(row) != len(names):
                (short if len(row) < len(names) else long).append(number)
                row = (row + [""] * len(names))[: len(names)]
            packer.add(number, row)
    if not packer.rows:
        raise Refusal("table_empty")
    grid = packer.grid(clean_names(names))
    grid.notes += ragged_notes(short, long, len(names))
    grid.facts |= {"format": "arff", "heading": 1}
    return grid
