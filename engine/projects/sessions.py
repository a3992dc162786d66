"""Browsers that were let in. The cookie's value is never kept, only its hash, so sessions outlive a restart."""

from __future__ import annotations

import hashlib
import secrets
import time

from engine.projects import audit
from engine.projects.database import Database
from engine.projects.records import Session

# A browser that was not seen for this long has to sign in again. A working day; 30 days where no password is set.
LOGIN_SECONDS = 12 * 3600.0
OPEN_SECONDS = 30 * 24 * 3600.0
# `seen` is written at most this often, so that a request is not a disk write.
SEEN_EVERY = 60.0
# Sessions without a password cost nothing to make, so their number is bounded; the oldest go.
MAX_OPEN = 1000


class Sessions(Database):
    """The part of the store that knows who is signed in."""

    def open_session(self, who: str = "", *, login: bool = False) -> str:
        """Starts a session and returns its token (43 characters, 256 random bits): the cookie's value."""
        token, now = secrets.token_urlsafe(32), time.time()
        with self.write() as db:
            db.execute("delete from session where seen < ?", (now - OPEN_SECONDS,))
            db.execute(
                "delete from session where not login and token_hash not in "
                "(select token_hash from session where not login order by seen desc limit ?)",
                (MAX_OPEN - 1,),
            )
            db.execute("insert into session values (?, ?, ?, ?, ?)", (token_hash(token), who, now, now, int(login)))
            if login:
                audit.append(db, who, "login")
        return token

    def session(self, token: str) -> Session | None:
        """The session of a token, or None where it is unknown or was not seen for too long."""
        key, now = token_hash(token), time.time()
        with self.read() as db:
            row = db.execute("select * from session where token_hash = ?", (key,)).fetchone()
        if row is None or now - row["seen"] > (LOGIN_SECONDS if row["login"] else OPEN_SECONDS):
            return None
        if now - row["seen"] > SEEN_EVERY:
            with self.write() as db:
                db.execute("update session set seen = ? where token_hash = ?", (now, key))
        return Session(row["who"], row["created"], row["seen"], bool(row["login"]), key)

    def name_session(self, token: str, who: str) -> None:
        """Gives a session without a password the name of its reader; one that signed in keeps the name given there."""
        with self.write() as db:
            db.execute("update session set who = ? where token_hash = ? and not login", (who, token_hash(token)))

    def close_session(self, token: str) -> None:
        """Signs out."""
        with self.write() as db:
            row = db.execute("delete from session where token_hash = ? returning *", (token_hash(token),)).fetchone()
            if row and row["login"]:
                audit.append(db, row["who"], "logout")

    def close_all_sessions(self) -> None:
        """Signs everybody out, as when the password changes."""
        with self.write() as db:
            db.execute("delete from session")


def token_hash(token: str) -> str:
    """SHA-256 (hex): the token has 256 random bits, so no salt or slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()
