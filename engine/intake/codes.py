"""Keyed codes that stand for a patient, a site or a case: the same tomorrow as today, and not to be found by trying.

An unsalted hash of an 8-digit patient number falls in minutes, so every code is an HMAC-SHA256 with a secret key that
lives outside the data folder.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_BYTES = 32  # the block of security of SHA-256


def patient_key(path: Path) -> bytes:
    """The secret key, created at the first call with mode 0600 and read ever after.

    Raises ValueError with a sentence if the file is not such a key (a changed key would scatter patients silently).
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # two processes may start at once: the first link wins, the other reads it
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"The key file {path} is damaged ({len(key)} bytes instead of {KEY_BYTES}). Restore it from a back-up; "
            "a new key would give every patient a new code."
        )
    return key


def code(key: bytes, what: str, *parts: str | bytes, length: int = 12) -> str:
    """Hex code of `parts` for the purpose `what` ("patient", "site", "case"); parts are length-prefixed, so that
    ("ab", "c") and ("a", "bc") differ."""
    mac = hmac.new(key, what.encode() + b"\0", hashlib.sha256)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        mac.update(len(raw).to_bytes(8, "big") + raw)
    return mac.hexdigest()[:length]
