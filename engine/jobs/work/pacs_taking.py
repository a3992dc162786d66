"""Series from a PACS -> cases, through the same door as an upload, each tied to who it is where that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.intake import patient_key, take_in
from engine.jobs.work import rooms
from engine.jobs.work.encode import file_encode
from engine.jobs.work.row_data import ROW_KINDS
from engine.nouns import Note
from engine.pacs.identity import Identity
from engine.pacs.vault import Vault
from engine.projects.database import StoreError
from engine.projects.records import Upload
from engine.projects.uploads import Uploads


def take_series(
    project: str,
    source: Path,
    identities: Mapping[str, Identity],
    upload: str,
    reader: str,
    report: Callable,
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """Reads each folder of `source` as a series into the project.

    identities: folder's name -> who it is, kept in the vault under each of its cases. Result as of `take_in`, and
    "kept": how many cases have their identifiers.
    """
    store, settings, vault = rooms.store(), rooms.settings(), Vault(rooms.settings())
    here = store.cases(project)
    if any(each.case.kind in ROW_KINDS for each in here):
        raise StoreError("pacs.project_of_rows")
    settings.cases_dir.mkdir(parents=True, exist_ok=True)
    before, key = {each.id for each in here}, patient_key(settings.key_file)
    folders = sorted((f for f in source.iterdir() if f.is_dir()), key=lambda f: int(f.name))
    said: dict[str, Any] = {"cases": 0, "already": 0, "refused": 0, "removed": {}, "notes": [], "kept": 0, "drafts": 0}
    for done, folder in enumerate(folders):
        if cancelled():
            break
        report(done, len(folders), Note("pacs.reading", {"done": done + 1, "total": len(folders)}).to_json())
        taken = take_in(folder, settings.cases_dir, key=key, cancelled=cancelled)
        for case in taken.cases:
            store.add_case(project, case, upload=upload, reader=reader)
            file_encode(project, case.id)
            if folder.name in identities:
                vault.put(case.id, identities[folder.name].to_json())
                said["kept"] += 1
            said["already" if case.id in before else "cases"] += 1
        store.refuse(project, taken.refused, upload=upload)
        said["refused"] += len(taken.refused)
        said["removed"].update(taken.removed)
    if said["kept"]:
        store.log("identifiers.keep", reader=reader, project=project, detail={"cases": said["kept"]})
    return said


def begin(project: str, upload: str, files: int) -> Path:
    """A row and a folder for files that do not come through a browser; an attempt after a crash finds both again."""
    uploads = Uploads(rooms.store(), rooms.settings().uploads_dir)
    if rooms.store().upload(upload) is None:
        rooms.store().begin_upload(Upload(upload, project, "pacs", "", "open", files, 0, "", 0.0))
    source = uploads.source(upload)
    source.mkdir(parents=True, exist_ok=True)
    return source


def received(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict:
    """The job "received": args project, upload. A study that our listener was sent; its ticket says who it is."""
    vault, upload = Vault(rooms.settings()), args["upload"]
    uploads = Uploads(rooms.store(), rooms.settings().uploads_dir)
    ticket = vault.get(f"ticket-{upload}") or {}
    identities = {name: Identity.from_json(raw) for name, raw in ticket.get("identities", {}).items()}
    result = take_series(args["project"], uploads.source(upload), identities, upload, "pacs", report, cancelled)
    uploads.discard(upload, "cancelled" if cancelled() else "taken")
    vault.forget(f"ticket-{upload}")
    return result
