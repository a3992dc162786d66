"""The guided tour: coach marks on the real page, from "here are 24 studies" to "this is what it looked at".

The address carries it (`t`: number of the scene, `show=1`: as a presentation), so a reload or a second screen is at
the same place. A presentation is the same scenes with large type and without bar and foot, moved by the arrow keys.
"""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from dashboard import frame, state
from dashboard.state import Page
from dashboard.steps.adapt_button import file_adapt, why_not
from dashboard.tour.scenes import BY_ID, SCENES, Scene, in_order

_HERE = Path(__file__).parent
_WAITS = "tour-waits"  # in the session: the scene that waits for predictions
ORDER = "presentation"  # the setting that keeps a presenter's scenes
_tour = st.components.v2.component("handful_tour", js=(_HERE / "tour.js").read_text("utf-8"))


def begin(page: Page, *, show: bool = False) -> bool:
    """Open the demo project at the first scene; False where there is no demo project."""
    demo = demo_project(page)
    if demo is None:
        return False
    st.query_params.from_dict({"p": demo, "s": "label", "t": "0", **({"show": "1"} if show else {})})
    return True


def demo_project(page: Page) -> str | None:
    """The synthetic scans' project: of the demo projects that hold scans the one with the most of them."""
    demos = [p.id for p in page.store.projects() if p.demo and not p.settings.get("table")]
    return max(demos, key=lambda project: len(page.store.cases(project)), default=None)


def presenting() -> bool:
    return st.query_params.get("show") == "1" and "t" in st.query_params


def large_type() -> None:
    """For a projector: larger type, no bar, no foot."""
    st.html(f"<style>{(_HERE / 'presentation.css').read_text('utf-8')}</style>")


def scenes(page: Page) -> tuple[Scene, ...]:
    """A presentation's scenes as its presenter left them; the tour's own."""
    return in_order(json.loads(page.store.get_setting(ORDER) or "[]")) if presenting() else SCENES


def show(page: Page) -> None:
    """Draw the scene that the address names, if any, and act on what was clicked in it."""
    number = _number()
    if number is None or page.project is None:
        return
    if not page.project.demo:  # they went on with cases of their own
        _end()
    script = scenes(page)
    number = min(number, len(script) - 1)
    scene = script[number]
    waits = scene.needs_run and page.run is None
    _go_on_waiting(page, scene, number, waits)
    words, counts = page.words, {"count": len(page.cases), "labelled": len(page.labelled)}
    clicked = _tour(
        key="tour",
        data={
            "targets": list(scene.targets),
            "title": words(f"tour.{scene.id}_title", **counts),
            "text": words("tour.waiting" if waits else f"tour.{scene.id}_text", **counts),
            "place": words("tour.place", number=number + 1, total=len(script)),
            "first": number == 0,
            "last": number == len(script) - 1,
            "show": presenting(),
            "words": words.page("tour"),
        },
        on_move_change=lambda: None,
    )
    if clicked.move == "end":
        _end()
    elif clicked.move == "restart":
        _arrive(page, script[0], 0)
    elif clicked.move in ("next", "back"):
        at = number + (1 if clicked.move == "next" else -1)
        if 0 <= at < len(script):
            _arrive(page, script[at], at)
        else:
            _end()


def arrange(page: Page) -> None:
    """Where a presenter chooses scenes and their order; kept for the next time."""
    words = page.words
    chosen = [scene.id for scene in in_order(json.loads(page.store.get_setting(ORDER) or "[]"))]
    frame.quiet(words("tour.arrange_text"))
    count = len(page.store.cases(demo_project(page) or page.project.id))
    for i, name in enumerate(chosen):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"scene-{name}"):
            st.html(f'<p class="hf-p">{i + 1}. {frame.html.escape(words(f"tour.{name}_title", count=count))}</p>')
            for by, icon in ((-1, ":material/arrow_upward:"), (1, ":material/arrow_downward:")):
                hint = words("tour.earlier" if by < 0 else "tour.later")
                off = not 0 <= i + by < len(chosen)
                if st.button("", icon=icon, key=f"move-{name}-{by}", type="tertiary", help=hint, disabled=off):
                    chosen[i], chosen[i + by] = chosen[i + by], chosen[i]
                    _keep(page, chosen)
            if st.button(
                "", icon=":material/close:", key=f"drop-{name}", type="tertiary", help=words("tour.leave_out")
            ):
                _keep(page, [c for c in chosen if c != name])
    if set(chosen) != set(BY_ID) and st.button(words("tour.all_scenes"), key="all-scenes", type="tertiary"):
        _keep(page, [])


def _keep(page: Page, chosen: list[str]) -> None:
    page.store.set_setting(ORDER, json.dumps(chosen))
    st.rerun()


def _number() -> int | None:
    raw = st.query_params.get("t", "")
    return int(raw) if raw.isdigit() else None


def _arrive(page: Page, scene: Scene, number: int) -> None:
    """Go to a scene. One that shows predictions has Adapt pressed first, if nobody did, and waits for it there."""
    st.query_params["t"] = str(number)
    waits = scene.needs_run and page.run is None
    if waits:
        st.session_state[_WAITS] = {"scene": number, "pressed": _press_adapt(page)}
    _open_case(page, scene)
    state.go("adapt" if waits else scene.step)
    st.rerun()


def _go_on_waiting(page: Page, scene: Scene, number: int, waits: bool) -> None:
    """Where a scene waits for predictions: press Adapt once the scans are ready, go to the scene once it ran."""
    waiting = st.session_state.get(_WAITS)
    if waiting is None or waiting["scene"] != number:
        return
    if not waits:
        del st.session_state[_WAITS]
        _open_case(page, scene)
        state.go(scene.step)
        st.rerun()
    if waiting["pressed"]:
        return
    if _press_adapt(page):
        waiting["pressed"] = True
        st.rerun()

    @st.fragment(run_every=1.0)
    def until_ready() -> None:
        if why_not(page) is None:
            st.rerun()

    until_ready()


def _press_adapt(page: Page) -> bool:
    """As a person would; False where something is missing yet."""
    if why_not(page) is not None:
        return False
    file_adapt(page)
    return True


def _open_case(page: Page, scene: Scene) -> None:
    """Open the case that the scene is about; the first of the list where it is about none."""
    st.query_params.pop("c", None)
    state.go(case=case_of(page, scene))


def case_of(page: Page, scene: Scene) -> str | None:
    """The predicted case that a scene is about: the surest, or the least sure of those unlike anything labelled."""
    by_sureness = sorted(page.predictions.values(), key=lambda p: p.sureness)
    fitting = [p.case for p in by_sureness if p.case in page.by_id and p.unlike == (scene.case == "unlike")]
    if not scene.case or not fitting:
        return None
    return fitting[0 if scene.case == "unlike" else -1]


def _end() -> None:
    for key in ("t", "show"):
        st.query_params.pop(key, None)
    st.rerun()
