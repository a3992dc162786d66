"""Adapt: watch the job, see what was predicted and how it tested, walk through it, compare methods, readers, runs."""

from __future__ import annotations

import streamlit as st

from dashboard import frame, state
from dashboard.class_marks import NEUTRAL, class_mark
from dashboard.learner_names import default_learner, learner_line, learner_names, learner_title
from dashboard.state import Page
from dashboard.steps import compare, inner_loop, readers, runs
from dashboard.steps.adapt_button import adapt_button, file_adapt, why_not
from dashboard.steps.cases_list import label_list, thumb
from dashboard.steps.label import split_sentences
from dashboard.steps.next_cases import next_cases
from dashboard.steps.tested import control_sentences, held_back_sentences, test_sentences

LOOKS = ("auto", "whole", "place")
VIEWS = ("result", "steps", "compare", "readers", "runs")
BESIDE = {"steps": inner_loop.moved_list, "readers": readers.differing_list, "runs": runs.flipped_list}


def show(page: Page) -> None:
    with frame.columns() as (left, centre, right):
        with right:
            _settings(page)
        view = drawn = None
        with centre:
            if _ready(page):
                view = _choice(page)
                drawn = _centre(page, view)
            elif page.run is None and (page.blind or len(page.store.readers(page.project.id)) > 1):
                view, found = "readers", readers.show(page)  # needs no run of one's own
                drawn = None if found is None else (found,)
        with left:
            if view in BESIDE and drawn is not None:
                BESIDE[view](page, *drawn)
                picked = None
            else:
                picked = label_list(page, "worklist")
    if picked:
        state.go("label", case=picked)
        st.rerun()


def _ready(page: Page) -> bool:
    """Whether there is a result to show; else the running job, or what to do first."""
    filed = page.queue.jobs(project=page.project.id, kinds=("adapt",), limit=20)
    job = next((each for each in filed if page.own is None or each.args.get("reader") == page.own), None)
    if page.under_way(job):
        _watch(page, job.id)
        return False
    if job is not None and job.state == "failed":
        frame.remark(page.words("app.job_failed", reason=page.words.whole(job.error)), warn=True)
    if job is not None and job.state == "cancelled":
        frame.quiet(page.words("adapt.stopped"))
    if page.run is None:
        frame.card(
            page.words("adapt.none"), quiet=page.words("adapt.none_number_hint" if page.numeric else "adapt.none_hint")
        )
        if st.button(page.words("adapt.go_label")):
            state.go("label")
            st.rerun()
    return page.run is not None


def _choice(page: Page) -> str:
    """Which of them is looked at; the address remembers it."""
    asked = st.query_params.get("v")
    asked = asked if asked in VIEWS else VIEWS[0]
    if st.session_state.get("adapt-view") not in VIEWS or st.session_state.get("adapt-view-asked") != asked:
        st.session_state["adapt-view"] = asked
    view = st.segmented_control(
        page.words("adapt.view"),
        VIEWS,
        required=True,
        format_func=lambda name: page.words(f"adapt.view_{name}"),
        label_visibility="collapsed",
        key="adapt-view",
    )
    st.session_state["adapt-view-asked"] = view
    if view != asked:
        state.go(view=view)
    return view


def _centre(page: Page, view: str) -> tuple | None:
    """Draw the view; returns what the list beside it (BESIDE) is drawn from, None where that is the worklist."""
    if view in ("readers", "runs"):
        found = readers.show(page) if view == "readers" else runs.show(page)
        return None if found is None else (found,)
    if view == "compare":
        compare.show(page)
    elif view == "steps":
        walk = inner_loop.walk_of(page)
        return (walk, inner_loop.show(page, walk)) if walk else None
    else:
        _result(page)
    return None


def _watch(page: Page, job_id: str) -> None:
    """The running job, looked at four times a second; any tab may do so, and stop it."""
    words = page.words

    @st.fragment(run_every=0.25)
    def watch() -> None:
        job = page.queue.state(job_id)
        if not job.alive:
            st.rerun()
        frame.heading(words("adapt.running"))
        text = words.note(job.note) if job.note else words("adapt.waiting")
        st.progress(job.fraction, text=text)
        left = job.seconds_left()
        if left is not None:
            frame.quiet(words("app.seconds_left", count=max(1, round(left))))
        if st.button(words("app.cancel"), key="stop-adapt", icon=":material/stop:"):
            page.queue.cancel(job_id)

    watch()


def _result(page: Page) -> None:
    words, record = page.words, page.run.record
    seconds = f"{record['seconds']['predictions']:.1f}"
    done = words("adapt.done", count=len(page.predictions), seconds=seconds)
    st.html(f'<div class="hf-big">{frame.html.escape(done)}</div>')
    frame.quiet(f"{learner_title(words, record['learner'])} · {words('adapt.device', device=record['device'])}")
    if page.stale:
        frame.remark(words("adapt.stale"))
    _grid(page)
    for sentence in (*held_back_sentences(page), *test_sentences(page)):
        frame.card(sentence)
    await_test(page)
    controls = control_sentences(page)
    if controls:
        frame.heading(words("adapt.versus"))
        for sentence in controls:
            frame.quiet(sentence)
    next_cases(page)
    _changed(page)
    if record["notes"]:
        frame.heading(words("adapt.checks"))
        for note in record["notes"]:
            frame.remark(page.note(note), warn="shortcut" in note["key"])


def await_test(page: Page) -> None:
    """While the run is being tested patient by patient, say so; draw the page anew when it is done."""
    job = page.queue.latest("test", page.project.id)
    if not page.under_way(job):
        return

    @st.fragment(run_every=1.0)
    def wait() -> None:
        now = page.queue.state(job.id)
        if not now.alive:
            st.rerun()
        st.progress(now.fraction, text=page.words("adapt.step_testing"))

    wait()


def _grid(page: Page) -> None:
    """Every predicted case as a tile, in the order of the list: its picture, its class, its score."""
    tiles = []
    for p in (page.predictions[c.id] for c in page.cases if c.id in page.predictions):
        mark = class_mark(page.classes, p.predicted) if p.predicted in page.classes else None
        colour = NEUTRAL if p.unlike or not mark else mark.colour
        text = "?" if p.unlike else f"{mark.shape if mark else ''} {p.tag}"
        more = f"<small>{frame.html.escape(p.amount.range)}</small>" if p.amount and p.amount.range else ""
        tiles.append(
            f'<div class="hf-tile" style="--c:{colour}">{_face(page, p.case)}'
            f"<b>{frame.html.escape(page.title(p.case))}</b><span>{frame.html.escape(text)}</span>{more}</div>"
        )
    # Rows scroll inside their box, which the keyboard must reach to scroll it.
    name = frame.html.escape(page.words("adapt.tiles"), quote=True)
    box = f'hf-tiles hf-rows" role="region" tabindex="0" aria-label="{name}' if page.of_rows else "hf-tiles"
    st.html(f'<div class="{box}">' + "".join(tiles) + "</div>")


def _face(page: Page, case_id: str) -> str:
    """What a tile shows of a case: its picture, a molecule's structure, or a row's most telling values."""
    if page.by_id[case_id].case.kind == "record":
        said = "".join(f"<li>{frame.html.escape(text)}</li>" for text in page.in_short(case_id))
        return f"<ul>{said}</ul>"
    drawn = ' class="drawn"' if page.is_row(case_id) else ""
    return f'<img src="{thumb(page, case_id)}" alt=""{drawn}>'


def _changed(page: Page) -> None:
    words, changed = page.words, page.run.record.get("changed")
    frame.heading(words("adapt.changed"))
    if changed is None:
        frame.quiet(words("adapt.changed_first"))
    elif not changed:
        frame.quiet(words("adapt.changed_none"))
    else:
        for c in changed:
            if c["case"] in page.by_id:
                before, after = page.said(c["before"]), page.said(c["after"])
                frame.quiet(words("adapt.changed_case", case=page.title(c["case"]), before=before, after=after))


def _settings(page: Page) -> None:
    words, settings = page.words, dict(page.project.settings)
    frame.heading(words("adapt.how"))
    names = learner_names(page)
    now = default_learner(page)
    learner = st.selectbox(
        words("adapt.learner"),
        names,
        index=names.index(now) if now in names else 0,
        format_func=lambda name: learner_title(words, name),
        key=f"choose-learner-{now}",  # chosen elsewhere ("use this"), it is another widget: the old one's value is gone
    )
    frame.quiet(learner_line(words, learner))
    look = settings.get("look", "auto")
    if not page.of_rows:
        look = st.selectbox(
            words("adapt.look_where"),
            LOOKS,
            index=LOOKS.index(look),
            format_func=lambda name: words(f"adapt.look_{name}"),
            key="choose-look",
        )
    seed = st.number_input(words("adapt.seed"), min_value=0, max_value=9999, value=int(settings.get("seed", 0)), step=1)
    chosen = {**settings, "learner": learner, "look": look, "seed": int(seed)}
    if chosen != settings:
        page.store.set_project_settings(page.project.id, **chosen)
        st.rerun()
    frame.heading(words("label.learn_from"))
    frame.card(*split_sentences(page), quiet=words("label.never_both"))
    if page.run is not None:
        if why_not(page) is None and st.button(words("adapt.again"), key="again", width="stretch"):
            file_adapt(page)
            st.rerun()
        with st.container(key="next"):
            if st.button(words("adapt.see"), key="see", type="primary", width="stretch"):
                state.go("evidence")
                st.rerun()
    else:
        adapt_button(page)
