"""Lessons: one question each, a guess, the real learners' answer, one sentence to take away. No project is needed."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from dashboard.steps.lessons import (
    abstain,
    ambiguous,
    intervals,
    optimiser,
    patients,
    prototypes,
    saliency,
    shortcut,
    steps,
    wave,
)
from dashboard.steps.lessons.computing import computed
from dashboard.steps.lessons.scene import Lesson, Scene, bold

ROOT = Path(__file__).resolve().parents[3]
_CSS = (Path(__file__).parent / "frame.css").read_text("utf-8")
_MODULES = (wave, prototypes, steps, optimiser, ambiguous, shortcut, patients, intervals, saliency, abstain)
LESSONS: dict[str, Lesson] = {module.LESSON.name: module.LESSON for module in _MODULES}
KEPT = ("p", "c", "s", "l")  # what stays in the address when another lesson opens


def show(page: Page) -> None:
    st.html(f"<style>{_CSS}</style>")
    name = st.query_params.get("l", "")
    lesson = LESSONS.get(name) or next(iter(LESSONS.values()))
    with frame.columns((19, 53, 28)) as (left, centre, right):
        with left:
            _contents(page, lesson)
        with centre, st.container(key="lesson-centre"):
            scene = _centre(page, lesson)
        with right, st.container(key="lesson-right"):
            _right(page, lesson, scene)


def open_lesson(name: str) -> None:
    """Change the address to a lesson as it starts. Called by buttons before the page is drawn, as are the others here:
    a press then draws it once and not twice, which a class feels."""
    for key in [k for k in st.query_params if k not in KEPT]:
        del st.query_params[key]
    st.query_params["l"] = name


def _contents(page: Page, lesson: Lesson) -> None:
    words = page.words
    frame.heading(words("lessons.title"))
    with st.container(key="lesson-list"):
        for number, name in enumerate(LESSONS, 1):
            done = " ✓" if _guess_key(name) in st.session_state else ""
            kind = "secondary" if name == lesson.name else "tertiary"
            text = f"{number}. {words(f'lessons.{name}.title')}{done}"
            st.button(text, key=f"open-lesson-{name}", type=kind, width="stretch", on_click=open_lesson, args=(name,))


def _centre(page: Page, lesson: Lesson) -> Scene | None:
    """Title, question, figure. Returns the scene, None while there is nothing to show yet."""
    words, plan = page.words, lesson.plan
    number = list(LESSONS).index(lesson.name) + 1
    st.html(
        f'<h1 class="hf-lesson-title">{number}. {bold(words(f"lessons.{lesson.name}.title"))}</h1>'
        f'<p class="hf-lesson-question">{bold(words(f"lessons.{lesson.name}.question"))}</p>'
    )
    result = computed(page, plan, plan.read(st.query_params.to_dict()))
    if result is None:
        return None
    scene = Scene(page, plan, result, _guess_key(lesson.name) in st.session_state)
    lesson.draw(scene)
    return scene


def _right(page: Page, lesson: Lesson, scene: Scene | None) -> None:
    words, prefix = page.words, f"lessons.{lesson.name}"
    # Before the first answer there is nothing to control; a slider that is drawn and drawn again elsewhere a moment
    # later would report its lower end as a person's wish.
    if scene is not None:
        _guess(page, lesson, scene)
        frame.heading(words("lessons.try"))
        lesson.controls(scene)
        if scene.told:
            frame.quiet(words(f"{prefix}.break"))
    _more(page, lesson)
    with st.container(key="next"):
        _next(page, lesson)


def _guess(page: Page, lesson: Lesson, scene: Scene) -> None:
    """The reader's guess first; then what the run says, and what to take away."""
    words, prefix = page.words, f"lessons.{lesson.name}"
    said = st.session_state.get(_guess_key(lesson.name))
    if said is None:
        frame.heading(words("lessons.guess"))
        for k in range(1, lesson.guesses + 1):
            st.button(
                words(f"{prefix}.guess_{k}"), key=f"guess-{lesson.name}-{k}", width="stretch",
                on_click=_keep_guess, args=(lesson.name, k),
            )  # fmt: skip
        return
    values = lesson.values(scene.result)
    right = said == lesson.right(scene.result)
    guessed = words(f"{prefix}.guess_{said}")
    verdict = words("lessons.guessed_right" if right else "lessons.guessed_else", guess=guessed)
    frame.card(verdict, words(f"{prefix}.answer", **values))
    st.html(f'<div class="hf-take">{bold(words(f"{prefix}.take"))}</div>')


def _more(page: Page, lesson: Lesson) -> None:
    """Source, paper, the teacher's script, the link."""
    words, plan = page.words, lesson.plan
    with st.expander(words("lessons.more")):
        st.html(f'<p class="hf-p"><a href="{plan.link}" target="_blank" rel="noreferrer">{bold(plan.paper)}</a></p>')
        for path in plan.source:
            if st.button(path, key=f"source-{lesson.name}-{path}", type="tertiary", icon=":material/code:"):
                _source(page, path)
        frame.heading(words("lessons.teacher"))
        frame.quiet(words(f"lessons.{lesson.name}.teacher"))
        frame.heading(words("lessons.link"))
        st.code(link(), language=None, wrap_lines=True)


def link() -> str:
    """The address of what is shown, without the project: settings as they stand."""
    kept = {k: v for k, v in st.query_params.to_dict().items() if k not in ("p", "c", "v")}
    query = "&".join(f"{k}={v}" for k, v in {"s": "lessons", **kept}.items())
    return f"{(st.context.url or '').split('?')[0]}?{query}"


def _source(page: Page, path: str) -> None:
    @st.dialog(path, width="large")
    def show_source() -> None:
        st.code((ROOT / path).read_text("utf-8"), language="python", line_numbers=True, height=560)

    show_source()


def _next(page: Page, lesson: Lesson) -> None:
    names = list(LESSONS)
    at = names.index(lesson.name)
    text = page.words("lessons.next") if at + 1 < len(names) else page.words("lessons.from_start")
    after = names[(at + 1) % len(names)]
    st.button(text, key="lesson-next", type="primary", width="stretch", on_click=open_lesson, args=(after,))


def _keep_guess(name: str, guess: int) -> None:
    st.session_state[_guess_key(name)] = guess


def _guess_key(name: str) -> str:
    return f"lesson-guess-{name}"
