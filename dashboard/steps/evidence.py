"""Evidence: each prediction with its bars, its map, its nearest labelled cases; disagree and it becomes a label."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import frame, plots, state
from dashboard.class_marks import NEUTRAL, ClassMark, class_mark
from dashboard.predicted import Predicted
from dashboard.state import Page
from dashboard.steps import label, options, row_evidence
from dashboard.steps.adapt_button import adapt_button
from dashboard.steps.as_drawn import drawing
from dashboard.steps.cases_list import describe, label_list, thumb
from dashboard.steps.look import look, viewer_case
from dashboard.steps.saliency_panel import SaliencyMap, saliency_panel
from dashboard.steps.score import score
from dashboard.steps.sureness import sure_sentences
from dashboard.steps.tested import test_sentences
from dashboard.viewer import thumbs
from dashboard.worklist import worklist
from engine.nouns import Place

NEIGHBOURS_SHOWN = 4
NEIGHBOURS_HEIGHT = 150
FITS = 6  # letters of a class's name beside its bar at 1024 pixels; a Chinese one takes the room of two
# The window less bar, foot, margins and the row of neighbours; less a presenter's line, where there is one.
VIEWER_HEIGHT = "calc(100vh - 316px - var(--hf-presenter, 0px))"


def show(page: Page) -> None:
    predictions = page.predictions
    if not predictions:
        with frame.columns() as (left, centre, _):
            with left:
                label_list(page, "worklist")
            with centre:
                frame.card(
                    page.words("evidence.none"),
                    quiet=page.words("adapt.none_number_hint" if page.numeric else "adapt.none_hint"),
                )
        return
    case_id = page.case_id if page.case_id in predictions else _least_sure_first(predictions)[0].case
    prediction = predictions[case_id]
    drawing(page, case_id)
    with frame.columns() as (left, centre, right):
        with left:
            chosen = _list(page, predictions, case_id) or _map(page, predictions, case_id)
        if page.is_row(case_id):
            with right:
                explained = _answer(page, prediction)
            with centre:
                row_evidence.centre(page, prediction, explained, on_key=lambda key: _press(page, case_id, key))
            pressed = None
        else:
            pressed = _scan(page, prediction, centre, right)
    if pressed:
        state.go("label", case=pressed)
        st.rerun()
    if chosen and chosen != case_id:
        state.go(None if chosen in predictions else "label", case=chosen)
        st.rerun()


def _scan(page: Page, prediction: Predicted, centre: Any, right: Any) -> str | None:
    """The middle and the right for a scan: its map in the viewer, its neighbours; returns a neighbour pressed."""
    case_id = prediction.case
    with right:
        drawn = _answer(page, prediction)
    with centre:
        places, at = _places(prediction)
        look(
            page,
            case_id,
            on_key=lambda key: _press(page, case_id, key),
            height=VIEWER_HEIGHT,
            overlay=drawn.overlay if drawn else None,
            marks=_marks(page, drawn),
            found=places,
            start_mm=at,
            start_slice=drawn.strongest[0] if drawn and drawn.strongest else None,
        )
        return _neighbours(page, prediction)


def _press(page: Page, case_id: str, key: str) -> bool:
    """A labelling key on a predicted case: it becomes a labelled case and stays open; n and k walk the list."""
    if key.isdigit() and 1 <= int(key) <= len(page.classes):
        return label.give(page, case_id, page.classes[int(key) - 1], go_on=False)
    if key in ("next", "previous"):
        order = [p.case for p in _least_sure_first(page.predictions)]
        state.go(case=order[(order.index(case_id) + (1 if key == "next" else -1)) % len(order)])
        return True
    return label.press(page, key)


def _least_sure_first(predictions: dict[str, Predicted]) -> list[Predicted]:
    return sorted(predictions.values(), key=lambda p: p.sureness)


def _mark(page: Page, name: str) -> ClassMark | None:
    return class_mark(page.classes, name) if name in page.classes else None


def _list(page: Page, predictions: dict[str, Predicted], selected: str) -> str | None:
    words = page.words
    items = []
    for p in _least_sure_first(predictions):
        if p.case not in page.by_id:
            continue
        mark, labelled = _mark(page, p.predicted), page.labels.get(p.case)
        detail = describe(page, page.by_id[p.case])
        if labelled is not None:
            detail = words("evidence.labelled_now", name=page.said(labelled))
        elif p.unlike:
            detail = words("evidence.unlike_short")
        plain = p.unlike or mark is None
        items.append(
            {
                "id": p.case,
                "title": page.title(p.case),
                "detail": detail,
                "tag": {
                    "text": "?" if p.unlike else p.amount.text if p.amount else p.predicted,
                    "score": "" if p.unlike or p.amount else score(p.score),
                    "colour": NEUTRAL if plain else mark.colour,
                    "shape": "" if plain else mark.shape,
                },
                "thumb": thumb(page, p.case),
                "filter": p.predicted,
            }
        )
    filters = [{"id": "all", "text": words("app.all"), "colour": None}]
    for name in page.classes:
        count = sum(1 for i in items if i["filter"] == name)
        if count:
            mark = class_mark(page.classes, name)
            filters.append({"id": name, "text": f"{mark.shape} {name} {count}", "colour": mark.colour})
    with st.container(key="predicted-list"):
        return worklist(
            items,
            key="predicted",
            selected=selected,
            title=words("evidence.title", count=len(items)),
            aside=words("evidence.least_sure"),
            progress=None,
            filters=filters,
            empty=words("evidence.none"),
        )


def _map(page: Page, predictions: dict[str, Predicted], selected: str) -> str | None:
    """The embedding map; returns the case whose point was clicked."""
    words = page.words
    frame.heading(words("evidence.map_title"))
    points, prototypes = [], []
    for point in page.run.record["points"]:
        if point["kind"] == "prototype":
            if point["label"] in page.classes:
                title = words("evidence.prototype_of", name=point["label"])
                prototypes.append({"name": point["label"], "x": point["x"], "y": point["y"], "title": title})
        elif point["case"] in page.by_id:
            labelled = point["kind"] == "labelled"
            points.append(
                {
                    "id": point["case"],
                    "x": point["x"],
                    "y": point["y"],
                    "title": f"{page.title(point['case'])} · {point['label']}",
                    "label": point["label"] if labelled and not page.numeric else None,
                    "labelled": labelled,
                    "unlike": not labelled and point["case"] in predictions and predictions[point["case"]].unlike,
                }
            )
    event = st.plotly_chart(
        plots.embedding_map(points, prototypes, page.classes, selected),
        key=f"map-{page.run.id}-{selected}",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False, "scrollZoom": True},
    )
    for point in event.selection.points:
        if point.get("customdata"):
            return point["customdata"][0]
    return None


def _answer(page: Page, prediction: Predicted) -> SaliencyMap | Mapping[str, Any] | None:
    """The right column: bars or the number, the test on own cases, the methods of evidence, disagreeing.

    Returns the map to show, or for a row what its columns did.
    """
    words = page.words
    row = page.is_row(prediction.case)
    frame.heading(words("rows.predicted" if prediction.amount else "evidence.looks_like"))
    bars = _number(page, prediction) if prediction.amount else ""
    bars += "".join(_bar(page, prediction, name) for name in prediction.by_score)
    said = [*_truth(page, prediction), *sure_sentences(page, prediction), *test_sentences(page)[:1]]
    tested = "".join(f'<p class="hf-quiet">{html.escape(s)}</p>' for s in said)
    st.html(f'<div class="hf-card">{bars}{tested}</div>')
    if prediction.unlike:
        frame.remark(words("evidence.unlike"), warn=True)
    frame.heading(words("evidence.where"))
    if row:
        drawn = row_evidence.method_panel(page, prediction)
    else:
        drawn = saliency_panel(page, prediction)
        _place_steps(page, prediction)
    frame.heading(words("evidence.disagree"))
    _correct(page, prediction)
    if row and not page.numeric:
        options.switch(page)
    if row and options.warns(page):
        frame.remark(options.warning(page), warn=True)
    if page.stale:
        frame.remark(words("evidence.outdated"))
    adapt_button(page, words("evidence.adapt_again"))
    return drawn


def _correct(page: Page, prediction: Predicted) -> None:
    """Say what it is: the case becomes a labelled one."""
    words = page.words
    if page.numeric:
        label.number_field(page, prediction.case, go_on=False)
        return
    with st.container(horizontal=True, gap="small", key="correct"):
        for i, name in enumerate(page.classes):
            key = "evidence.right" if name == prediction.predicted else "evidence.it_is"
            if st.button(words(key, name=label.plain(name)), key=f"correct-{i}"):
                label.give(page, prediction.case, name, go_on=False)
                st.rerun()
    frame.quiet(words("evidence.disagree_hint"))


def _truth(page: Page, prediction: Predicted) -> list[str]:
    """The answer that came with the table, where there is one."""
    held = page.held_back.get(prediction.case)
    if held is None:
        return []
    said = page.words("rows.truth", value=page.said(held))
    if prediction.amount:
        return [said]
    right = page.words("rows.truth_right" if held == prediction.predicted else "rows.truth_wrong")
    return [f"{said} · {right}"]


def _number(page: Page, prediction: Predicted) -> str:
    """The number predicted, with the interval that holds the true one so often."""
    amount = prediction.amount
    body = f'<p class="hf-big">{html.escape(amount.text)}</p>'
    if not amount.range:
        return body + f'<p class="hf-quiet">{html.escape(page.words("rows.no_interval"))}</p>'
    body += f'<p class="hf-p">{html.escape(page.words("rows.likely", range=amount.range))}</p>'
    held, percent = page.run.record.get("held_back") or {}, round(100 * amount.level)
    said = page.words("rows.in_interval", percent=percent)
    if "inside" in held:  # what they are made for, beside what they did
        said = page.words("rows.in_interval_held", percent=percent, k=held["inside"], n=held["count"])
    return body + f'<p class="hf-quiet">{html.escape(said)}</p>'


def _bar(page: Page, prediction: Predicted, name: str) -> str:
    mark, value = _mark(page, name), prediction.scores[name]
    low, high = prediction.low[name], prediction.high[name]
    tip = html.escape(page.words("evidence.interval", low=f"{low:.2f}", high=f"{high:.2f}"))
    return (
        f'<div class="hf-bar{" long" if _long(page) else ""}" style="--c:{mark.colour if mark else NEUTRAL}" '
        f'title="{tip}">'
        f'<span class="t">{mark.shape if mark else ""} {html.escape(name)}</span>'
        f'<span class="b"><i style="width:{100 * value:.1f}%"></i>'
        f'<u style="left:{100 * low:.1f}%"></u><u style="left:{100 * high:.1f}%"></u></span>'
        f'<span class="v">{html.escape(score(value))}</span></div>'
    )


def _long(page: Page) -> bool:
    """True where a class's name does not fit before its bar in a narrow window: all names then stand above."""
    return any(sum(2 if ord(ch) > 0x2E7F else 1 for ch in name) > FITS for name in page.classes)


def _places(prediction: Predicted) -> tuple[list[Place], tuple | None]:
    """The places found, all marked on the slider, and the one to open at."""
    if not prediction.places:
        return [], None
    index = st.session_state.get(f"place-{prediction.case}", 0) % len(prediction.places)
    found = [p for p in prediction.places if p.by == "finder"]
    return found, prediction.places[index].centre_mm


def _place_steps(page: Page, prediction: Predicted) -> None:
    words, places = page.words, prediction.places
    if not places:
        return
    key = f"place-{prediction.case}"
    index = st.session_state.get(key, 0) % len(places)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        frame.quiet(f"{words('evidence.found_here')} {index + 1}/{len(places)}")
        if len(places) > 1 and st.button(words("evidence.found_next"), key=f"next-{key}", type="tertiary"):
            st.session_state[key] = index + 1
            st.rerun()
    frame.quiet(words("evidence.place_click"))


def _marks(page: Page, drawn: SaliencyMap | None) -> list[dict]:
    title = page.words("evidence.where")
    return [{"slice": s, "kind": "overlay", "title": title} for s in (drawn.strongest[:3] if drawn else ())]


def _neighbours(page: Page, prediction: Predicted) -> str | None:
    """The labelled cases it is most like, or the typical case of each class; returns one that was pressed."""
    words = page.words
    kind = st.segmented_control(
        words("evidence.nearest"),
        ("nearest", "prototypes"),
        default="nearest",
        required=True,
        format_func=lambda k: words(f"evidence.{k}"),
        label_visibility="collapsed",
        key="rests-on",
    )
    at_mm = {s["case"]: s["at_mm"] for s in page.run.record["support"]}
    rests_on = prediction.near[:NEIGHBOURS_SHOWN] if kind == "nearest" else prediction.typical
    tiles = [_tile(page, each.case, each.label, each.distance, at_mm) for each in rests_on]
    return thumbs(tiles, key="neighbours", lang=words.language, height=NEIGHBOURS_HEIGHT)


def _tile(page: Page, case_id: str, name: str, distance: float, at_mm: dict) -> dict:
    """A labelled case as a small viewer: its class, its distance, opened where it was looked at."""
    mark = _mark(page, name)
    return {
        "case": viewer_case(page, case_id),
        "label": f"{mark.shape if mark else ''} {name}".strip(),
        "colour": mark.colour if mark else NEUTRAL,
        "distance": page.words("evidence.distance", value=f"{distance:.2f}"),
        **({"place_mm": list(at_mm[case_id])} if at_mm.get(case_id) else {}),
    }
