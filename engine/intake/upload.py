"""One upload while it is being taken in: its files, what became of each, and the child that reads them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

from engine.intake.bounded import Bounded
from engine.intake.limits import Limits
from engine.nouns import Case, Note, Refused

DRAFTS = ".incoming-"
TOP = "."  # the folder of files lying directly in a source that is one case as a whole


@dataclass(frozen=True)
class Found:
    """One file of the upload: where its bytes lie now, its path as uploaded, and the folder that groups pictures
    ("" for a loose file at the top)."""

    index: int
    path: Path
    shown: str
    folder: str
    size: int


@dataclass
class Taken:
    """What came of an upload. Every file is part of a case, in `refused`, or in `ignored`.

    `stats` holds {"min", "max", "mean"} of the voxels by case id; `files` the files of each case as uploaded (for the
    page that asked; never stored with the case); `folders` the name of the folder of each picture, where folders may be
    classes; `removed` counts, by name of the header element, the cases whose
    header held it and lost it. `notes` are about the upload as a whole.
    """

    cases: list[Case] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    ignored: list[Refused] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    stats: dict[str, dict[str, float]] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    removed: Counter[str] = field(default_factory=Counter)
    cancelled: bool = False


@dataclass
class Upload:
    """The state of one `take_in`. Files get an index as they are found; each is accounted for once."""

    source: Path
    drafts: Path
    into: Path | None
    key: bytes
    limits: Limits
    child: Bounded
    report: Callable[[int, int, str], None] | None = None
    files: list[Found] = field(default_factory=list)
    taken: Taken = field(default_factory=Taken)
    _done: set[int] = field(default_factory=set)
    _read: set[int] = field(default_factory=set)
    _drafts: int = 0

    def add(self, path: Path, shown: str, folder: str) -> Found:
        """A file was found: it has to be accounted for from now on."""
        found = Found(len(self.files), path, shown, folder, path.stat().st_size if path.exists() else 0)
        self.files.append(found)
        return found

    def done(self, index: int) -> None:
        """This file is accounted for."""
        if index not in self._done:
            self._done.add(index)
            self.decoded(index)

    def decoded(self, index: int) -> None:
        """This file has been read, though its case may not be ready: progress for the person who waits."""
        if index not in self._read:
            self._read.add(index)
            self.busy_with(index)

    def busy_with(self, index: int) -> None:
        """Say that this file is being looked at or unpacked; the count stays where it is."""
        if self.report:
            self.report(len(self._read), len(self.files), self.files[index].shown)

    def is_done(self, index: int) -> bool:
        """Whether this file is accounted for."""
        return index in self._done

    def refuse(self, index: int, note: Note | dict[str, Any]) -> None:
        """Put a file in the table of refused ones, once."""
        if index not in self._done:
            note = note if isinstance(note, Note) else Note.from_json(note)
            self.taken.refused.append(Refused(self.files[index].shown, note))
            self.done(index)

    def ignore(self, index: int, key: str) -> None:
        """A file that is known not to be a case: junk of an operating system, a directory file, an exact double."""
        if index not in self._done:
            self.taken.ignored.append(Refused(self.files[index].shown, Note(f"ignored.{key}")))
            self.done(index)

    def draft(self) -> Path | None:
        """A fresh folder for a case in the making, None when only describing."""
        if self.into is None:
            return None
        self._drafts += 1
        folder = self.drafts / f"case-{self._drafts}"
        folder.mkdir()
        return folder


@contextmanager
def drafts_in(into: Path | None) -> Iterator[Path]:
    """A private folder for half-made cases, on the disk where they will stay; removed in any case.

    It starts with a dot and names this process, so that leftovers of a killed one are found and removed here.
    """
    home = into or Path(tempfile.gettempdir())
    home.mkdir(parents=True, exist_ok=True)
    for old in home.glob(f"{DRAFTS}*"):
        owner = old.name.removeprefix(DRAFTS).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{DRAFTS}{os.getpid()}-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def walk(upload: Upload, *, top_is_case: bool) -> None:
    """Find the files under the source; links and devices are refused, not followed."""
    source = upload.source
    if not source.is_dir():
        upload.add(source, source.name, "")
        return
    for folder, names, files in os.walk(source):
        names.sort()
        for name in [n for n in names if (Path(folder) / n).is_symlink()] + sorted(files):
            path = Path(folder) / name
            shown = path.relative_to(source).as_posix()
            inside = PurePosixPath(shown).parent.as_posix()
            at_top = inside == TOP
            found = upload.add(path, printable(shown), "" if at_top and not top_is_case else inside)
            if not stat.S_ISREG(path.lstat().st_mode):
                upload.refuse(found.index, Note("refused.link"))
            elif found.size > upload.limits.file_bytes:
                upload.refuse(found.index, Note("refused.too_large", {"limit_mb": upload.limits.file_bytes >> 20}))
            elif len(upload.files) > upload.limits.files:
                upload.refuse(found.index, Note("refused.too_many_files", {"limit": upload.limits.files}))


def unzip(upload: Upload, found: Found) -> list[Found]:
    """Unpack one archive into coded names; its members become files of the upload. Refused ones are accounted for."""
    listed = upload.child.ask("zip_list", path=str(found.path), seconds=upload.limits.header_seconds * 4)
    if "refused" in listed:
        upload.refuse(found.index, listed["refused"])
        return []
    if not listed["members"]:
        upload.refuse(found.index, Note("refused.zip_empty"))
        return []
    home = upload.drafts / f"zip-{found.index}"
    home.mkdir()
    parts, requests = [], []
    for n, member in enumerate(listed["members"]):
        shown = f"{found.shown}/{member['name']}"
        part = upload.add(home / f"{n:06d}", shown, PurePosixPath(shown).parent.as_posix())
        if "refused" in member:
            upload.refuse(part.index, member["refused"])
            continue
        request = {"op": "zip_member", "path": str(found.path), "member": member["member"], "out": str(part.path)}
        requests.append((upload.limits.decode_seconds(member["size"]), request))
        parts.append(part)
    for part, answer in zip(parts, upload.child.ask_all(requests), strict=True):
        upload.busy_with(part.index)
        if "refused" in answer:
            part.path.unlink(missing_ok=True)
            upload.refuse(part.index, answer["refused"])
        else:
            upload.files[part.index] = replace(part, size=answer["size"])
    upload.done(found.index)
    return [upload.files[part.index] for part in parts if not upload.is_done(part.index)]


def printable(shown: str) -> str:
    """A name for the screen and for JSON: undecodable bytes and control characters become "?"."""
    plain = shown.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in plain)


def stable(values: Any) -> bytes:
    """Bytes of plain values for a fingerprint."""
    return json.dumps(values, sort_keys=True).encode()
