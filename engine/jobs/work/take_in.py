"""Files that were sent -> cases of a project, and drafts for its tables; what could not be kept stands in its refusals.

A scan becomes cases at once. A table, patient record or list of molecules becomes a draft: what its columns are for
is a person's to say. What is a table is found by its bytes; what no reader of scans takes goes to those of tables.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.intake import Taken, patient_key, take_in
from engine.intake.upload import printable
from engine.jobs.work import rooms
from engine.jobs.work.encode import file_encode
from engine.jobs.work.row_data import ROW_KINDS
from engine.nouns import Note, Refused
from engine.projects.folder_names import keep_folders
from engine.projects.uploads import Uploads
from engine.tables import Read, propose, read_tables
from engine.tables.reading import kinds_of

OFFICE = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # a workbook is a zip or OLE2; its parts are no files of the person's
SUFFIXES = (".csv", ".tsv", ".json", ".ndjson", ".xlsx", ".xls", ".parquet", ".arff", ".gz")
TABLES = "tables"  # beside the upload's source: the files that go to the readers of tables


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, upload, reader. Result: counts of cases (new, known), drafts, refused files."""
    uploads = Uploads(rooms.store(), rooms.settings().uploads_dir)
    source = uploads.source(args["upload"])
    result = take_in_folder(args["project"], source, args.get("reader", ""), args["upload"], report, cancelled)
    uploads.discard(args["upload"], "cancelled" if cancelled() else "taken", reader=args.get("reader", ""))
    return result


def take_in_folder(
    project: str, source: Path, reader: str, upload: str, report: Callable, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Read an upload's folder into the cases folder, the project and its drafts; then file one embedding job a case.

    Files that are tables are moved to the folder "tables" beside `source`: an attempt after a crash finds them there.
    """
    store, settings = rooms.store(), rooms.settings()
    settings.cases_dir.mkdir(parents=True, exist_ok=True)
    key = patient_key(settings.key_file)

    def tell(done: int, total: int, name: str) -> None:
        report(done, total, Note("work.reading", {"done": done, "total": total}).to_json())

    aside, here = source.with_name(TABLES), store.cases(project)
    before = {c.id for c in here}
    of_rows = any(each.case.kind in ROW_KINDS for each in here)
    for path in _files(source) if of_rows else workbooks(source):  # a project of rows takes no scans
        _move(path, source, aside)
    taken = Taken()
    if _files(source):
        taken = take_in(source, settings.cases_dir, key=key, report=tell, cancelled=cancelled)
    for path in left_over(source, taken):
        _move(path, source, aside)
    for case in taken.cases:
        store.add_case(project, case, upload=upload, reader=reader)
        file_encode(project, case.id)
    if taken.folders:
        keep_folders(settings.data_dir, project, taken.folders)
    read = Read()
    if aside.is_dir() and not taken.cancelled:
        read = read_tables(aside, report=tell, cancelled=cancelled)
    refused, drafts = told_once(taken, read, of_rows), 0
    for table in read.tables:
        if len(table.columns) < 2 or not len(table):
            refused.append(Refused(table.name, Note("refused.table_narrow" if len(table) else "refused.table_empty")))
            continue
        store.add_draft(project, table, propose(table), upload=upload, reader=reader)
        drafts += 1
    store.refuse(project, refused, upload=upload)
    return {**_said(taken, before), "refused": len(refused), "drafts": drafts}


def workbooks(source: Path) -> list[Path]:
    """The workbooks among the files: a reader of scans would take them for zips, and their pictures for cases."""
    maybe = [path for path in _files(source) if _begins_as_office(path)]
    kinds = kinds_of(maybe) if maybe else []
    return [path for path, kind in zip(maybe, kinds, strict=True) if kind == "workbook"]


def left_over(source: Path, taken: Taken) -> list[Path]:
    """The files that no reader of scans took. Of an archive that holds scans too, only one whose members' names speak
    of tables: all of it is unpacked a second time."""
    names = {each.file for each in taken.refused}
    used = {name for files in taken.files.values() for name in files}
    found = []
    for path in _files(source):
        shown = printable(path.relative_to(source).as_posix())
        inside = [name for name in names if name.startswith(f"{shown}/")]
        if any(name.startswith(f"{shown}/") for name in used):
            inside = [name for name in inside if name.lower().endswith(SUFFIXES)]
        if shown in names or inside:
            found.append(path)
    return found


def told_once(taken: Taken, read: Read, of_rows: bool) -> list[Refused]:
    """The refusals of both ways in: a file that became a table is not refused, and where both refuse one the reason
    that knows more about it stands."""
    better = {each.file: each for each in read.refused if each.note.key != "refused.no_table"}
    none = {each.file: each for each in read.refused if each.note.key == "refused.no_table"}
    names = (*read.files, *better)
    told = []
    for each in taken.refused:
        none.pop(each.file, None)
        if each.file in read.files or any(each.file.startswith(f"{name}/") for name in names):
            continue  # a workbook is a zip, and its parts are no files of the person's
        told.append(better.pop(each.file, each))
    used = {name for files in taken.files.values() for name in files}
    key = "refused.project_of_rows" if of_rows else "refused.no_table"
    told += [Refused(name, Note(key)) for name in none if name not in used]
    return told + list(better.values())


def _files(source: Path) -> list[Path]:
    found = source.rglob("*") if source.is_dir() else ()
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _begins_as_office(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(OFFICE)


def _move(path: Path, source: Path, aside: Path) -> None:
    target = aside / path.relative_to(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)


def _said(taken: Taken, before: set[str]) -> dict[str, Any]:
    already = [c.id for c in taken.cases if c.id in before]
    return {
        "cases": len(taken.cases) - len(already),
        "already": len(already),
        "removed": dict(taken.removed),
        "notes": [n.to_json() for n in taken.notes],
    }
