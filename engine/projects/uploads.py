"""Files on their way in: written to disk piece by piece, resumed by offset, handed over as one folder.

    uploads/<id>/manifest.json     names and sizes as announced
    uploads/<id>/part/<number>     the bytes so far (their size is the offset to go on from)
    uploads/<id>/source/a/b.dcm    all files under their own names, once every byte is there

While bytes arrive no name from outside touches the disk; at the hand-over each part of a name is cleaned.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.projects.database import StoreError
from engine.projects.records import Upload
from engine.projects.store import Store

GIB = 1024**3
# What the browser sends in one request; the server takes up to twice that.
CHUNK_BYTES = 8 * 1024**2
# Whole-body thin-slice studies have a few thousand files, and several may come at once.
MAX_FILES = 20_000
MAX_BYTES = 20 * GIB
# A browser tab has one or two uploads; more at once in one session is a mistake or an attack.
MAX_OPEN_UPLOADS = 8
# Decoded cases are up to about twice as large as compressed files, and the database needs air.
KEEP_FREE_BYTES = 1 * GIB
ROOM_FACTOR = 2
# An upload that nobody went on with for a day is swept away.
ABANDONED_SECONDS = 24 * 3600.0
# A browser sends without a pause; after so long without a byte it has gone.
QUIET_SECONDS = 8.0
MAX_DEPTH = 32
MAX_NAME_BYTES = 200


@dataclass(frozen=True)
class Announced:
    """A file that the browser is going to send: its name with folders, as dropped, and its size in bytes."""

    name: str
    size: int


class Uploads:
    """The upload folders of one installation; the rows that go with them are in the store."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder

    def begin(self, project: str, session: str, files: Sequence[Announced], name: str = "") -> Upload:
        """Starts an upload, or finds the open one of the same files in the same session, to go on with it.

        Raises StoreError (`upload.*`) where there are too many files, too many bytes, or too little room.
        """
        total = sum(each.size for each in files)
        manifest = _manifest_hash(files)
        mine = [each for each in self.store.uploads(project, "open") if each.session == session]
        for each in mine:
            if each.manifest == manifest and self._part(each.id, 0).parent.is_dir():
                return each
        if not files:
            raise StoreError("upload.empty")
        if len(files) > MAX_FILES:
            raise StoreError("upload.too_many_files", files=len(files), limit=MAX_FILES)
        if total > MAX_BYTES:
            raise StoreError("upload.too_large", gigabytes=round(total / GIB, 1), limit=MAX_BYTES // GIB)
        if len(mine) >= MAX_OPEN_UPLOADS:
            raise StoreError("upload.too_many_open", limit=MAX_OPEN_UPLOADS)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_room(total * ROOM_FACTOR)
        upload = Upload(
            secrets.token_hex(12), project, session, name[:200], "open", len(files), total, manifest, time.time()
        )
        part = self._part(upload.id, 0).parent
        part.mkdir(parents=True)
        listed = [[each.name, each.size] for each in files]
        (part.parent / "manifest.json").write_text(json.dumps(listed, ensure_ascii=False), "utf-8")
        self.store.begin_upload(upload)
        return upload

    def of_session(self, upload: str, session: str) -> Upload | None:
        """The upload if this session began it; nobody else may see or touch it."""
        found = self.store.upload(upload) if upload.isalnum() else None
        return found if found and secrets.compare_digest(found.session, session) else None

    def announced(self, upload: str) -> list[Announced]:
        """The files of an upload in their order."""
        raw = json.loads((self.folder / upload / "manifest.json").read_text("utf-8"))
        return [Announced(name, size) for name, size in raw]

    def received(self, upload: str) -> dict[int, int]:
        """File number -> bytes on the disk, for the files that have begun."""
        part = self._part(upload, 0).parent
        return {int(entry.name): entry.stat().st_size for entry in os.scandir(part)} if part.is_dir() else {}

    def broken_off(self, project: str, session: str, now: float | None = None) -> tuple[int, int] | None:
        """(bytes here, bytes in all) of this session's newest upload into a project that nobody is sending any more;
        None where there is none. The same files dropped again go on from there."""
        for each in self.store.uploads(project, "open"):
            part = self._part(each.id, 0).parent
            if each.session == session and part.is_dir():
                last = max([part.stat().st_mtime, *(entry.stat().st_mtime for entry in os.scandir(part))])
                if (time.time() if now is None else now) - last > QUIET_SECONDS:
                    return sum(self.received(each.id).values()), each.bytes
        return None

    def part(self, upload: str, number: int) -> Path:
        """Where the bytes of a file go; the folder is missing once the upload was cancelled."""
        return self._part(upload, number)

    def finish(self, upload: str, *, reader: str = "") -> Path:
        """Hands over: every file under its cleaned name in one folder. Raises StoreError where bytes are missing."""
        source = self.source(upload)
        if not source.is_dir():
            self._sort_into(source, upload)
        shutil.rmtree(source.with_name("part"), ignore_errors=True)
        self.store.end_upload(upload, "received", reader=reader)
        return source

    def _sort_into(self, source: Path, upload: str) -> None:
        announced, received = self.announced(upload), self.received(upload)
        missing = sum(received.get(number, 0) != each.size for number, each in enumerate(announced) if each.size)
        if missing:
            raise StoreError("upload.incomplete", files=missing)
        making = source.with_name("sorting")
        # Links, not moves: a hand-over that was cut short starts again with every byte still there.
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        taken: set[str] = set()
        for number, each in enumerate(announced):
            target = making / safe_name(each.name, taken)
            target.parent.mkdir(parents=True, exist_ok=True)
            if each.size:
                _link(self._part(upload, number), target)
            else:
                target.touch()
        making.replace(source)

    def source(self, upload: str) -> Path:
        """The folder that `finish` hands over."""
        return self.folder / upload / "source"

    def discard(self, upload: str, state: str, *, reader: str = "") -> None:
        """Deletes the files of an upload and says in its row how it ended: "cancelled", "taken" or "failed"."""
        self.store.end_upload(upload, state, reader=reader)
        shutil.rmtree(self.folder / upload, ignore_errors=True)

    def sweep(self, now: float | None = None) -> int:
        """Discards open uploads that nobody goes on with, and folders without a row; returns how many."""
        swept, now = 0, time.time() if now is None else now
        open_ids = {each.id for state in ("open", "received") for each in self.store.uploads(state=state)}
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            newest = max((p.stat().st_mtime for p in (folder, folder / "part") if p.exists()), default=0.0)
            upload = self.store.upload(folder.name)
            stale = upload is not None and upload.state == "open" and now - newest > ABANDONED_SECONDS
            if stale or folder.name not in open_ids:
                self.discard(folder.name, "cancelled")
                swept += 1
        return swept

    def _part(self, upload: str, number: int) -> Path:
        return self.folder / upload / "part" / str(number)

    def _check_room(self, need: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < need + KEEP_FREE_BYTES:
            raise StoreError("upload.no_room", need=round(need / GIB, 1), free=round(free / GIB, 1))


def _link(part: Path, target: Path) -> None:
    """A second name for the bytes; a move where the file system knows no links (exFAT, some network folders)."""
    try:
        target.hardlink_to(part)
    except OSError:
        part.replace(target)


def safe_name(name: str, taken: set[str]) -> str:
    """A relative path that stays inside its folder: no "..", no drive, no control characters, at most 32 deep.

    `taken` holds the paths given so far (lower case) and is added to; a second file of one name gets a number.
    """
    parts = [_safe_part(part) for part in name.replace("\\", "/").split("/")]
    parts = [part for part in parts if part][-MAX_DEPTH:] or ["file"]
    path, count = "/".join(parts), 1
    # A path may also be the folder of another ("a" and "a/b"): folders are taken under their name with a slash.
    while path.lower() in taken or f"{path.lower()}/" in taken or any(f in taken for f in _folders(path.lower())):
        count += 1
        path = "/".join([*parts[:-1], f"{count}-{parts[-1]}"]) if count < 1000 else secrets.token_hex(8)
    taken.add(path.lower())
    taken.update(f"{folder}/" for folder in _folders(path.lower()))
    return path


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _safe_part(part: str) -> str:
    part = "".join(c for c in part if c.isprintable() and c not in ':*?"<>|').strip()
    if part.strip(".") == "":
        return ""
    return part.encode("utf-8", "replace")[-MAX_NAME_BYTES:].decode("utf-8", "ignore")


def _manifest_hash(files: Sequence[Announced]) -> str:
    return hashlib.sha256(json.dumps([[each.name, each.size] for each in files]).encode()).hexdigest()
