"""The rows of uploads; their bytes lie in files, see `engine.projects.uploads`."""

from __future__ import annotations

import sqlite3
import time

from engine.projects import audit
from engine.projects.database import Database
from engine.projects.projects import project_row
from engine.projects.records import Upload


class UploadRows(Database):
    """The part of the store that knows files on their way in."""

    def begin_upload(self, upload: Upload) -> None:
        """Files a new upload."""
        with self.write() as db:
            if upload.project_id:
                project_row(db, upload.project_id)
            db.execute(
                "insert into upload(id, project_id, session, name, state, files, bytes, manifest, created) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (upload.id, upload.project_id or None, upload.session, upload.name, upload.state, upload.files,
                 upload.bytes, upload.manifest, upload.created),
            )  # fmt: skip

    def upload(self, upload: str) -> Upload | None:
        """One upload, or None."""
        with self.read() as db:
            row = db.execute("select * from upload where id = ?", (upload,)).fetchone()
        return _upload(row) if row else None

    def uploads(self, project: str | None = None, state: str | None = None) -> list[Upload]:
        """Uploads of a project and a state, or of all, newest first."""
        with self.read() as db:
            rows = db.execute(
                "select * from upload where (?1 is null or coalesce(project_id, '') = ?1) "
                "and (?2 is null or state = ?2) order by created desc",
                (project, state),
            ).fetchall()
        return [_upload(row) for row in rows]

    def end_upload(self, upload: str, state: str, *, reader: str = "") -> bool:
        """Moves an upload on: open -> received -> taken or failed, or open -> cancelled. False where it is too late."""
        # A name may name a patient: it goes as soon as the files themselves may go.
        before = ("open",) if state in ("received", "cancelled") else ("open", "received")
        keep_name = state == "received"
        with self.write() as db:
            changed = db.execute(
                f"update upload set state = ?, ended = ?, name = case when ? then name else '' end "
                f"where id = ? and state in ({','.join('?' * len(before))}) returning project_id, files, bytes",
                (state, time.time(), keep_name, upload, *before),
            ).fetchone()
            if changed:
                detail = {"upload": upload, "files": changed["files"], "bytes": changed["bytes"]}
                audit.append(db, reader, f"upload.{state}", changed["project_id"] or "", detail=detail)
        return changed is not None


def _upload(row: sqlite3.Row) -> Upload:
    return Upload(
        row["id"], row["project_id"] or "", row["session"], row["name"], row["state"], row["files"], row["bytes"],
        row["manifest"], row["created"],
    )  # fmt: skip
