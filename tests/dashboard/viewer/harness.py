"""Pages with nothing but the viewer, for browser tests, screenshots and the benchmark: `uvicorn`-able as `app`.

`/` is a Streamlit page; `/hf/bare` mounts the same file on an empty page, as the component's loader would, and opens
several times faster. Query of both: ?case=NAME&lang=en&overlay=1&places=1&height=720. What the viewer sends stands as
JSON in .st-key-seen.
"""

from __future__ import annotations

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from streamlit import App

from dashboard.viewer import routes
from dashboard.viewer.component import payload
from tests.dashboard.viewer import cases
from tests.dashboard.viewer.asked import arguments

BARE = """<!doctype html><meta charset="utf-8"><title>viewer</title>
<style>body{margin:8px;background:#0e1117;color:#e6e9ef;font-family:system-ui,sans-serif}</style>
<div id="place"></div><pre class="st-key-seen">[]</pre>
<script type="module">
const data = DATA;
const seen = [];
function setTriggerValue(name, value) {
  for (const { n, kind, place = null, key = "", case: id } of value.list) {
    if (!seen.some((one) => one.n === n)) seen.push({ n, kind, place, key, case: id });
  }
  document.querySelector(".st-key-seen").textContent = JSON.stringify(seen);
}
const parentElement = document.querySelector("#place").attachShadow({ mode: "open" });
window.began = performance.now();
const file = await import(location.origin + data.bundle);
const component = { data, parentElement, setTriggerValue };
const view = file.mount(component);
window.show = (more) => view.update({ ...component, data: { ...data, ...more } });
window.leave = () => view.destroy();
</script>"""


def find_voxels(_request: Request, case_id: str):
    known = cases.known(case_id)
    return known.volume.voxels if known else None


def find_overlay(_request: Request, overlay_id: str):
    known = cases.known(overlay_id)
    return cases.overlay(known)[0] if known else None


def asked(request: Request) -> dict:
    """What the query's viewer is handed."""
    query = request.query_params
    return payload(**arguments(query, query.get("case", "plain")))


def data(request: Request) -> JSONResponse:
    """The same as JSON, for a page that goes on to another case."""
    return JSONResponse(asked(request))


def bare(request: Request) -> HTMLResponse:
    """The viewer alone on a page."""
    return HTMLResponse(BARE.replace("DATA", json.dumps(asked(request)).replace("<", "\\u003c"), 1))


app = App(
    str(Path(__file__).with_name("page.py")),
    routes=[*routes(find_voxels, find_overlay), Route("/hf/bare", bare), Route("/hf/data", data)],
)
