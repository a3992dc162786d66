"""The way in for bytes: chunks streamed to disk, resumed by offset, never held in memory (research: 525 MB, +11 MB).

    POST   /hf/up                       {"project", "files": [[name, size], ...]} -> {"id", "chunk", "received"}
    GET    /hf/up/{id}                  -> {"state", "received": {file number: bytes}}
    PUT    /hf/up/{id}/{number}?offset= the bytes from there on -> {"received"}; 409 with the right offset if it differs
    POST   /hf/up/{id}/finish           every byte is there -> {"job"}: reading begins
    DELETE /hf/up/{id}                  cancelled: everything received is deleted
An upload belongs to the session that began it; the gate has checked Host, Origin, session and X-Handful before.
"""

from __future__ import annotations

import asyncio
import json
from functools import lru_cache
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.jobs.queue import INTAKE, Queue
from engine.nouns import Note
from engine.projects import StoreError, Upload
from engine.projects.uploads import CHUNK_BYTES, Announced, Uploads

# 20,000 names of 200 bytes, twice over for the signs of JSON.
MAX_MANIFEST_BYTES = 8 * 1024**2
# The server hands over pieces of 64 kB; written in larger ones, a thread is asked less often.
WRITE_BYTES = 1024**2
# Reading new files comes before preparing those that were read: a person waits for the first.
READ_FIRST = 10
# A project's own file is dropped under this name instead of a project's id.
IMPORT = "import"


class UploadRoutes:
    """The routes above, over one installation's uploads and queue."""

    def __init__(self, uploads: Uploads, queue: Queue) -> None:
        self.uploads, self.queue = uploads, queue
        self._busy: set[tuple[str, int]] = set()
        # What was announced never changes, and a folder of 5,000 slices asks 5,000 times.
        self._announced = lru_cache(maxsize=16)(uploads.announced)

    def routes(self) -> list[Route]:
        """For `st.App(routes=...)`."""
        return [
            Route("/hf/up", self.begin, methods=["POST"]),
            Route("/hf/up/{upload}", self.look, methods=["GET"]),
            Route("/hf/up/{upload}", self.cancel, methods=["DELETE"]),
            Route("/hf/up/{upload}/finish", self.finish, methods=["POST"]),
            Route("/hf/up/{upload}/{number:int}", self.put, methods=["PUT"]),
        ]

    async def begin(self, request: Request) -> Response:
        """Announces files; answers with what is already there when the same files were begun before."""
        raw = bytearray()
        async for piece in request.stream():
            raw += piece
            if len(raw) > MAX_MANIFEST_BYTES:
                return _says(Note("upload.manifest"), 413)
        try:
            asked = json.loads(raw)
            files = [Announced(str(name), int(size)) for name, size in asked["files"]]
            project = str(asked["project"])
        except (ValueError, TypeError, KeyError, OverflowError):
            return _says(Note("upload.manifest"), 400)
        if any(each.size < 0 for each in files):
            return _says(Note("upload.manifest"), 400)
        session = request.scope["handful.session"]
        try:
            upload = await asyncio.to_thread(
                self.uploads.begin, "" if project == IMPORT else project, session.token_hash, files
            )
        except StoreError as error:
            return _says(error.note, 413 if error.note.key.startswith("upload.") else 404)
        return JSONResponse({"id": upload.id, "chunk": CHUNK_BYTES, "received": self.uploads.received(upload.id)}, 201)

    async def look(self, request: Request) -> Response:
        """What has arrived so far: where to go on after a lost connection."""
        upload = self._mine(request)
        if upload is None:
            return _says(Note("upload.gone"), 404)
        received = await asyncio.to_thread(self.uploads.received, upload.id)
        return JSONResponse({"state": upload.state, "received": received})

    async def put(self, request: Request) -> Response:
        """Appends to a file. What arrived before a connection broke stays, and its size is the next offset."""
        upload, number = self._mine(request), request.path_params["number"]
        if upload is None or upload.state != "open":
            return _says(Note("upload.gone"), 410)
        try:
            announced = self._announced(upload.id)
        except FileNotFoundError:
            return _says(Note("upload.gone"), 410)
        if number >= len(announced):
            return _says(Note("upload.gone"), 404)
        path = self.uploads.part(upload.id, number)
        have = path.stat().st_size if path.exists() else 0
        # Two requests for one file at once would mix their bytes: the second is told to look again.
        if (upload.id, number) in self._busy or request.query_params.get("offset") != str(have):
            return JSONResponse({"received": have}, 409)
        self._busy.add((upload.id, number))
        try:
            return await _append(request, path, have, min(announced[number].size, have + 2 * CHUNK_BYTES))
        finally:
            self._busy.discard((upload.id, number))

    async def finish(self, request: Request) -> Response:
        """Hands the files over and files the job that reads them."""
        upload = self._mine(request)
        if upload is None or upload.state not in ("open", "received"):
            return _says(Note("upload.gone"), 410)
        reader = request.scope["handful.session"].who
        try:
            await asyncio.to_thread(lambda: self.uploads.finish(upload.id, reader=reader))
        except StoreError as error:
            return _says(error.note, 409)
        except FileNotFoundError:
            return _says(Note("upload.gone"), 410)
        kind = "take_in" if upload.project_id else "open_project"
        args = {"project": upload.project_id, "upload": upload.id, "reader": reader}
        job = await asyncio.to_thread(
            lambda: self.queue.file(kind, args, lane=INTAKE, key=f"upload-{upload.id}", priority=READ_FIRST)
        )
        return JSONResponse({"job": job.id})

    async def cancel(self, request: Request) -> Response:
        """Deletes what has arrived."""
        upload = self._mine(request)
        if upload is None or upload.state != "open":
            return _says(Note("upload.gone"), 410)
        reader = request.scope["handful.session"].who
        await asyncio.to_thread(lambda: self.uploads.discard(upload.id, "cancelled", reader=reader))
        return JSONResponse({"state": "cancelled"})

    def _mine(self, request: Request) -> Upload | None:
        session = request.scope["handful.session"]
        return self.uploads.of_session(request.path_params["upload"], session.token_hash)


async def _append(request: Request, path: Path, have: int, limit: int) -> Response:
    """Streams the body to the end of the file; stops with 413 where more comes than was announced."""
    piece = bytearray()
    try:
        with path.open("ab") as out:
            async for received in request.stream():
                have += len(received)
                if have > limit:
                    return _says(Note("upload.more_than_announced"), 413)
                piece += received
                if len(piece) >= WRITE_BYTES:
                    await asyncio.to_thread(out.write, piece)
                    piece = bytearray()
            out.write(piece)
    except ClientDisconnect:
        return Response(status_code=499)
    except FileNotFoundError:  # cancelled meanwhile
        return _says(Note("upload.gone"), 410)
    except OSError:
        return _says(Note("upload.disk_full"), 507)
    return JSONResponse({"received": have}) if path.exists() else _says(Note("upload.gone"), 410)


def _says(note: Note, status: int) -> JSONResponse:
    """A refusal as the key and values of its sentence: the drop zone says it in its own language."""
    return JSONResponse({"note": note.to_json()}, status)
