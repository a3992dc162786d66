"""What a component of ours sent and the page has not handled yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st


def unseen(sent: Mapping[str, Any] | None, seen_key: str) -> list[Mapping[str, Any]]:
    """The events of `sent` ({"mount", "list": [{"n", ...}]}, `dashboard/viewer/source/outbox.js`) that are new.

    The browser sends all that were not acknowledged, so quick keys are never lost; what was handled is remembered in
    the session under `seen_key`, which the component is given as "seen".
    """
    if not sent:
        return []
    seen = st.session_state.get(seen_key) or {}
    last = seen["n"] if seen.get("mount") == sent["mount"] else 0
    fresh = [raw for raw in sent["list"] if raw["n"] > last]
    if fresh:
        st.session_state[seen_key] = {"mount": sent["mount"], "n": fresh[-1]["n"]}
    return fresh
