"""How much one table may ask of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from engine.intake.limits import GIB, MIB, Limits


@dataclass(frozen=True)
class TableLimits(Limits):
    """Bounds on a table, beside those of any upload.

    `rows`: five times the largest hospital table tried here (the 130 hospitals' 101,766 admissions). `cells` bounds the
    memory: 25 million short texts are about 400 MB while they are read. `columns`: an expression panel of a few
    thousand genes still passes. `cell_characters` is Excel's own limit. `workbook_bytes` bounds a workbook unpacked.
    `memory` is address space, of which pyarrow reserves much more than it uses; what is really used stays under 2 GB.
    """

    rows: int = 500_000
    columns: int = 5_000
    cells: int = 25_000_000
    cell_characters: int = 32_767
    workbook_bytes: int = 512 * MIB
    resources: int = 2_000_000
    molecule_characters: int = 2_000
    memory: int = 4 * GIB
