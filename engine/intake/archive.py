"""Zip archives: members are streamed one by one into coded names, within bounds. Runs in the child.

Names inside an archive are for display only and never become a path (zip slip). After the safety study, section 2:
5,000 files, 2 GiB in all, 200 MiB each, ratio 100, no nested zip, no links, nothing encrypted.
"""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from engine.intake.limits import MIB, Limits
from engine.intake.refusal import Refusal

BLOCK = 1 << 20
RATIO_COUNTS_FROM = 1 * MIB  # a small file may be all air; only what unpacks to more can hurt
UTF8_FLAG = 0x800
ENCRYPTED_FLAG = 0x1


class Opened:
    """The archive read last, kept open between requests."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.zip: zipfile.ZipFile | None = None
        self.unpacked = 0

    def list(self, path: Path, limits: Limits) -> dict[str, Any]:
        """{"members": [{"member", "name", "size"} or {"name", "refused"}]}: every file, in the archive's order."""
        self._open(path)
        entries = [e for e in self.zip.infolist() if not e.is_dir()]
        if len(entries) > limits.zip_files:
            raise Refusal("zip_files", count=len(entries), limit=limits.zip_files)
        if sum(e.file_size for e in entries) > limits.zip_bytes:
            raise Refusal("zip_bytes", limit_gb=limits.zip_bytes >> 30)
        members = []
        for index, entry in enumerate(self.zip.infolist()):
            if entry.is_dir():
                continue
            name = shown_name(entry)
            try:
                refuse_member(entry, name, limits)
                members.append({"member": index, "name": name, "size": entry.file_size})
            except Refusal as refusal:
                members.append({"name": name, "refused": refusal.note.to_json()})
        return {"members": members}

    def unpack(self, path: Path, member: int, out: Path, limits: Limits) -> dict[str, Any]:
        """Stream one member to `out`, counting what really comes; sizes in the directory may lie."""
        self._open(path)
        entry = self.zip.infolist()[member]
        size = 0
        with self.zip.open(entry) as source, out.open("wb") as target:
            while block := source.read(BLOCK):
                size += len(block)
                self.unpacked += len(block)
                if size > limits.zip_member_bytes or self.unpacked > limits.zip_bytes:
                    raise Refusal("zip_bytes", limit_gb=limits.zip_bytes >> 30)
                if size > RATIO_COUNTS_FROM and size > limits.zip_ratio * max(entry.compress_size, 1):
                    raise Refusal("zip_ratio", limit=limits.zip_ratio)
                target.write(block)
        return {"size": size}

    def _open(self, path: Path) -> None:
        if path == self.path:
            return
        self.path, self.unpacked = None, 0
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, IndexError) as error:
            raise Refusal("zip_broken") from error
        self.path = path


def refuse_member(entry: zipfile.ZipInfo, name: str, limits: Limits) -> None:
    """Raise Refusal for an entry that must not be opened."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or name[1:2] == ":" or "\0" in entry.filename:
        raise Refusal("zip_path")
    mode = entry.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Refusal("zip_link")
    if entry.flag_bits & ENCRYPTED_FLAG:
        raise Refusal("zip_encrypted")
    if entry.file_size > limits.zip_member_bytes:
        raise Refusal("zip_member", limit_mb=limits.zip_member_bytes >> 20)
    if entry.file_size > RATIO_COUNTS_FROM and entry.file_size > limits.zip_ratio * max(entry.compress_size, 1):
        raise Refusal("zip_ratio", limit=limits.zip_ratio)


def shown_name(entry: zipfile.ZipInfo) -> str:
    """The entry's name for people: UTF-8 where flagged, else GB18030 (Chinese Windows) where it decodes, else CP437."""
    name = entry.filename
    if not entry.flag_bits & UTF8_FLAG:
        raw = name.encode("cp437", "replace")
        for coding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(coding)
                break
            except UnicodeDecodeError:
                continue
    return "".join(c if c.isprintable() else "?" for c in name.replace("\\", "/"))
