"""What is no longer needed goes: at the start, and every few minutes while Handful runs.

Files as they were uploaded name patients, so they must not outlive their reading, whatever became of it; the same
holds for the voxels of a project that was deleted and for exports that nobody fetched.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from engine.jobs.queue import Queue
from engine.pacs.vault import Vault
from engine.projects import Store
from engine.projects.folder_names import sweep_folders
from engine.projects.uploads import Uploads
from engine.settings import Settings

EVERY_SECONDS = 600.0
OLD_JOBS_SECONDS = 30 * 24 * 3600.0
OLD_DOWNLOADS_SECONDS = 24 * 3600.0
OLD_DRAFTS_SECONDS = 24 * 3600.0
# A case is written before its row is: a folder without one is left alone for so long.
ORPHAN_SECONDS = 600.0


def tidy(settings: Settings, store: Store, queue: Queue, now: float | None = None) -> dict[str, int]:
    """One round; returns how many of what went."""
    now = time.time() if now is None else now
    uploads = Uploads(store, settings.uploads_dir)
    return {
        "uploads": uploads.sweep(now) + _unread(uploads, queue),
        "cases": _orphans(settings.cases_dir, store, queue, now),
        "downloads": _old(settings.data_dir / "downloads", now - OLD_DOWNLOADS_SECONDS),
        "identifiers": _identifiers(Vault(settings), store, now),
        "drafts": _drafts(store, now),
        "folders": sweep_folders(settings.data_dir, now),
        "tables": _tables(settings.data_dir / "tables", store, queue, now),
        "jobs": queue.forget(OLD_JOBS_SECONDS),
    }


def _unread(uploads: Uploads, queue: Queue) -> int:
    """Uploads whose reading failed or was stopped: nobody will read them any more."""
    count = 0
    for upload in uploads.store.uploads(state="received"):
        job = queue.find("", {}, key=f"upload-{upload.id}")
        if job is not None and not job.alive:
            uploads.discard(upload.id, "failed")
            count += 1
    return count


def _orphans(cases_dir: Path, store: Store, queue: Queue, now: float) -> int:
    """Folders of cases that belong to no project, while nothing is being read."""
    if not cases_dir.is_dir() or queue.jobs(alive=True, limit=1):
        return 0
    known, count = store.case_ids(), 0
    for folder in cases_dir.iterdir():
        if folder.name not in known and now - folder.stat().st_mtime > ORPHAN_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count


def _drafts(store: Store, now: float) -> int:
    """Tables that nobody said a word about for a day, and folders without a row: they hold names."""
    ids, count = store.draft_ids(), 0
    for draft, at in ids.items():
        if now - at > OLD_DRAFTS_SECONDS:
            store.discard_draft(draft)
            count += 1
    folder = store.path.parent / "drafts"
    for each in folder.iterdir() if folder.is_dir() else ():
        if each.name not in ids and now - each.stat().st_mtime > ORPHAN_SECONDS:
            shutil.rmtree(each, ignore_errors=True)
            count += 1
    return count


def _tables(folder: Path, store: Store, queue: Queue, now: float) -> int:
    """Kept tables that no project uses, while nothing is being read."""
    if not folder.is_dir() or queue.jobs(alive=True, limit=1):
        return 0
    used, count = {str(p.settings.get("table", "")) for p in store.projects()}, 0
    for each in folder.iterdir():
        if each.name not in used and now - each.stat().st_mtime > ORPHAN_SECONDS:
            shutil.rmtree(each, ignore_errors=True)
            count += 1
    return count


def _old(folder: Path, before: float) -> int:
    old = [each for each in folder.iterdir() if each.stat().st_mtime < before] if folder.is_dir() else []
    for each in old:
        shutil.rmtree(each, ignore_errors=True)
    return len(old)


def _identifiers(vault: Vault, store: Store, now: float) -> int:
    """Identifiers of cases that are nowhere any more, and tickets of jobs that never ran."""
    known, count = store.case_ids(), 0
    for name in vault.names():
        old = now - (vault.folder / name).stat().st_mtime > OLD_DOWNLOADS_SECONDS
        if old and name not in known:
            vault.forget(name)
            count += 1
    return count
