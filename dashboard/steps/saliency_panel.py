"""Which map to draw over the scan: three methods, each a job; its check in a word and on demand in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from dashboard import frame, plots
from dashboard.predicted import Predicted
from dashboard.state import Page
from dashboard.steps.watching import ended_badly
from dashboard.viewer import Overlay
from engine.jobs.queue import LEARN
from engine.nouns import Geometry

METHODS = ("gradcam", "ig", "occlusion")


@dataclass(frozen=True)
class SaliencyMap:
    """A finished map: what the viewer lays over the case, and the slices it is strongest on, strongest first."""

    overlay: Overlay
    strongest: tuple[int, ...]


def saliency_panel(page: Page, prediction: Predicted) -> SaliencyMap | None:
    """Draw the choice and the state of the map. Returns the map once it is there.

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
    args = {"run": page.run.id, "case": prediction.case, "method": method}
    job = page.queue.find("explain", args) or page.queue.file("explain", args, lane=LEARN, project=page.project.id)
    if job.alive:
        _wait(page, job.id, words("evidence.map_working"))
        return None
    if job.state != "done":
        ended_badly(page, job)
        return None
    return _checked(page, job.result, args)


def _wait(page: Page, job_id: str, text: str) -> None:
    @st.fragment(run_every=0.3)
    def wait() -> None:
        job = page.queue.state(job_id)
        if not job.alive:
            st.rerun()
        st.progress(job.fraction, text=text)

    wait()


def _checked(page: Page, result: Mapping, args: Mapping[str, str]) -> SaliencyMap:
    """The map's check in a word, its figures on demand, and the overlay itself."""
    words = page.words
    for note in result.get("notes", ()):
        frame.remark(words.note(note), warn=True)
    frame.card(words.note(result["verdict"]), quiet=words("evidence.overlay_hint"))
    with st.expander(words("evidence.map_check_figures")):
        if result["convergence"] is not None:
            frame.quiet(words("evidence.delta", percent=f"{100 * result['convergence']:.1f}"))
        if result["likeness"] is not None:
            frame.quiet(words("evidence.likeness", value=f"{result['likeness']:.2f}"))
        frame.quiet(words("evidence.strongest", slices=", ".join(str(s + 1) for s in result["strongest"])))
        _deletion(page, args)
    overlay = Overlay(
        f"/hf/overlays/{result['overlay']}", tuple(result["shape"]), Geometry.from_json(result["geometry"])
    )
    return SaliencyMap(overlay, tuple(result["strongest"]))


def _deletion(page: Page, args: Mapping[str, str]) -> None:
    """Does removing what is marked change the answer? Asked by a button: it takes some seconds."""
    words = page.words
    job = page.queue.find("deletion", args)
    if job is None or job.state == "cancelled":
        if st.button(words("evidence.deletion_ask"), key="ask-deletion", icon=":material/content_cut:"):
            page.queue.file("deletion", args, lane=LEARN, project=page.project.id)
            st.rerun()
        frame.quiet(words("evidence.deletion_hint"))
    elif job.alive:
        _wait(page, job.id, words("evidence.deletion_working"))
    elif job.state != "done":
        ended_badly(page, job)
    else:
        frame.heading(words("evidence.deletion_ask"))
        frame.quiet(words.note(job.result["verdict"]))
        texts = {name: words(f"evidence.deletion_{name}") for name in ("x", "y", "marked", "elsewhere")}
        st.plotly_chart(
            plots.deletion(job.result["shares"], job.result["marked"], job.result["elsewhere"], texts),
            key=f"deletion-{job.id}",
            config={"displayModeBar": False},
        )
