"""The inner loop on one's own cases: walk through the steps and see which answers move, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st

from dashboard import frame, plots, state
from dashboard.class_marks import NEUTRAL, class_mark
from dashboard.learner_names import learner_title
from dashboard.records import number_text
from dashboard.state import Page
from dashboard.steps.cases_list import thumb
from dashboard.steps.look import look
from dashboard.steps.score import score
from dashboard.steps.watching import ended_badly
from dashboard.worklist import worklist
from engine.jobs.queue import LEARN

VIEWER_HEIGHT = "calc(100vh - 545px)"  # the window less bar, foot, choice, slider and the two figures
FIGURE_HEIGHT = 180


@dataclass(frozen=True)
class Walk:
    """What the model said after each step, 0 to `steps`. `cases`: case -> a row of probabilities a step; where a number
    is learned its one value, and there are no `classes`."""

    steps: int
    loss: tuple[float, ...]
    right: tuple[int, ...]
    count: int
    classes: tuple[str, ...]
    cases: Mapping[str, tuple[tuple[float, ...], ...]]

    def answer(self, case: str, step: int) -> str:
        if not self.classes:
            return number_text(self.cases[case][step][0])
        row = self.cases[case][step]
        return self.classes[row.index(max(row))]

    def score(self, case: str, step: int) -> float:
        return max(self.cases[case][step])

    def flips(self, case: str, until: int | None = None) -> list[int]:
        """The steps at which the answer became another one; a number only moves."""
        if not self.classes:
            return []
        last = self.steps if until is None else until
        return [s for s in range(1, last + 1) if self.answer(case, s) != self.answer(case, s - 1)]

    def path(self, case: str) -> tuple[str, list[float]]:
        """The class answered at the end, and its probability after each step; for a number the number."""
        if not self.classes:
            return "", [row[0] for row in self.cases[case]]
        name = self.answer(case, self.steps)
        k = self.classes.index(name)
        return name, [row[k] for row in self.cases[case]]

    @classmethod
    def from_json(cls, raw: Mapping) -> Walk:
        classes = tuple(raw.get("classes", ()))
        rows = {case: each if classes else [[value] for value in each] for case, each in raw["cases"].items()}
        cases = {case: tuple(map(tuple, each)) for case, each in rows.items()}
        return cls(raw["steps"], tuple(raw["loss"]), tuple(raw.get("right", ())), raw["count"], classes, cases)


def walk_of(page: Page) -> Walk | None:
    """The walk through the newest run; None while it is not there, with the state of its job drawn."""
    words, args = page.words, {"run": page.run.id}
    job = page.queue.find("stepping", args) or page.queue.file("stepping", args, lane=LEARN, project=page.project.id)
    if job.alive:
        _wait(page, job.id)
        return None
    if job.state != "done":
        ended_badly(page, job)
        return None
    walk = Walk.from_json(job.result)
    walk = replace(walk, cases={case: rows for case, rows in walk.cases.items() if case in page.by_id})
    if not walk.steps:
        name = learner_title(words, page.run.record["learner"])
        frame.card(words("adapt.no_steps", name=name), quiet=words("adapt.no_steps_hint"))
        return None
    if not walk.cases:  # all were taken out of the project since
        frame.card(words("evidence.none"))
        return None
    return walk


def _wait(page: Page, job_id: str) -> None:
    @st.fragment(run_every=0.3)
    def wait() -> None:
        job = page.queue.state(job_id)
        if not job.alive:
            st.rerun()
        text = page.words.note(job.note) if job.note else page.words("adapt.waiting")
        st.progress(job.fraction, text=text)

    wait()


def show(page: Page, walk: Walk) -> int:
    """The slider (its arrow keys step too), what loss and answers do, and the case looked at. Returns the step."""
    words = page.words
    step = st.slider(
        words("adapt.step_slider", count=walk.steps), 0, walk.steps, walk.steps, key=f"inner-step-{page.run.id}"
    )
    flipped = [case for case in walk.cases if walk.flips(case, step)]
    frame.quiet(
        words("adapt.step_told_number", step=step, loss=f"{walk.loss[step]:.3f}", n=walk.count)
        if not walk.classes
        else words(
            "adapt.step_told",
            step=step,
            loss=f"{walk.loss[step]:.3f}",
            right=walk.right[step],
            n=walk.count,
            flipped=len(flipped),
            asked=len(walk.cases),
        )
    )
    case_id = _looked_at(page, walk)
    left, right = st.columns([40, 60], gap="small", wrap=False)
    with left:
        frame.heading(words("adapt.trace_loss"))
        st.plotly_chart(
            plots.trace(
                [{"step": s, "loss": loss} for s, loss in enumerate(walk.loss)],
                words("adapt.inner_step"),
                words("adapt.loss"),
                FIGURE_HEIGHT,
                at=step,
            ),
            key=f"walk-loss-{page.run.id}",
            config={"displayModeBar": False},
        )
    with right:
        frame.heading(words("adapt.trace_answers" if walk.classes else "adapt.trace_numbers"))
        st.plotly_chart(
            plots.paths(_paths(page, walk), page.classes, words("adapt.inner_step"), FIGURE_HEIGHT, at=step,
                        selected=case_id),
            key=f"walk-paths-{page.run.id}",
            config={"displayModeBar": False},
        )  # fmt: skip
    frame.heading(f"{page.title(case_id)} · {_told(page, walk, case_id, step)}")
    look(page, case_id, on_key=lambda key: False, height=VIEWER_HEIGHT, start_mm=_where(page, case_id))
    return step


def _told(page: Page, walk: Walk, case: str, step: int) -> str:
    """The answer at a step where there is little room."""
    if not walk.classes:
        return page.amount(walk.cases[case][step][0])
    return f"{walk.answer(case, step)} {score(walk.score(case, step))}"


def _looked_at(page: Page, walk: Walk) -> str:
    return page.case_id if page.case_id in walk.cases else next(iter(walk.cases))


def _where(page: Page, case_id: str) -> tuple | None:
    predicted = page.predictions.get(case_id)
    return predicted.places[0].centre_mm if predicted and predicted.places else None


def _paths(page: Page, walk: Walk) -> list[dict]:
    paths = []
    for case in walk.cases:
        name, values = walk.path(case)
        flips = bool(walk.flips(case))
        paths.append({"id": case, "title": page.title(case), "name": name, "values": values, "flips": flips})
    return paths


def moved_list(page: Page, walk: Walk, step: int) -> None:
    """The cases at the left as they are answered at this step, those that changed their answer first."""
    words = page.words
    items = []
    for case in walk.cases:
        name, flips = walk.answer(case, step), walk.flips(case, step)
        mark = class_mark(page.classes, name) if name in page.classes else None
        before = walk.cases[case][0][walk.classes.index(name) if walk.classes else 0]
        moved = walk.score(case, step) - before
        detail = words("adapt.moved", by=f"{round(moved, 2) + 0.0:+.2f}")  # no "-0.00"
        if flips:
            before = walk.answer(case, flips[-1] - 1)
            detail = words("adapt.flipped_at", step=flips[-1], before=before, after=name)
        items.append(
            {
                "id": case,
                "title": page.title(case),
                "detail": detail,
                "tag": {
                    "text": _told(page, walk, case, step),
                    "colour": mark.colour if mark else NEUTRAL,
                    "shape": mark.shape if mark else "",
                },
                "thumb": thumb(page, case),
                "filter": "flipped" if flips else "stayed",
                "order": (not flips, -abs(moved)),
            }
        )
    items.sort(key=lambda item: item.pop("order"))
    flipped = sum(1 for item in items if item["filter"] == "flipped")
    filters = [{"id": "all", "text": words("app.all"), "colour": None}]
    if flipped:
        filters.append({"id": "flipped", "text": words("adapt.filter_flipped", count=flipped), "colour": None})
    picked = worklist(
        items,
        key="walk-list",
        selected=_looked_at(page, walk),
        title=words("adapt.after_step", step=step),
        aside=words("adapt.flipped_first"),
        progress=step / walk.steps,
        filters=filters,
        empty=words("evidence.none"),
    )
    if picked and picked != page.case_id:
        state.go(case=picked)
        st.rerun()
