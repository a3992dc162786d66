"""Which map to draw over the scan: three methods, each a job; its check in a word and on demand in figures."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from engine.jobs.queue import LEARN

METHODS = ("gradcam", "ig", "occlusion")


def saliency_panel(page: Page, prediction: Mapping) -> dict | None:
    """Draw the choice and the state of the map. Returns the overlay for the viewer once the map is there.

    The first method's map is drawn as soon as a case is opened; the others when they are chosen.
    """
    words = page.words
    method = st.segmented_control(
        words("evidence.where"),
        METHODS,
        default=METHODS[0],
        required=True,
        format_func=lambda m: words(f"evidence.method_{m}"),
        label_visibility="collapsed",
        key="saliency-method",
    )
    args = {"run": page.run.id, "case": prediction["case"], "method": method}
    key = f"explain-{page.run.id}-{prediction['case']}-{method}"
    job = page.jobs.submit("explain", args, lane=LEARN, key=key, project=page.project.id, reuse_done=True)
    if job.alive:
        _wait(page, job.id)
        return None
    if job.state != "done":
        frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
        return None
    return _checked(page, job.result)


def _wait(page: Page, job_id: str) -> None:
    words = page.words

    @st.fragment(run_every=0.3)
    def wait() -> None:
        job = page.jobs.job(job_id)
        if not job.alive:
            st.rerun()
        st.progress(job.fraction, text=words("evidence.map_working"))

    wait()


def _checked(page: Page, result: Mapping) -> dict:
    """The map's check in a word, its figures on demand, and the overlay itself."""
    words = page.words
    frame.card(words.note(result["verdict"]), quiet=words("evidence.overlay_hint"))
    with st.expander(words("evidence.map_check_figures")):
        if result["delta"] is not None:
            frame.quiet(words("evidence.delta", percent=f"{100 * result['delta']:.1f}"))
        frame.quiet(words("evidence.likeness", value=f"{result['likeness']:.2f}"))
        frame.quiet(words("evidence.strongest", slices=", ".join(str(s + 1) for s in result["strongest"])))
    return {
        "id": result["overlay"],
        "url": f"/hf/overlays/{result['overlay']}?p={page.project.id}",
        "shape": result["shape"],
        "origin_mm": result["geometry"]["origin_mm"],
        "axes": result["geometry"]["axes"],
        "spacing_mm": result["geometry"]["spacing_mm"],
        "strongest": result["strongest"],
    }
