"""Who a case is, kept apart from everything else: encrypted files, and the key in another place than the data.

    <data_dir>/identifiers/<name>     Fernet tokens (AES-128-CBC with HMAC-SHA-256), one a case
    <folder of key_file>/identifiers.key

A copy of the data folder without the key tells nothing. Nothing is written here unless a person asked for it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from engine.nouns import Note
from engine.sentences import Refusal
from engine.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")


class Vault:
    """Named JSON values, unreadable without the key."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.data_dir / "identifiers"
        self.key_file = settings.key_file.with_name("identifiers.key")

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        """Keeps a value, whole or not at all; only this user may read the file."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._path(name).with_suffix(".part")
        part.write_bytes(self.seal(value).encode())
        part.chmod(0o600)
        part.replace(self._path(name))

    def get(self, name: str) -> dict[str, Any] | None:
        """A value, or None where none is kept. Raises Refusal where the key is not the one it was kept with."""
        path = self._path(name)
        return self.open(path.read_text()) if path.is_file() else None

    def has(self, name: str) -> bool:
        return self._path(name).is_file()

    def forget(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """What is kept, by name."""
        return sorted(p.name for p in self.folder.iterdir() if not p.suffix) if self.folder.is_dir() else []

    def seal(self, value: Mapping[str, Any]) -> str:
        """A value as text that only this installation can open, for what has to lie in the store (a password)."""
        return Fernet(self._key()).encrypt(json.dumps(value, ensure_ascii=False).encode()).decode()

    def open(self, sealed: str) -> dict[str, Any]:
        try:
            return json.loads(Fernet(self._key()).decrypt(sealed.encode()))
        except InvalidToken as error:
            raise Refusal(Note("pacs.key_lost", {"file": self.key_file.name})) from error

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError("A name in the vault is letters, digits and dashes.")
        return self.folder / name

    def _key(self) -> bytes:
        """The key, made at first use; two processes that make it at once end with the same one."""
        if not self.key_file.exists():
            self.key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            own = self.key_file.with_name(f".{self.key_file.name}.{os.getpid()}")
            own.touch(mode=0o600)
            own.write_bytes(Fernet.generate_key())
            try:
                self.key_file.hardlink_to(own)
            except FileExistsError:
                pass
            finally:
                own.unlink()
        return self.key_file.read_bytes()
