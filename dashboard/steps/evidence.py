"""Evidence: each prediction with its bars, its map, its nearest labelled cases; disagree and it becomes a label."""

from __future__ import annotations

import html
from collections.abc import Mapping

import streamlit as st

from dashboard import frame, plots, state
from dashboard.class_marks import NEUTRAL, class_mark
from dashboard.state import Page
from dashboard.steps import label
from dashboard.steps.adapt_button import adapt_button
from dashboard.steps.cases_list import describe, thumb
from dashboard.steps.look import look
from dashboard.steps.saliency_panel import saliency_panel
from dashboard.viewer import small_viewers
from dashboard.worklist import worklist
from engine.nouns import Place

NEIGHBOURS_SHOWN = 4


def show(page: Page) -> None:
    words, run = page.words, page.run
    predictions = page.store.predictions(run.id) if run else {}
    if not predictions:
        with frame.columns() as (left, centre, _):
            with left:
                label.label_list(page, "worklist")
            with centre:
                frame.card(words("evidence.none"), quiet=words("adapt.none_hint"))
        return
    case_id = page.case_id if page.case_id in predictions else _least_sure_first(predictions)[0]["case"]
    if case_id != page.case_id:
        state.go(case=case_id)
    prediction = predictions[case_id]
    with frame.columns() as (left, centre, right):
        with left:
            picked = _list(page, predictions)
            mapped = _map(page, predictions)
        with right:
            overlay = _answer(page, prediction)
        with centre:
            places, at = _places(prediction)
            look(
                page,
                case_id,
                on_key=lambda key: label.press(page, key),
                overlay=overlay,
                marks=_marks(overlay),
                found=places,
                start_mm=at,
            )
            _neighbours(page, prediction)
    chosen = picked or mapped
    if chosen and chosen != case_id:
        state.go(case=chosen)
        st.rerun()


def _least_sure_first(predictions: Mapping[str, Mapping]) -> list[Mapping]:
    """Unlike anything labelled first, then by how close the two best classes are."""

    def sureness(p: Mapping) -> tuple:
        top = sorted(p["probabilities"].values(), reverse=True)
        return (not p["is_unlike"], top[0] - top[1] if len(top) > 1 else 1.0)

    return sorted(predictions.values(), key=sureness)


def _list(page: Page, predictions: Mapping[str, Mapping]) -> str | None:
    words = page.words
    items = []
    for p in _least_sure_first(predictions):
        case = page.by_id.get(p["case"])
        if case is None:
            continue
        mark = class_mark(page.classes, p["predicted"]) if p["predicted"] in page.classes else None
        label_now = page.labels.get(case.id)
        detail = describe(page, case)
        if p["is_unlike"]:
            detail = words("evidence.unlike_short")
        elif label_now:
            detail = words("evidence.labelled_now", name=label_now)
        elif p.get("agree"):
            detail = words("evidence.agree", k=p["agree"][0], n=p["agree"][1])
        score = p["probabilities"][p["predicted"]]
        items.append(
            {
                "id": case.id,
                "title": page.title(case.id),
                "detail": detail,
                "tag": {
                    "text": "?" if p["is_unlike"] else f"{p['predicted']} .{min(99, round(100 * score)):02d}",
                    "colour": NEUTRAL if p["is_unlike"] or mark is None else mark.colour,
                    "shape": "" if p["is_unlike"] or mark is None else mark.shape,
                },
                "thumb": thumb(page, case.id),
                "filter": p["predicted"],
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
            selected=page.case_id,
            title=words("evidence.title", count=len(items)),
            aside=words("evidence.least_sure"),
            progress=None,
            filters=filters,
            empty=words("evidence.none"),
        )


def _map(page: Page, predictions: Mapping[str, Mapping]) -> str | None:
    """The embedding map; returns the case whose point was clicked."""
    words, record = page.words, page.run.record
    frame.heading(words("evidence.map_title"))
    taught = {s["case"]: s["label"] for s in record["support"]}
    points = [
        {
            "id": case_id,
            "x": xy[0],
            "y": xy[1],
            "title": page.title(case_id) + (f" · {taught[case_id]}" if case_id in taught else ""),
            "label": taught.get(case_id),
            "unlike": bool(predictions.get(case_id, {}).get("is_unlike")),
        }
        for case_id, xy in record["map"]["cases"].items()
        if case_id in page.by_id
    ]
    prototypes = [
        {"name": name, "x": xy[0], "y": xy[1], "title": words("evidence.prototype_of", name=name)}
        for name, xy in record["map"]["prototypes"].items()
        if name in page.classes
    ]
    figure = plots.embedding_map(points, prototypes, page.classes, page.case_id)
    event = st.plotly_chart(
        figure,
        key=f"map-{page.run.id}-{page.case_id}",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False, "scrollZoom": True},
    )
    for point in event.selection.points:
        if point.get("customdata"):
            return point["customdata"][0]
    return None


def _answer(page: Page, prediction: Mapping) -> dict | None:
    """The right column: bars, the test on own cases, the map's methods, disagreeing. Returns the overlay to show."""
    words = page.words
    frame.heading(words("evidence.looks_like"))
    st.html('<div class="hf-card">' + "".join(_bar(page, prediction, name) for name in _by_score(prediction)) + "</div>")
    if prediction["is_unlike"]:
        frame.remark(words("evidence.unlike"), warn=True)
    test = page.run.record.get("test")
    if test:
        frame.quiet(words("evidence.tested", **test_values(test[page.run.record["look"]])))
    frame.heading(words("evidence.where"))
    overlay = saliency_panel(page, prediction)
    _place_steps(page, prediction)
    frame.heading(words("evidence.disagree"))
    frame.quiet(words("evidence.disagree_hint"))
    with st.container(horizontal=True, gap="small", key="correct"):
        for i, name in enumerate(page.classes):
            key = "evidence.right" if name == prediction["predicted"] else "evidence.it_is"
            if st.button(words(key, name=label._plain(name)), key=f"correct-{i}"):
                label.give(page, prediction["case"], name, go_on=False)
                st.rerun()
    adapt_button(page, words("evidence.adapt_again"))
    return overlay


def _by_score(prediction: Mapping) -> list[str]:
    return sorted(prediction["probabilities"], key=prediction["probabilities"].get, reverse=True)


def test_values(test: Mapping) -> dict:
    """{"right", "n", "low", "high"} as the sentence's k, n and whole percent."""
    return {"k": test["right"], "n": test["n"], "low": round(100 * test["low"]), "high": round(100 * test["high"])}


def _bar(page: Page, prediction: Mapping, name: str) -> str:
    mark = class_mark(page.classes, name) if name in page.classes else None
    score = prediction["probabilities"][name]
    low, high = prediction["low"].get(name, score), prediction["high"].get(name, score)
    colour = mark.colour if mark else NEUTRAL
    tip = html.escape(page.words("evidence.interval", low=f"{low:.2f}", high=f"{high:.2f}"))
    return (
        f'<div class="hf-bar" style="--c:{colour}" title="{tip}"><span class="t">{mark.shape if mark else ""} '
        f'{html.escape(name)}</span><span class="b"><i style="width:{100 * score:.1f}%"></i>'
        f'<u style="left:{100 * low:.1f}%"></u><u style="left:{100 * high:.1f}%"></u></span>'
        f'<span class="v">{f"{score:.2f}".lstrip("0") if score < 0.995 else "1.0"}</span></div>'
    )


def _places(prediction: Mapping) -> tuple[list[Place], tuple | None]:
    """The places found in the case, best first, and the one to open at."""
    places = [Place.from_json(p) for p in prediction.get("places", ())]
    if not places:
        return [], None
    index = st.session_state.get(f"place-{prediction['case']}", 0) % len(places)
    return [places[index]], places[index].centre_mm


def _place_steps(page: Page, prediction: Mapping) -> None:
    words, places = page.words, prediction.get("places", ())
    if not places:
        return
    key = f"place-{prediction['case']}"
    index = st.session_state.get(key, 0) % len(places)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        frame.quiet(f"{words('evidence.found_here')} {index + 1}/{len(places)}")
        if len(places) > 1 and st.button(words("evidence.found_next"), key=f"next-{key}", type="tertiary"):
            st.session_state[key] = index + 1
            st.rerun()
    frame.quiet(words("evidence.place_click"))


def _marks(overlay: Mapping | None) -> list[dict]:
    return [{"slice": s, "kind": "strong"} for s in (overlay or {}).get("strongest", ())]


def _neighbours(page: Page, prediction: Mapping) -> None:
    words = page.words
    near = [n for n in prediction["neighbours"] if n["case"] in page.by_id][:NEIGHBOURS_SHOWN]
    frame.heading(words("evidence.nearest"))
    tiles = []
    for n in near:
        mark = class_mark(page.classes, n["label"]) if n["label"] in page.classes else None
        tiles.append(
            {
                "case": page.by_id[n["case"]],
                "title": page.title(n["case"]),
                "tag": n["label"],
                "colour": mark.colour if mark else NEUTRAL,
                "shape": mark.shape if mark else "",
                "detail": words("evidence.distance", value=f"{n['distance']:.2f}"),
                "at_mm": n.get("at_mm"),
            }
        )
    small_viewers(page, tiles, key="neighbours")
