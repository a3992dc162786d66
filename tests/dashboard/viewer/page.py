"""The script of the test page; see harness.py."""

from __future__ import annotations

import json

import streamlit as st

from dashboard.viewer import Overlay, describe, thumbs, viewer
from tests.dashboard.viewer import cases

st.set_page_config(layout="wide")
st.html("<style>.stMainBlockContainer{padding:8px!important} [data-testid=stHeader]{display:none}</style>")
query = st.query_params
name = st.session_state.get("case") or query.get("case", "plain")
one = cases.known(name)
overlay = None
if query.get("overlay"):
    values, geometry = cases.overlay(one)
    overlay = Overlay(f"/hf/overlays/{name}", values.shape, geometry)
marks, places = [], []
if query.get("places"):
    n = one.volume.voxels.shape
    marks = [
        {"slice": n[0] // 4, "kind": "label", "colour": "#f0b35a", "title": "labelled"},
        {"slice": n[0] // 2, "kind": "overlay", "title": "strongest"},
    ]
    for part, by, label in ((0.35, "person", "smooth"), (0.6, "finder", "found")):
        centre = one.volume.geometry.to_mm([n[0] // 2, n[1] * 0.4, n[2] * part])
        size = [20.0, 24.0, 24.0] if by == "finder" else None
        places.append(
            {"centre_mm": list(centre), "size_mm": size, "shape": "sphere" if size else "point", "by": by}
            | {"score": 0.81 if size else None, "label": label, "colour": "#f0b35a" if size else "#4fc4b5"}
        )
log = st.session_state.setdefault("log", [])
events = viewer(
    describe(one.case, title=f"Case {name}", synthetic=one.synthetic),
    key="viewer",
    lang=query.get("lang", "en"),
    height=int(query.get("height", "720")),
    overlay=overlay,
    marks=marks,
    places=places,
    start=json.loads(query["start"]) if query.get("start") else None,
    backend=query.get("backend", "cpu"),
)
for event in events:
    log.append(
        {"kind": event.kind, "case": event.case, "key": event.key, "place": event.place and event.place.to_json()}
    )
    if event.kind == "key" and event.key in "jn" and query.get("then"):
        st.session_state["case"] = query["then"]
        st.rerun()
if query.get("small"):
    items = [
        {"case": describe(cases.known(f"phantom{i}").case, title=f"Case {i}"), "label": "smooth", "distance": f"0.{i}"}
        for i in (1, 2)
    ]
    pressed = thumbs(items, key="thumbs")
    if pressed:
        log.append({"kind": "pressed", "case": pressed})
st.text_input("write here", key="text")
with st.container(key="seen"):
    st.text(json.dumps(log))
