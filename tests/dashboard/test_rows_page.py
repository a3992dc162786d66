"""Tables on the page without a browser: what a person says of columns, rows labelled, predicted, explained."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from dashboard.columns_table import Correction
from dashboard.steps import columns, options, what_if
from dashboard.words import Words
from engine.evidence import judge
from engine.evidence.judging_numbers import judge_number
from engine.jobs.queue import Queue
from engine.learners import NumberSupport, Support, learner
from engine.tables import Dictionary, propose
from tests.dashboard.rows import molecules, numbers, patients, project_of
from tests.dashboard.test_comparing_page import finish, shown
from tests.dashboard.test_steps import STEPS, open_step


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def with_run(store, project_id: str, *, number: bool = False, **more) -> list[str]:
    """File a run as the engine does for rows; returns the predicted cases."""
    cases, labels = [c.id for c in store.cases(project_id)], store.labels(project_id)
    taught = [c for c in cases if c in labels]
    asked = [c for c in cases if c not in labels]
    rng = np.random.default_rng(0)
    embeddings = torch.from_numpy(rng.normal(size=(len(cases), 6)).astype(np.float32))
    groups = tuple(f"p{i}" for i in range(len(taught)))
    others = [f"q{i}" for i in range(len(asked))]
    if number:
        support = NumberSupport(embeddings[: len(taught)], torch.tensor([labels[c] for c in taught]), "days", groups)
        judged, _ = judge_number(learner("ridge"), support, taught, embeddings[len(taught) :], asked, others)
    else:
        classes = store.project(project_id).classes
        targets = torch.tensor([classes.index(labels[c]) for c in taught])
        support = Support(embeddings[: len(taught)], targets, classes, groups)
        judged, _ = judge(learner("protonet"), support, taught, embeddings[len(taught) :], asked, others)
    raw = judged.to_json()
    predictions = {p["case"]: {**p, "places": []} for p in raw.pop("predictions")}
    record = {
        **raw,
        "seed": 0, "look": "row", "asked_look": "auto", "device": "CPU", "target": "number" if number else "class",
        "support": [{"case": c, "label": labels[c], "at_mm": None} for c in taught], "marks": "earlier",
        "versions": {"handful": "test"}, "seconds": {"looking": 0.1, "predictions": 0.2}, "changed": None, **more,
    }  # fmt: skip
    store.file_run(project_id, record, predictions)
    return asked


def explained(case: str, near: str) -> dict:
    names = [("creatinine (mg/dL)", "1.9", "mg/dL", 0.6), ("age (years)", "", "years", -0.2), ("sex", "f", "", 0.1)]
    return {
        "base": 0.0, "output": 0.5, "base_probability": 0.5, "probability": 0.62, "left_over": 0.0, "target": "worse",
        "unit": "", "columns": [{"column": n, "part": "", "text": t, "unit": u, "amount": a} for n, t, u, a in names],
        "neighbours": [], "typical": [], "atoms": {},
    }  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["patients", "molecules", "numbers"])
def test_every_step_draws_for_rows_before_and_after_a_run(project, data_dir, kind, language):
    store, _ = project
    table = {"patients": patients, "molecules": molecules, "numbers": numbers}[kind]()
    label = {"patients": "outcome", "molecules": "active", "numbers": "days"}[kind]
    unit = "days" if kind == "numbers" else None
    made = project_of(store, data_dir, table, label=label, unit=unit, taught=4 if kind == "molecules" else 8)
    for step in STEPS:
        open_step(made, step, language)
    with_run(store, made, number=kind == "numbers")
    for step in STEPS:
        open_step(made, step, language)


def test_a_waiting_table_shows_its_columns_and_keeping_it_files_one_job(project, data_dir):
    store, _ = project
    empty, table = store.create_project("Table"), patients()
    draft = store.add_draft(empty.id, table, propose(table, label="outcome"))
    page = open_step(empty.id, "gather")
    assert "patients.csv" in shown(page)
    page.button(key="keep").click().run()
    (job,) = Queue(data_dir).jobs(project=empty.id, kinds=("keep_table",))
    assert job.args["draft"] == draft
    assert (job.args["label_from"], job.args["target"], job.args["teach"]) == ("outcome", "class", 10)
    assert Dictionary.from_json(job.args["dictionary"])["patient id"].role == "patient"


def test_a_class_of_one_row_is_said_before_the_table_is_kept_and_only_its_row_is_promised(project):
    store, _ = project
    empty, table = store.create_project("Table"), patients()
    table.frame["outcome"] = ["rare", *(["worse", "stable"] * len(table))[: len(table) - 1]]
    store.add_draft(empty.id, table, propose(table, label="outcome"))
    html = shown(open_step(empty.id, "gather"))
    assert "Only one row each says: rare." in html
    others = table.frame["outcome"].value_counts()[["worse", "stable"]]
    assert f"About {1 + sum(min(10, n) for n in others)} rows will teach" in html


def test_an_answer_that_is_always_the_same_cannot_be_kept(project):
    store, _ = project
    empty, table = store.create_project("Table"), patients()
    table.frame["outcome"] = "stable"
    store.add_draft(empty.id, table, propose(table, label="outcome"))
    page = open_step(empty.id, "gather")
    assert "the same in every row" in shown(page)
    assert page.button(key="keep").disabled


def test_a_kept_table_leads_on_to_label(project, data_dir):
    store, _ = project
    empty, table = store.create_project("Table"), patients()
    draft = store.add_draft(empty.id, table, propose(table, label="outcome"))
    page = open_step(empty.id, "gather")
    page.button(key="keep").click().run()
    queue = Queue(data_dir)
    job = queue.claim("intake", "test", 0)
    queue.end(job.id, "test", "done", result={"cases": 16, "labelled": 8, "notes": []})
    store.discard_draft(draft, kept=True)
    page.run()
    assert page.query_params["s"] in ("label", ["label"])


def test_a_kept_table_is_not_told_as_no_cases_and_its_classes_need_no_naming(project, data_dir):
    store, _ = project
    made, queue = project_of(store, data_dir, patients(), label="outcome"), Queue(data_dir)
    arrived = {"cases": 0, "already": 0, "removed": {}, "notes": [], "refused": 0, "drafts": 1}

    def told(result: dict) -> str:
        job = queue.file("take_in", {"project": made}, lane="intake", project=made)
        queue.claim("intake", "test", 0)
        queue.end(job.id, "test", "done", result=result)
        return shown(open_step(made, "gather"))

    html = told(arrived)
    assert "cases taken in" not in html and "name two or more classes" not in html
    assert "0 cases taken in" in told({**arrived, "drafts": 0, "refused": 1})


def test_a_table_that_is_thrown_away_is_gone(project):
    store, _ = project
    empty, table = store.create_project("Table"), patients()
    draft = store.add_draft(empty.id, table, propose(table))
    open_step(empty.id, "gather").button(key="throw").click().run()
    assert not store.drafts(empty.id)
    assert not store.draft_folder(draft).exists()


def test_a_table_in_a_project_of_scans_gets_a_project_of_its_own(project):
    store, scans = project
    table = patients()
    store.add_draft(scans, table, propose(table))
    open_step(scans, "gather").button(key="move-draft").click().run()
    assert not store.drafts(scans)
    (moved,) = (p for p in store.projects() if p.name == "patients")
    assert [d.name for d in store.drafts(moved.id)] == ["patients.csv"]


def test_corrections_stay_when_the_engine_proposes_anew():
    table = patients()
    choice = columns.Choice(propose(table, label="outcome"))
    choice.correct(Correction("age (years)", "role", "ignored"))
    choice.correct(Correction("sex", "role", "label"))
    choice.propose(propose(table, label="sex"))
    assert choice.label == "sex"
    assert choice.dictionary["age (years)"].role == "ignored"


def test_another_answer_has_the_engine_look_for_leaks_anew(project, data_dir):
    store, _ = project
    empty, table = store.create_project("Table"), patients()
    draft = store.add_draft(empty.id, table, propose(table, label="outcome"))
    page = open_step(empty.id, "gather")
    page.selectbox(key=f"label-{draft}-outcome").select("sex").run()
    (job,) = Queue(data_dir).jobs(project=empty.id, kinds=("propose_again",))
    assert job.args["label"] == "sex"
    assert page.button(key="keep").disabled


def test_a_proposal_ready_while_the_page_is_drawn_does_not_leave_the_button_grey(project, data_dir, monkeypatch):
    store, _ = project
    empty, table = store.create_project("Table"), patients()
    draft = store.add_draft(empty.id, table, propose(table, label="outcome"))
    queue, said = Queue(data_dir), columns.said

    def ended_meanwhile(*drawn):
        job = queue.claim("intake", "test", 0)
        if job is not None:
            queue.end(job.id, "test", "done", result={"dictionary": propose(table, label="sex").to_json()})
        return said(*drawn)

    page = open_step(empty.id, "gather")
    monkeypatch.setattr(columns, "said", ended_meanwhile)
    page.selectbox(key=f"label-{draft}-outcome").select("sex").run()
    assert not page.button(key="keep").disabled


def test_what_names_people_is_not_repeated_on_the_screen(project):
    store, _ = project
    empty, table = store.create_project("Table"), patients()
    store.add_draft(empty.id, table, propose(table, label="outcome"))
    (draft,) = store.drafts(empty.id)
    preview = columns._preview(draft, Dictionary.from_json(draft.dictionary))
    assert {row[0] for row in preview} == {columns.HIDDEN}
    assert "P001" not in shown(open_step(empty.id, "gather"))


def test_a_number_is_given_in_its_field_and_cleared_like_any_label(project, data_dir):
    store, _ = project
    made = project_of(store, data_dir, numbers(), label="days", unit="days", taught=3)
    case = store.cases(made)[5].id
    page = open_step(made, "label", case=case)
    page.number_input(key=f"number-of-{case}").set_value(12.5)
    next(b for b in page.button if b.label == "Save, go on").click().run()
    assert store.labels(made)[case] == 12.5
    page = open_step(made, "label", case=case)
    page.button(key="give-clear").click().run()
    assert store.labels(made)[case] is None


def test_adapt_for_rows_takes_the_method_for_rows_and_no_place(project, data_dir):
    store, _ = project
    store.set_setting("learners_rows", ["protonet", "incontext"])
    made = project_of(store, data_dir, patients(), label="outcome")
    open_step(made, "label").button(key="adapt").click().run()
    (job,) = Queue(data_dir).jobs(project=made, kinds=("adapt",))
    assert (job.args["learner"], job.args["look"]) == ("incontext", "auto")


def test_what_the_table_knew_is_counted_with_its_range(project, data_dir):
    store, _ = project
    made = project_of(store, data_dir, patients(), label="outcome")
    parts = {"stable": {"right": 4, "count": 4}, "worse": {"right": 2, "count": 4}}
    held = {"right": 6, "count": 8, "low": 0.35, "high": 0.97, "classes": parts, "wrong": []}
    with_run(store, made, held_back=held)
    assert "“worse”：4 行中对 2 行。" in shown(open_step(made, "adapt", "zh"))
    assert "right for 6 of 8; the likely range is 35 to 97 %. “stable”: 4 of 4; “worse”: 2 of 4." in shown(
        open_step(made, "adapt")
    )


def test_a_predicted_number_stands_with_its_interval(project, data_dir):
    store, _ = project
    made = project_of(store, data_dir, numbers(), label="days", unit="days", taught=12)
    (case, *_) = with_run(store, made, number=True)
    amount = store.predictions(store.latest_run(made).id)[case]
    assert amount["low"] is not None
    words = Words("en")
    html = shown(open_step(made, "evidence", case=case))
    assert words("rows.in_interval", percent=80) in html
    assert re.search(r"likely [\d.]+ – [\d.]+ days", html)
    held = {"count": 8, "mae": 3.0, "inside": 5, "low": 0.2, "high": 0.9}
    store.complete_run(store.latest_run(made).id, {"held_back": held})
    html = shown(open_step(made, "evidence", case=case))
    assert words("rows.in_interval_held", percent=80, k=5, n=8) in html
    assert words("rows.in_interval", percent=80) not in html


def test_the_evidence_of_a_row_names_columns_with_values_and_sets_real_rows_beside_it(project, data_dir):
    store, _ = project
    made = project_of(store, data_dir, patients(), label="outcome")
    (case, *_) = with_run(store, made)
    args = {"run": store.latest_run(made).id, "case": case, "method": "ig", "target": None}
    finish(Queue(data_dir), "explain_row", args, explained(case, ""))
    page = open_step(made, "evidence", case=case)
    html = shown(page)
    assert "hf-beside" in html and "creatinine" in html and "mg/dL" in html
    (figure,) = (json.loads(f.proto.spec) for f in page.get("plotly_chart") if "waterfall" in f.proto.id)
    assert "creatinine 1.9 mg/dL" in figure["layout"]["yaxis"]["ticktext"]
    assert "age missing" in figure["layout"]["yaxis"]["ticktext"]


def at_what_if(store, data_dir):
    """Evidence of the first predicted patient at its what-ifs: the page, the case, the project, the run, the queue."""
    made = project_of(store, data_dir, patients(), label="outcome")
    (case, *_) = with_run(store, made)
    run, queue = store.latest_run(made).id, Queue(data_dir)
    finish(queue, "explain_row", {"run": run, "case": case, "method": "ig", "target": None}, explained(case, ""))
    page = open_step(made, "evidence", case=case)
    page.session_state["row-view"] = "what_if"
    page.run()
    return page, case, made, run, queue


def test_what_if_is_answered_beside_the_row_as_it_is(project, data_dir):
    page, case, _, run, queue = at_what_if(project[0], data_dir)
    values = {"sex": "m" if page.selectbox(key=f"what-if-{case}-sex-0").value == "f" else "f"}
    finish(
        queue, "what_if", {"run": run, "case": case, "values": values}, {"probabilities": {"stable": 0.9, "worse": 0.1}}
    )
    page.selectbox(key=f"what-if-{case}-sex-0").select(values["sex"]).run()
    assert "With 1 value moved" in shown(page)
    assert not page.exception


def test_a_what_if_that_was_stopped_while_the_page_waited_can_be_asked_again(project, data_dir, monkeypatch):
    page, case, made, _, _ = at_what_if(project[0], data_dir)

    def stopped(page, kind, args):
        job = page.queue.file(kind, args, lane="learn", project=made)
        page.queue.cancel(job.id)  # as a reset of the project in another tab does
        return page.queue.state(job.id)

    monkeypatch.setattr(what_if, "ask", stopped)
    other = "m" if page.selectbox(key=f"what-if-{case}-sex-0").value == "f" else "f"
    page.selectbox(key=f"what-if-{case}-sex-0").select(other).run()
    assert "could not be drawn" not in shown(page) and "Stopped" in shown(page) and not page.exception
    assert [b for b in page.button if b.key.startswith("again-")]


def test_the_report_of_rows_speaks_of_rows_and_offers_no_pictures_of_scans(project, data_dir):
    store, scans = project
    made = project_of(store, data_dir, numbers(), label="days", unit="days")
    with_run(store, made, number=True)
    page = open_step(made, "report")
    html = shown(page)
    assert "most like it" in html and "number and interval" in html and "The kept table" in html
    assert "slice" not in html and "Scans without" not in html and "probability of each class" not in html
    assert not [b for b in page.button if b.key == "make-png"]
    assert "Scans without" in shown(open_step(scans, "report"))


def test_treatments_are_shown_as_what_was_chosen_with_a_warning(project, data_dir):
    store, _ = project
    made = project_of(store, data_dir, patients(), label="outcome")
    (case, *_) = with_run(store, made)
    page = open_step(made, "evidence", case=case)
    page.toggle(key=f"treatment-{made}").set_value(True).run()
    assert store.project(made).settings["treatment"] is True
    page.session_state["row-view"] = "options"
    page.run()
    html = shown(page)
    assert "what clinicians chose" in html and "never what is best" in html and "confounding" in html
    assert html.count('hf-option"') == 2


def test_options_are_offered_where_a_ready_task_is_about_treatments():
    class Fake:
        numeric = False
        project = type("P", (), {"settings": {"gallery": "diabetes-medication"}})

    assert options.fits(Fake)
    Fake.project.settings = {"gallery": "surgical-risk"}  # treatments among its columns, none to choose
    assert not options.fits(Fake) and options.warns(Fake)
    Fake.project.settings = {"gallery": "emergency"}
    assert not options.fits(Fake) and not options.warns(Fake)
