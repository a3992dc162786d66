"""What the reading process does with tables; see `engine.intake.child`, which runs it within limits.

Each operation writes what it read as files of ours (Parquet, npy) and answers with their names, so that the parent
never opens a foreign file.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from engine.intake.archive import Opened
from engine.intake.child import Readers
from engine.intake.refusal import Refusal
from engine.nouns import Note
from engine.tables.limits import TableLimits

HEAD = 4096
BLOCK = 1 << 20


class TableReaders(Readers):
    """The operations on tables, records and molecules."""

    LIMITS = TableLimits

    def __init__(self, limits: TableLimits) -> None:
        import pyarrow

        from engine.tables import arff, columnar, separated, workbook  # noqa: F401  (before forking)

        pyarrow.set_cpu_count(1)  # threads reserve address space and do not survive a fork
        pyarrow.set_io_thread_count(1)
        self.limits = limits
        self.archive = Opened()

    def do_look(self, request: dict[str, Any]) -> dict[str, Any]:
        """{"kind"} of a file by its first bytes."""
        return {"kind": kind_of(Path(request["path"]))}

    def do_gunzip(self, request: dict[str, Any]) -> dict[str, Any]:
        """Unpack a gzip file within the bounds of an archive's member."""
        size, source = 0, Path(request["path"])
        most = min(self.limits.file_bytes, self.limits.zip_ratio * max(source.stat().st_size, 10_000))
        try:
            with gzip.open(source) as packed, Path(request["out"]).open("wb") as out:
                while block := packed.read(BLOCK):
                    size += len(block)
                    if size > most:
                        raise Refusal("inflates", limit_mb=most >> 20)
                    out.write(block)
        except (gzip.BadGzipFile, EOFError) as error:
            raise Refusal("zip_broken") from error
        return {"size": size}

    def do_table(self, request: dict[str, Any]) -> dict[str, Any]:
        """{"tables": [{"file", "lines", "facts", "notes", "rows"}]} of one file."""
        from engine.tables.storing import write_grid

        path, out = Path(request["path"]), Path(request["out"])
        grids = self._grids(path, request["kind"], request.get("encoding"))
        return {"tables": [write_grid(grid, out, f"{request['stem']}-{i}") for i, grid in enumerate(grids)]}

    def _grids(self, path: Path, kind: str, encoding: str | None) -> list:
        from engine.tables import arff, columnar, separated, workbook

        if kind == "workbook":
            return workbook.read_all(path, self.limits)
        if kind == "text":
            return [separated.read(path, self.limits, encoding)]
        return [{"parquet": columnar, "arff": arff}[kind].read(path, self.limits)]

    def do_fhir(self, request: dict[str, Any]) -> dict[str, Any]:
        """One table of all patients in these files; a file that is broken is refused and the others go on."""
        from engine.tables.fhir import Records
        from engine.tables.flatten import write

        records, broken = Records(self.limits), []
        for place, path in enumerate(request["paths"]):
            try:
                records.add_file(Path(path))
            except Refusal as refusal:
                broken.append({"file": place, "refused": refusal.note.to_json()})
            except RecursionError:
                broken.append(
                    {"file": place, "refused": Note("refused.nested", {"limit": self.limits.depth}).to_json()}
                )
        records.finish()
        if not records.people:
            if broken:
                return {"tables": [], "broken": broken}
            raise Refusal("fhir_no_patient")
        return {"tables": [write(records, Path(request["out"]), request["stem"])], "broken": broken}

    def do_molecules(self, request: dict[str, Any]) -> dict[str, Any]:
        """Fingerprints and descriptors of a list of SMILES, as two arrays beside it."""
        from engine.tables import molecules

        smiles = json.loads(Path(request["path"]).read_text("utf-8"))
        found = molecules.read(smiles, self.limits.molecule_characters)
        np.save(Path(request["out"]) / "counts.npy", found.counts, allow_pickle=False)
        np.save(Path(request["out"]) / "descriptors.npy", found.descriptors, allow_pickle=False)
        return {"keys": found.keys, "problems": found.problems}

    def do_fragments(self, request: dict[str, Any]) -> dict[str, Any]:
        """The atoms of each fragment of one molecule, by the bits it sets."""
        from engine.tables import molecules

        found = molecules.fragments(request["smiles"])
        return {"fragments": {bit: places for bit, places in enumerate(found) if places}}

    def do_draw(self, request: dict[str, Any]) -> dict[str, Any]:
        from engine.tables import molecules

        return {"svg": molecules.draw(request["smiles"], **request["options"])}


def kind_of(path: Path) -> str:
    """ "workbook", "parquet", "arff", "fhir" (JSON or ndjson), "text", "zip", "gzip", "empty" or "unknown"."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head.strip():
        return "empty"
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "workbook"  # OLE2: old Excel, or a locked new one
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"PAR1"):
        return "parquet"
    plain = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if plain.startswith(b"%") and not plain.startswith(b"%PDF"):
        plain = _beginning(path)  # the remarks before an ARFF file's first word may be long
    if plain.startswith((b"{", b"[")):
        return "fhir" if b'"resourceType"' in _beginning(path) else "json"
    if _is_arff(plain.decode("latin-1")):
        return "arff"
    if plain.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"<", b"NRRD000")) or head[128:132] == b"DICM":
        return "unknown"
    return "text" if _is_text(head) else "unknown"


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(BLOCK)


def _is_arff(text: str) -> bool:
    for line in text.splitlines():
        if line.strip() and not line.startswith("%"):
            return line.strip().lower().startswith("@relation")
    return False


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head[1::2].count(0) > len(head) * 0.15 > head[::2].count(0):
        return True
    control = sum(b < 9 or 13 < b < 32 for b in head)
    return b"\0" not in head and control < 0.01 * len(head)


def _zip_kind(path: Path) -> str:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError):
        return "zip"
    office = "xl/workbook.xml" in names or "xl/workbook.bin" in names
    return "workbook" if office or "content.xml" in names else "zip"
