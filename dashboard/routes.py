"""Our routes on the page's own port, all under /hf/ and all behind the gate.

GET  /hf/assets/{hash}/{path}    files shipped under assets/: the hash is theirs, so browsers keep them for good
GET  /hf/cases/{case}/thumb      a picture of a case, 160 pixels
GET  /hf/cases/{case}/structure  a molecule drawn, ?ink=dark or light
GET  /hf/cases/{case}/voxels     slices of a case, and the viewer's own file (dashboard.viewer.voxels)
GET  /hf/overlays/{id}           a saliency map as bytes
GET  /hf/downloads/{export}       the file that an export job wrote
GET, POST /hf/login, POST /hf/logout
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import mimetypes
import re
from functools import cache
from pathlib import Path

import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.login import Login
from dashboard.records import kept_records
from dashboard.structures import PEN, small
from dashboard.thumbnail import thumbnail
from dashboard.upload.routes import UploadRoutes
from dashboard.viewer import routes as viewer_routes
from engine.intake import load_volume
from engine.jobs.queue import Queue
from engine.nouns import Case
from engine.projects import Store
from engine.projects.uploads import Uploads
from engine.settings import Settings

ASSETS = Path(__file__).resolve().parent.parent / "assets"
# Ids are made by us: letters, digits, dashes. Nothing else may become part of a path.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
# Case ids, overlays and the built viewer do not change under their address.
STRUCTURE = 160  # pixels of a small drawing's side
IMMUTABLE = "private, max-age=31536000, immutable"


def overlays_dir(settings: Settings) -> Path:
    """Where saliency jobs put `<id>.u8` and `<id>.json`."""
    return settings.data_dir / "overlays"


def downloads_dir(settings: Settings) -> Path:
    """Where an export job puts its one file: `<job id>/<name>`."""
    return settings.data_dir / "downloads"


@cache
def asset_url(path: str) -> str:
    """The address of a file under assets/, with the hash of its bytes in it."""
    digest = hashlib.sha256((ASSETS / path).read_bytes()).hexdigest()[:16]
    return f"/hf/assets/{digest}/{path}"


def make_routes(settings: Settings, store: Store, queue: Queue, login: Login) -> list[BaseRoute]:
    """Every route of ours, for `st.App(routes=...)`."""
    files = _Files(settings, store)
    uploads = UploadRoutes(Uploads(store, settings.uploads_dir), queue)
    return [
        Route("/hf/login", login.show, methods=["GET"]),
        Route("/hf/login", login.enter, methods=["POST"]),
        Route("/hf/logout", login.leave, methods=["POST"]),
        Route("/hf/assets/{digest}/{path:path}", files.asset),
        Route("/hf/cases/{case}/thumb", files.thumb),
        Route("/hf/cases/{case}/structure", files.structure),
        *viewer_routes(files.voxels, files.overlay),
        Route("/hf/downloads/{job}", files.download),
        *uploads.routes(),
        # Last: what is asked for under /hf/ and is not there must not be answered with Streamlit's page.
        Route("/hf/{rest:path}", _nothing, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    ]


async def _nothing(request: Request) -> Response:
    return Response(status_code=404)


class _Files:
    """Routes that serve a file each."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store

    async def asset(self, request: Request) -> Response:
        """A shipped file; another hash than the file's own is an old page asking, which has to reload."""
        path = request.path_params["path"]
        target = (ASSETS / path).resolve()
        if not target.is_relative_to(ASSETS) or not target.is_file():
            return Response(status_code=404)
        if asset_url(path).split("/")[3] != request.path_params["digest"]:
            return Response(status_code=404)
        return FileResponse(target, headers={"cache-control": "public, max-age=31536000, immutable"})

    async def thumb(self, request: Request) -> Response:
        """A small picture of a case, drawn once."""
        case = request.path_params["case"]
        if not self._has_case(case):
            return Response(status_code=404)
        path = await asyncio.to_thread(thumbnail, self.settings.cases_dir / case)
        if path is None:
            return Response(status_code=404)
        return FileResponse(path, media_type="image/png", headers={"cache-control": IMMUTABLE})

    async def structure(self, request: Request) -> Response:
        """The drawing of a molecule; 404 for what is none. The ground is the page's own, so the ink is asked for."""
        case = request.path_params["case"]
        noun = self.store.any_case(case) if _ID.fullmatch(case) else None
        dark = request.query_params.get("ink") == "light"
        made = await asyncio.to_thread(self._structure, noun, dark) if noun and noun.kind == "molecule" else ""
        if not made:
            return Response(status_code=404)
        return Response(made, media_type="image/svg+xml", headers={"cache-control": IMMUTABLE})

    def _structure(self, noun: Case, dark: bool) -> str:
        records = kept_records(self.settings.data_dir / "tables" / str(noun.kept["table"]))
        if records is None or records.molecule is None:
            return ""
        smiles = records.cell(records.molecule, int(noun.kept["row"])).text
        return small(PEN.draw(smiles, width=STRUCTURE, height=STRUCTURE, dark=dark))

    def voxels(self, request: Request, case: str) -> np.ndarray | None:
        """The voxels of a case as a memory map, None where there is no such case."""
        return load_volume(self.settings.cases_dir / case).voxels if self._has_case(case) else None

    def overlay(self, request: Request, overlay: str) -> np.ndarray | None:
        """The map of an overlay as a memory map, None where there is none. Its shape stands in its description."""
        folder = overlays_dir(self.settings)
        if not _ID.fullmatch(overlay) or not (folder / f"{overlay}.json").is_file():
            return None
        shape = json.loads((folder / f"{overlay}.json").read_text("utf-8"))["shape"]
        return np.memmap(folder / f"{overlay}.u8", np.uint8, "r", shape=tuple(shape))

    async def download(self, request: Request) -> Response:
        """A finished export, always as a file to keep and never as a page to open."""
        job = request.path_params["job"]
        folder = downloads_dir(self.settings) / job
        if not _ID.fullmatch(job) or not folder.is_dir():
            return Response(status_code=404)
        path = next((each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")), None)
        if path is None or path.is_symlink():
            return Response(status_code=404)
        media = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        reader = request.scope["handful.session"].who
        await asyncio.to_thread(lambda: self.store.log("download", reader=reader, detail={"export": job}))
        return FileResponse(path, media_type=media, filename=path.name, headers={"content-encoding": "identity"})

    def _has_case(self, case: str) -> bool:
        return _ID.fullmatch(case) is not None and self.store.has_case(case)
