"""A page with nothing but the drop zone, for the tests of it."""

import streamlit as st

from dashboard.upload import drop_zone

language = st.query_params.get("lang", "en")
st.session_state.setdefault("arrived", [])
arrived = None
if not st.toggle("another step"):
    arrived = drop_zone(st.query_params.get("p", ""), key="zone", language=language)
if arrived:
    st.session_state["arrived"].append(arrived.upload)
st.write(f"runs with an upload: {len(st.session_state['arrived'])}")
