"""What a row's answer rests on: its columns as a waterfall in the person's own units, and real rows beside it."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard import frame, plots
from dashboard.class_marks import NEUTRAL, class_mark
from dashboard.predicted import Predicted
from dashboard.records import Records, different, number_text, short_name
from dashboard.state import Page
from dashboard.steps import options, what_if
from dashboard.steps.cases_list import thumb
from dashboard.steps.record_look import labelled_rows, look_at_record
from dashboard.steps.score import score
from dashboard.steps.watching import ended_badly
from dashboard.steps.what_if import free_lane
from dashboard.structures import PEN

METHODS = ("ig", "shapley", "ablation")
VIEWS = ("why", "what_if", "options", "row")
MOST_BARS = 8  # of the waterfall; the others stand together in one
FIGURE = 29, 44  # pixels a bar, and for the axis
NUMBER = "#6f8fc9"  # of a predicted number, which has no class
LEFT_OVER = 0.02  # of the whole way, above which what no column accounts for has a bar of its own
NEIGHBOURS = 4
MOST_LINES = 9  # of the rows side by side
CARD_HEIGHT = "calc(100vh - 140px)"


def method_panel(page: Page, prediction: Predicted) -> Mapping[str, Any] | None:
    """The choice of method and the state of its job, for the right column. Returns the explanation once it is there."""
    words = page.words
    method = st.segmented_control(
        words("rows.method"),
        METHODS,
        default=METHODS[0],
        required=True,
        format_func=lambda name: words(f"rows.method_{name}"),
        label_visibility="collapsed",
        key="row-method",
    )
    frame.quiet(words(f"rows.method_{method}_line"))
    args = {"run": page.run.id, "case": prediction.case, "method": method, "target": None}
    job = page.queue.find("explain_row", args)
    job = job or page.queue.file("explain_row", args, lane=free_lane(page), project=page.project.id, priority=1)
    if job.alive:
        _wait(page, job.id)
        return None
    if job.state != "done":
        ended_badly(page, job)
        return None
    for note in job.result.get("notes", ()):
        frame.remark(page.note(note), warn=True)
    return job.result


def _wait(page: Page, job_id: str) -> None:
    @st.fragment(run_every=0.25)
    def wait() -> None:
        job = page.queue.state(job_id)
        if not job.alive:
            st.rerun()
        st.progress(job.fraction, text=page.words("rows.working"))

    wait()


def centre(
    page: Page, prediction: Predicted, explained: Mapping[str, Any] | None, *, on_key: Callable[[str], bool]
) -> None:
    """The middle of Evidence for a row: why, what if, the options side by side, the whole row."""
    words = page.words
    records = page.records(prediction.case)
    if records is None:
        frame.card(words("record.gone"))
        return
    views = [v for v in VIEWS if (v != "options" or options.fits(page)) and (v != "what_if" or records.lines())]
    view = st.segmented_control(
        words("rows.view"),
        views,
        default="why",
        required=True,
        format_func=lambda name: words(f"rows.view_{name}"),
        label_visibility="collapsed",
        key="row-view",
    )
    if view == "row":
        look_at_record(page, prediction.case, on_key=on_key, height=CARD_HEIGHT)
        return
    # The card hears the keys; where another view is shown it is there without a height, for the keys alone.
    with st.container(key="keys-only"):
        look_at_record(page, prediction.case, on_key=on_key, height="0px", keys_only=True)
    if view == "what_if":
        what_if.show(page, prediction, records, explained)
    elif view == "options":
        options.show(page, prediction, records)
    else:
        _why(page, prediction, records, explained)


def _why(page: Page, prediction: Predicted, records: Records, explained: Mapping[str, Any] | None) -> None:
    if explained is None:
        frame.quiet(page.words("rows.working"))
    else:
        if records.molecule:
            _structure(page, prediction, records, explained)
        if explained["columns"]:
            _waterfall(page, prediction, explained)
    _beside(page, prediction, records, explained)


def _structure(page: Page, prediction: Predicted, records: Records, explained: Mapping[str, Any]) -> None:
    """The molecule with a halo round the atoms that speak for (orange) or against (blue) the answer."""
    words, smiles = page.words, records.cell(records.molecule, page.row(prediction.case)).text
    weights = (explained.get("atoms") or {}).get(records.molecule)
    dark = st.context.theme.type != "light"
    peak = max((abs(w) for w in weights), default=0.0) if weights else 0.0
    scaled = [w / peak for w in weights] if peak > 0 else None
    drawn = PEN.draw(smiles, scaled, width=560, height=300, dark=dark)
    # As a picture: Streamlit's st.html takes inline SVG away.
    source = "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
    st.html(f'<div class="hf-structure"><img src="{source}" alt="{frame.html.escape(smiles, quote=True)}"></div>')
    frame.quiet(words("rows.atoms") if scaled else words("rows.atoms_none"))
    share = (explained.get("atoms_share") or {}).get(records.molecule)
    if share is not None:
        frame.quiet(words("rows.atoms_share", percent=round(100 * share)))


def _waterfall(page: Page, prediction: Predicted, explained: Mapping[str, Any]) -> None:
    words = page.words
    parts = waterfall_parts(page, prediction.case, explained)
    name = explained.get("target") or prediction.predicted
    colour = class_mark(page.classes, name).colour if name in page.classes else NUMBER
    texts = {
        "base": _end(words("rows.base"), explained.get("base_probability")),
        "output": _end(words("rows.output"), explained.get("probability")),
        "x": words("rows.log_odds", name=name),
    }
    if prediction.amount:
        texts["x"] = words("rows.value_in", unit=page.unit) if page.unit else words("rows.value_plain")
    digits = 2 if not prediction.amount or abs(explained["output"]) < 100 else 0
    height = FIGURE[0] * (len(parts) + 2) + FIGURE[1]
    st.plotly_chart(
        plots.waterfall(
            explained["base"], explained["output"], parts, texts, colour=colour, height=height, digits=digits
        ),
        key=f"waterfall-{prediction.case}",
        config={"displayModeBar": False},
    )
    frame.quiet(words("rows.waterfall_hint_number" if prediction.amount else "rows.waterfall_hint"))


def _end(text: str, probability: float | None) -> str:
    """An end of the waterfall: for a class with its score, since log-odds are nobody's language."""
    return text if probability is None else f"{text}: {score(probability)}"


def waterfall_parts(page: Page, case_id: str, explained: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(text, amount) of the columns that speak loudest, "serum sodium 130", and the others together last."""
    ranked = sorted(explained["columns"], key=lambda each: -abs(each["amount"]))
    shown = [(_named(page, case_id, each), float(each["amount"])) for each in ranked[:MOST_BARS]]
    others = ranked[MOST_BARS:]
    if others:
        rest = page.words("rows.rest", count=len(others))
        shown.append((rest, float(sum(each["amount"] for each in others))))
    left_over = float(explained.get("left_over") or 0.0)
    if abs(left_over) > LEFT_OVER * (abs(explained["output"] - explained["base"]) or 1.0):
        shown.append((page.words("rows.left_over"), left_over))
    return shown


def _named(page: Page, case_id: str, column: Mapping[str, Any]) -> str:
    """A column with its value: "serum sodium 130 mEq/L"; of a molecule its structure or a property of it."""
    part = column.get("part") or ""
    if part == "structure":
        return page.words("rows.structure")
    text, unit = column.get("text") or "", column.get("unit") or ""
    records = page.records(case_id)
    entry = records.entries.get(column["column"])
    if entry is not None and entry.kind == "yes_no":
        text = page.yes_no(text.removesuffix(".0"))
    elif text and entry is not None and entry.kind == "number":
        text = number_text(float(text))  # as everywhere on the page
    called = records.unit(entry) if unit and entry is not None else unit
    said = f"{text} {called}".strip() if text else page.words("record.missing")
    return beside_name(part or short_name(column["column"], unit), said)


def beside_name(name: str, said: str, most: int = plots.LONGEST_TEXT) -> str:
    """A name with its value in `most` characters: of the two the name is cut."""
    room = max(most // 3, most - len(said) - 1)
    short = name if len(name) <= room else name[: room - 1].rstrip() + "\u2026"
    return f"{short} {said}"


def _beside(page: Page, prediction: Predicted, records: Records, explained: Mapping[str, Any] | None) -> None:
    """Neighbours, or each class's typical patient, as real rows beside this one; what differs is set off."""
    words = page.words
    kinds = ("nearest", "typical") if prediction.typical else ("nearest",)
    kind = st.segmented_control(
        words("evidence.nearest"),
        kinds,
        default="nearest",
        required=True,
        format_func=lambda name: words(f"rows.{name}"),
        label_visibility="collapsed",
        key="rows-rest-on",
    )
    chosen = prediction.near[:NEIGHBOURS] if kind == "nearest" else prediction.typical[:NEIGHBOURS]
    others = [(each.case, each.label, each.distance) for each in chosen]
    if not others:
        frame.quiet(words("rows.no_neighbours"))
        return
    st.html(side_by_side(page, prediction.case, others, records, _lines(page, records, explained)))
    frame.quiet(words("rows.beside_hint"))


def _lines(page: Page, records: Records, explained: Mapping[str, Any] | None) -> list[str]:
    """The columns worth comparing: those that speak loudest for this row, else those that tell classes apart."""
    if explained:
        ranked = sorted(explained["columns"], key=lambda each: -abs(each["amount"]))
        names = [each["column"] for each in ranked if each["column"] in records.entries]
        names = [name for name in names if records.entries[name].role != "molecule"]
        if names:
            return names[:MOST_LINES]
    return records.telling(labelled_rows(page, records), MOST_LINES)


def side_by_side(
    page: Page, case_id: str, others: Sequence[tuple[str, str, float]], records: Records, names: Sequence[str]
) -> str:
    """HTML of this row beside others: a column each, a line for each of `names`."""
    mine, rows = page.row(case_id), [page.row(case) for case, _, _ in others]
    head = f"<td></td><th>{html.escape(page.title(case_id))}{_drawn(page, case_id)}</th>"
    for case, label, distance in others:
        head += (
            f"<th>{html.escape(page.title(case))}{_drawn(page, case)}{_label(page, label)}"
            f"<small>{html.escape(page.words('evidence.distance', value=f'{distance:.2f}'))}</small></th>"
        )
    body = ""
    labelled = list(labelled_rows(page, records))
    for name in names:
        spread = _spread(records, name, [mine, *labelled])
        here = records.cell(name, mine)
        cells = f"<td><b>{_cell(page, here)}</b></td>"
        for row in rows:
            there = records.cell(name, row)
            kind = "apart" if different(here, there, spread) else "alike"
            cells += f'<td class="{kind}">{_cell(page, there)}</td>'
        body += f'<tr><th title="{html.escape(name, quote=True)}">{html.escape(records.called(name))}</th>{cells}</tr>'
    return f'<table class="hf-beside"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _drawn(page: Page, case_id: str) -> str:
    address = thumb(page, case_id)
    return f'<img src="{html.escape(address, quote=True)}" alt="">' if address else ""


def _cell(page: Page, cell: Any) -> str:
    return f"<i>{html.escape(page.words('record.missing'))}</i>" if cell.missing else html.escape(cell.said)


def _label(page: Page, label: str) -> str:
    if label in page.classes:
        mark = class_mark(page.classes, label)
        return frame.pill(f"{mark.shape} {label}", mark.colour)
    return frame.pill(f"{label} {page.unit}".strip(), NEUTRAL)


def _spread(records: Records, name: str, rows: Sequence[int]) -> float:
    """The range of a column's numbers on these rows, 0 for words."""
    numbers = records.numbers(name)
    if numbers is None:
        return 0.0
    there = numbers[list(rows)]
    there = there[np.isfinite(there)]
    return float(there.max() - there.min()) if len(there) else 0.0
