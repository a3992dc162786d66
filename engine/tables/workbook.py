"""Excel (.xlsx, .xlsm, .xlsb, .xls) and OpenDocument sheets -> texts. Runs in the child.

calamine reads the values that the program stored, and knows nothing of formulas: none is ever evaluated. A formula
whose result was not stored is an empty cell, and is told by column.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from engine.intake.refusal import Refusal
from engine.nouns import Note
from engine.tables.grid import Grid, Packer, clean_names
from engine.tables.heading import find_heading, is_summary
from engine.tables.limits import TableLimits
from engine.tables.separated import listed_rows, summary_notes

SAMPLE_ROWS = 400
EMPTY_RESULT = re.compile(
    rb'<c r="([A-Z]{1,3})(\d+)"[^>]*>\s*<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)\s*(?:<v\s*/>|<v></v>)?\s*</c>'
)
FORMULAS_UP_TO = 64 << 20  # bytes of a sheet's XML that are searched for formulas without result


def read_all(path: Path, limits: TableLimits) -> list[Grid]:
    """Every visible sheet that holds a table, in the workbook's order. Raises Refusal."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, XmlError, ZipError

    try:
        _refuse_bomb(path, limits)
        return _read_book(CalamineWorkbook.from_path(path), path, limits)
    except PasswordError as error:
        raise Refusal("workbook_locked") from error
    except (CalamineError, XmlError, ZipError, zipfile.BadZipFile, zlib.error, struct.error, OSError) as error:
        raise Refusal("workbook_broken") from error


def _read_book(book: Any, path: Path, limits: TableLimits) -> list[Grid]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    hidden = [s.name for s in book.sheets_metadata if s.visible != SheetVisibleEnum.Visible]
    shown = [
        s for s in book.sheets_metadata if s.visible == SheetVisibleEnum.Visible and s.typ == SheetTypeEnum.WorkSheet
    ]
    grids, empty = [], []
    for meta in shown:
        sheet = book.get_sheet_by_name(meta.name)
        if not sheet.total_height or not sheet.total_width:
            empty.append(meta.name)
            continue
        grid = _read_sheet(sheet, limits)
        if grid is None:
            empty.append(meta.name)
            continue
        grid.facts |= {"format": "workbook", "sheet": meta.name}
        grid.notes += _formula_notes(path, [s.name for s in book.sheets_metadata].index(meta.name), grid)
        grids.append(grid)
    if not grids:
        raise Refusal("table_empty")
    if hidden:
        grids[0].notes.append(Note("table.hidden_sheets", {"count": len(hidden)}))
    return grids


def _refuse_bomb(path: Path, limits: TableLimits) -> None:
    """A workbook is a zip: what it would unpack to is bounded before it is opened."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as book:
        if sum(e.file_size for e in book.infolist()) > limits.workbook_bytes:
            raise Refusal("table_bytes", limit_mb=limits.workbook_bytes >> 20)


def _read_sheet(sheet: Any, limits: TableLimits) -> Grid | None:
    """One sheet; None where it holds no more than a line of text (a notes sheet)."""
    height, width = sheet.total_height + 1, sheet.total_width + 1
    if height > limits.rows + 100:
        raise Refusal("table_rows", limit=limits.rows)
    if width > limits.columns:
        raise Refusal("table_columns", columns=width, limit=limits.columns)
    if height * width > limits.cells:
        raise Refusal("table_cells", limit=limits.cells, columns=width)
    rows = sheet.to_python(skip_empty_area=False)
    texts = [[text_of(c) for c in row] for row in rows[:SAMPLE_ROWS]]
    heading = find_heading(texts)
    if heading.width < 1 or sum(any(r) for r in texts) < 2:
        return None
    packer = Packer(heading.width, limits)
    summary: list[int] = []
    for count, raw in enumerate(rows):
        if count < heading.skip:
            continue
        row = [text_of(c) for c in raw[: heading.width]]
        row += [""] * (heading.width - len(row))
        if not any(row):
            continue
        if is_summary(row):
            summary.append(count + 1)
            continue
        packer.add(count + 1, row)
    if not packer.rows:
        return None
    grid = packer.grid(heading.names if heading.named else clean_names([""] * heading.width))
    grid.notes += heading.notes() + summary_notes(summary)
    grid.units = heading.units
    grid.facts["heading"] = heading.line if heading.named else 0
    return grid


def text_of(cell: Any) -> str:
    """A stored value as text: dates in ISO, whole numbers without a point."""
    if cell is None or cell == "":
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return (
            cell.isoformat(" ", "seconds") if (cell.hour, cell.minute, cell.second) != (0, 0, 0) else str(cell.date())
        )
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return repr(cell.total_seconds() / 3600)  # a duration, in hours
    return str(cell).strip()


def _formula_notes(path: Path, place: int, grid: Grid) -> list[Note]:
    """Cells whose formula has no stored result, by column (only .xlsx says so)."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as book:
        name = f"xl/worksheets/sheet{place + 1}.xml"
        if name not in book.namelist() or book.getinfo(name).file_size > FORMULAS_UP_TO:
            return []
        found = EMPTY_RESULT.findall(book.read(name))
    lines = set(grid.lines.tolist())
    by_column: dict[int, list[int]] = {}
    for letters, row in found:
        if int(row) in lines:
            by_column.setdefault(_column_number(letters.decode()), []).append(int(row))
    return [
        Note("table.formulas", {"column": grid.names[c], "count": len(rows), "rows": listed_rows(rows)})
        for c, rows in sorted(by_column.items())
        if c < len(grid.names)
    ]


def _column_number(letters: str) -> int:
    value = 0
    for letter in letters:
        value = 26 * value + ord(letter) - 64
    return value - 1
