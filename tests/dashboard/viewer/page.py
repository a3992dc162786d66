"""The script of the Streamlit test page; see harness.py."""

from __future__ import annotations

import json

import streamlit as st

from dashboard.viewer import thumbs, viewer
from tests.dashboard.viewer.asked import arguments

st.set_page_config(layout="wide")
st.html("<style>.stMainBlockContainer{padding:8px!important} [data-testid=stHeader]{display:none}</style>")
query = st.query_params
name = st.session_state.get("case") or query.get("case", "plain")
log = st.session_state.setdefault("log", [])
for event in viewer(key="viewer", **arguments(query, name)):
    place = event.place.to_json() if event.place else None
    log.append({"kind": event.kind, "case": event.case, "key": event.key, "place": place})
    if event.kind == "key" and event.key in "jn" and query.get("then"):
        st.session_state["case"] = query["then"]
        st.rerun()
if query.get("small"):
    items = []
    for i, small in enumerate(query["small"].split(",")):
        at = arguments({"places": "1"}, small)
        look = {"label": "smooth", "colour": "#4fc4b5", "distance": f"0.{i + 2}"}
        items.append({"case": at["case"], "place_mm": at["places"][0]["centre_mm"]} | look)
    pressed = thumbs(items, key="thumbs", lang=query.get("lang", "en"))
    if pressed:
        log.append({"kind": "pressed", "case": pressed})
st.text_input("write here", key="text")
with st.container(key="seen"):
    st.text(json.dumps(log))
