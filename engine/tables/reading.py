"""The way in for tables: a file, folder or zip -> typed tables, and a sentence for each file that is none."""

from __future__ import annotations

import codecs
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.intake.bounded import Bounded, Cancelled
from engine.intake.sniff import is_junk
from engine.intake.upload import printable
from engine.nouns import Note, Refused
from engine.sentences import say
from engine.tables.limits import TableLimits
from engine.tables.nouns import Table
from engine.tables.storing import read_table

READERS = "engine.tables.child:TableReaders"
TABLE_KINDS = ("workbook", "parquet", "arff", "text", "fhir", "gzip", "zip")
SECONDS_A_MIB = 4.0  # the slowest reader measured (Excel, 20 cells a kB) takes 1 s a MiB here; four for a slow machine


@dataclass
class Read:
    """What was read: `tables`, largest first; `files` (as uploaded) that went into them; `refused` files, each with its
    reason; `cancelled` if it was stopped."""

    tables: list[Table] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    cancelled: bool = False


@contextmanager
def reader(limits: TableLimits, cancelled: Callable[[], bool] | None = None) -> Iterator[tuple[Bounded, Path]]:
    """The bounded process that reads tables, and a private folder for what it writes; both gone afterwards."""
    drafts = Path(tempfile.mkdtemp(prefix="handful-tables-"))
    try:
        with Bounded(limits, cancelled, readers=READERS) as child:
            yield child, drafts
    finally:
        shutil.rmtree(drafts, ignore_errors=True)


def kinds_of(paths: list[Path], cancelled: Callable[[], bool] | None = None) -> list[str]:
    """What each file is by its bytes, "" where that cannot be said: see `engine.tables.child.kind_of`. Raises
    Cancelled."""
    limits = TableLimits()
    with reader(limits, cancelled) as (child, _):
        return [child.ask("look", path=str(p), seconds=limits.header_seconds).get("kind", "") for p in paths]


def read_tables(
    source: Path,
    *,
    limits: TableLimits = TableLimits(),  # noqa: B008  (frozen, without state)
    report: Callable[[int, int, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    encoding: str | None = None,
) -> Read:
    """Read every table at `source`: a file, a zip, or a folder of them. Files of FHIR become one table together.

    `encoding`: of separated text, where a person corrects what was found. Parsing happens in a child process bounded in
    time and memory. Raises FileNotFoundError if there is no `source`, LookupError for an encoding that does not exist;
    nothing that a file holds raises.
    """
    if encoding is not None:
        codecs.lookup(encoding)
    if not source.exists():
        raise FileNotFoundError(f"There is nothing at {source}.")
    read = Read()
    with reader(limits, cancelled) as (child, drafts):
        files = _Files(child, drafts, limits, read, encoding)
        try:
            found = (
                sorted(p for p in source.rglob("*") if p.is_file() and not p.is_symlink())
                if source.is_dir()
                else [source]
            )
            files.look(found, source, report)
            files.read(report)
        except Cancelled:
            read.cancelled = True
    read.tables.sort(key=lambda table: -table.frame.size)
    return read


class NoTable(ValueError):
    """No table in a file; as text the English sentence with what to do. `file` as uploaded, `why` in any language."""

    def __init__(self, file: str, why: Note) -> None:
        super().__init__(f"{file}: {say(why)} {say(what_to_do(why))}")
        self.file, self.why = file, why


def first_table(source: Path, **options: Any) -> Table:
    """The one table of a file, or the largest. Raises NoTable, naming the file and what to do, if there is none."""
    read = read_tables(source, **options)
    if read.tables:
        return read.tables[0]
    if not read.refused:
        raise NoTable(source.name, Note("refused.no_table"))
    raise NoTable(read.refused[0].file, read.refused[0].note)


def what_to_do(note: Note) -> Note:
    """The note that goes with a refusal: what to do about it."""
    return replace(note, key=note.key.replace("refused.", "refused_do.", 1))


@dataclass
class _Files:
    """The files of one source on their way."""

    child: Bounded
    drafts: Path
    limits: TableLimits
    read_: Read
    encoding: str | None = None
    todo: list[tuple[Path, str, str]] = field(default_factory=list)  # path, name as uploaded, kind
    made: int = 0

    def look(self, paths: list[Path], source: Path, report: Callable | None, inside: str = "") -> None:
        for done, path in enumerate(paths):
            shown = inside or (path.relative_to(source).as_posix() if source.is_dir() else path.name)
            if is_junk(shown):
                continue
            if report:
                report(done, len(paths), shown)
            self.look_at(path, printable(shown))

    def look_at(self, path: Path, shown: str, nested: bool = False) -> None:
        """Sort one file by what it is; archives are opened once, not archives in archives."""
        if path.stat().st_size > self.limits.file_bytes:
            self.refuse(shown, Note("refused.too_large", {"limit_mb": self.limits.file_bytes >> 20}))
            return
        answer = self.child.ask("look", path=str(path), seconds=self.limits.header_seconds)
        kind = answer.get("kind", "")
        if "refused" in answer:
            self.refuse(shown, answer["refused"])
        elif kind == "gzip":
            self._gunzip(path, shown, nested)
        elif kind == "zip" and not nested:
            self._unzip(path, shown)
        elif kind in TABLE_KINDS and kind != "zip":
            self.todo.append((path, shown, kind))
        else:
            self.refuse(
                shown, Note({"zip": "refused.zip_nested", "empty": "refused.table_empty"}.get(kind, "refused.no_table"))
            )

    def _gunzip(self, path: Path, shown: str, nested: bool) -> None:
        out = self._draft()
        answer = self.child.ask("gunzip", path=str(path), out=str(out), seconds=self._seconds(20 * path.stat().st_size))
        if "refused" in answer:
            self.refuse(shown, answer["refused"])
        else:
            self.look_at(out, shown, nested=True)

    def _unzip(self, path: Path, shown: str) -> None:
        listed = self.child.ask("zip_list", path=str(path), seconds=self.limits.header_seconds)
        if "refused" in listed:
            self.refuse(shown, listed["refused"])
            return
        if not listed["members"]:
            self.refuse(shown, Note("refused.zip_empty"))
        for member in listed["members"]:
            name = printable(f"{shown}/{member['name']}")
            if is_junk(name):
                continue
            if "refused" in member:
                self.refuse(name, member["refused"])
                continue
            out = self._draft()
            answer = self.child.ask("zip_member", path=str(path), member=member["member"], out=str(out),
                                    seconds=self._seconds(member["size"]))  # fmt: skip
            if "refused" in answer:
                self.refuse(name, answer["refused"])
            else:
                self.look_at(out, name, nested=True)

    def read(self, report: Callable | None) -> None:
        """Read what was found."""
        records = [(path, shown) for path, shown, kind in self.todo if kind == "fhir"]
        others = [each for each in self.todo if each[2] != "fhir"]
        for done, (path, shown, kind) in enumerate(others):
            if report:
                report(done, len(others), shown)
            self.made += 1
            seconds = self._seconds(path.stat().st_size)
            request = {"path": str(path), "kind": kind, "encoding": self.encoding, "stem": f"table-{self.made}"}
            answer = self.child.ask("table", out=str(self.drafts), seconds=seconds, **request)
            self._keep(answer, shown, [shown])
        if records:
            self._read_records(records)

    def _read_records(self, records: list[tuple[Path, str]]) -> None:
        size = sum(path.stat().st_size for path, _ in records)
        answer = self.child.ask("fhir", paths=[str(path) for path, _ in records], out=str(self.drafts), stem="records",
                                seconds=self._seconds(size))  # fmt: skip
        for broken in answer.get("broken", []):
            self.refuse(records[broken["file"]][1], broken["refused"])
        shown = records[0][1] if len(records) == 1 else records[0][1].split("/")[0]
        broken = {each["file"] for each in answer.get("broken", [])}
        self._keep(answer, shown, [name for i, (_, name) in enumerate(records) if i not in broken])

    def _keep(self, answer: dict, shown: str, files: list[str]) -> None:
        if "refused" in answer:
            self.refuse(shown, answer["refused"])
            return
        self.read_.files += files
        for each in answer["tables"]:
            sheet = each["facts"].get("sheet", "")
            name = f"{shown} [{sheet}]" if sheet and len(answer["tables"]) > 1 else shown
            self.read_.tables.append(read_table(self.drafts / each["file"], each, name))

    def refuse(self, shown: str, note: Note | dict) -> None:
        note = note if isinstance(note, Note) else Note.from_json(note)
        self.read_.refused.append(Refused(shown, note))

    def _draft(self) -> Path:
        self.made += 1
        return self.drafts / f"part-{self.made}"

    def _seconds(self, size: int) -> float:
        return self.limits.header_seconds + SECONDS_A_MIB * size / (1 << 20)
