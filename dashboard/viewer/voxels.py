"""The routes the viewer fetches from: its own file, the voxels of a case, overlays.

The page's gate has checked the session before a request comes here; `find_*` decide what that session may see. Voxels
are slices of a memory map: nothing is decoded in the page's process (the decoders hold the interpreter lock).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dashboard.viewer.bundle import BUNDLE, FOLDER, bundle_url

MOST_SLICES = 64  # a request; the viewer asks for 8
FindVoxels = Callable[[Request, str], np.ndarray | None]

# Streamlit's gzip middleware would pack 105 MB of slices for 3 s; "identity" leaves them alone (0.6 s). Pixels of a
# patient stay out of the browser's disk cache.
_RAW = {"Content-Encoding": "identity", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def routes(find_voxels: FindVoxels, find_overlay: FindVoxels) -> list[Route]:
    """Routes for `st.App(routes=...)`.

    `find_voxels(request, case_id)` returns the case's array (slices, rows, columns[, 3]) int16 or uint8, or None where
    it is missing or not this session's; `find_overlay(request, overlay_id)` a uint8 map. Both may read a memory map,
    run in a thread and must not decode.
    """

    async def voxels(request: Request) -> Response:
        array = await run_in_threadpool(find_voxels, request, request.path_params["case_id"])
        if array is None:
            return PlainTextResponse("There is no such case.", status_code=404)
        try:
            first = int(request.query_params.get("first", "0"))
            count = int(request.query_params.get("count", "1"))
        except ValueError:
            return PlainTextResponse("first and count are whole numbers.", status_code=400)
        if not (0 <= first < len(array) and 1 <= count <= MOST_SLICES and first + count <= len(array)):
            return PlainTextResponse("There are no such slices.", status_code=416)
        body = await run_in_threadpool(raw_slices, array, first, count)
        return Response(body, media_type="application/octet-stream", headers=_RAW)

    async def overlay(request: Request) -> Response:
        array = await run_in_threadpool(find_overlay, request, request.path_params["overlay_id"])
        if array is None:
            return PlainTextResponse("There is no such overlay.", status_code=404)
        body = await run_in_threadpool(np.ascontiguousarray(array, dtype=np.uint8).tobytes)
        return Response(body, media_type="application/octet-stream", headers=_RAW)

    return [
        Route("/hf/cases/{case_id}/voxels", voxels, methods=["GET"]),
        Route("/hf/overlays/{overlay_id}", overlay, methods=["GET"]),
        Route(FOLDER + "viewer-{digest}.js", script, methods=["GET"]),
    ]


def raw_slices(array: np.ndarray, first: int, count: int) -> bytes:
    """Slices first..first+count-1 as the browser wants them: colour as uint8, all else as little-endian int16."""
    return np.ascontiguousarray(array[first : first + count], dtype=np.uint8 if array.ndim == 4 else "<i2").tobytes()


@cache
def _packed() -> bytes:
    return gzip.compress(BUNDLE.read_bytes(), compresslevel=6, mtime=0)


async def script(request: Request) -> Response:
    """The viewer's file; kept by browsers for good, since its address holds its hash."""
    if request.url.path != bundle_url():
        return PlainTextResponse("This page was loaded before an update: load it again.", status_code=404)
    body = await run_in_threadpool(_packed)
    headers = {"Content-Encoding": "gzip", "Cache-Control": "private, max-age=31536000, immutable"}
    return Response(body, media_type="text/javascript", headers=headers)
