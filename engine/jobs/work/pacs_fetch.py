"""Studies picked from the PACS -> files -> cases. What was picked is named by UIDs, so it lies in the vault."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.jobs.queue import Cancelled
from engine.jobs.work import rooms
from engine.jobs.work.pacs_taking import begin, take_series
from engine.nouns import Note
from engine.pacs.address import read_address
from engine.pacs.identity import identity_of
from engine.pacs.objects import DESCRIPTION
from engine.pacs.vault import Vault
from engine.pacs.web import Series, Web
from engine.projects.database import StoreError
from engine.projects.uploads import GIB, KEEP_FREE_BYTES, MAX_BYTES, MAX_FILES, Uploads
from engine.sentences import Refusal

# Series without pixels of a patient: documents, marks, plans.
NO_IMAGES = ("SR", "KO", "PR", "SEG", "REG", "DOC", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "AU", "ECG", "FID",
             "PLAN", "M3D")  # fmt: skip


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, ticket (a name in the vault: {"studies": [uid], "keep": bool}), reader. Result as of `take_in`.

    An attempt after a crash goes on with the first image that is not there.
    """
    vault, store = Vault(rooms.settings()), rooms.store()
    ticket = vault.get(f"ticket-{args['ticket']}")
    if ticket is None:
        raise Refusal(Note("pacs.ticket_gone"))
    web = Web(read_address(store, vault))
    report(0, 1, Note("pacs.asking").to_json())
    series = [s for study in ticket["studies"] for s in web.series(study) if is_scan(s)]
    source = begin(args["project"], args["ticket"], sum(s.instances for s in series))
    identities = {}
    try:
        _fetch(web, series, source, report, cancelled)
        if ticket["keep"]:
            for number, each in enumerate(series, 1):
                if headers := web.headers(each):
                    identities[str(number)] = identity_of(headers)
        reader = args.get("reader", "")
        result = take_series(args["project"], source, identities, args["ticket"], reader, report, cancelled)
    except Exception:  # whatever it was, files that name patients must not outlive it
        _discard(args, "failed", vault)
        raise
    # A worker that is stopped (SystemExit) leaves files and ticket to the next attempt.
    _discard(args, "taken", vault)
    return result


def _discard(args: dict[str, Any], state: str, vault: Vault) -> None:
    uploads = Uploads(rooms.store(), rooms.settings().uploads_dir)
    uploads.discard(args["ticket"], state, reader=args.get("reader", ""))
    vault.forget(f"ticket-{args['ticket']}")


def is_scan(series: Series) -> bool:
    """Pictures of a patient, and not what we sent back ourselves."""
    return series.modality not in NO_IMAGES and series.description != DESCRIPTION


def _fetch(web: Web, series: list[Series], source: Path, report: Callable, cancelled: Callable[[], bool]) -> None:
    images = [(n, s, i) for n, s in enumerate(series, 1) for i in web.instances(s)]
    if not images:
        raise Refusal(Note("pacs.no_images"))
    if len(images) > MAX_FILES:
        raise StoreError("upload.too_many_files", files=len(images), limit=MAX_FILES)
    size = 0
    for done, (number, each, instance) in enumerate(images):
        if cancelled():
            raise Cancelled
        report(done, len(images), Note("pacs.fetching", {"done": done + 1, "total": len(images)}).to_json())
        target = source / str(number) / f"{done + 1}.dcm"
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            free = shutil.disk_usage(source).free
            if free < KEEP_FREE_BYTES:
                raise StoreError("upload.no_room", need=1, free=round(free / GIB, 1))
            part = target.with_suffix(".part")
            web.fetch(each, instance, part, cancelled)
            part.replace(target)
        size += target.stat().st_size
        if size > MAX_BYTES:
            raise StoreError("upload.too_large", gigabytes=round(size / GIB, 1), limit=MAX_BYTES // GIB)
