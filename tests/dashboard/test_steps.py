"""The steps without a browser: what a click writes to the store, and that every page draws in both languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from engine.evidence import judge
from engine.learners import Support, learner
from engine.nouns import Place
from engine.projects.database import StoreError
from engine.projects.records import UNSURE
from engine.projects.store import Store

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
STEPS = ("projects", "gather", "label", "adapt", "evidence", "report")


def open_step(project_id: str, step: str, language: str = "en", case: str = "") -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=60)
    test.query_params["p"], test.query_params["s"] = project_id, step
    if case:
        test.query_params["c"] = case
    test.session_state["language"] = language
    test.run()
    assert not test.exception, [e.value for e in test.exception]
    assert not any("could not be drawn" in h.proto.body or "未能显示" in h.proto.body for h in test.get("html"))
    return test


def adapted(store: Store, project_id: str) -> None:
    """File a run as the engine does: three labelled cases a class, two predicted."""
    rng = np.random.default_rng(0)
    for i in range(6):
        store.set_label(project_id, f"case{i}", "smooth" if i % 2 else "spiculated")
    embeddings = torch.from_numpy(rng.normal(size=(8, 12)).astype(np.float32))
    targets = torch.tensor([1, 0, 1, 0, 1, 0])
    support = Support(embeddings[:6], targets, ("smooth", "spiculated"), tuple(f"patient{i}" for i in range(6)))
    ids = [f"case{i}" for i in range(8)]
    judged, _ = judge(learner("protonet"), support, ids[:6], embeddings[6:], ids[6:], ["patient6", "patient7"])
    raw = judged.to_json()
    predictions = {p["case"]: {**p, "places": []} for p in raw.pop("predictions")}
    record = {
        **raw,
        "seed": 0,
        "look": "whole",
        "asked_look": "auto",
        "device": "CPU",
        "support": [{"case": i, "label": "smooth", "at_mm": None} for i in ids[:6]],
        "marks": "earlier",
        "versions": {"handful": "test"},
        "seconds": {"looking": 0.1, "predictions": 0.2},
        "changed": [{"case": "case6", "before": "smooth", "after": "spiculated"}],
    }
    store.file_run(project_id, record, predictions)


@pytest.mark.parametrize("gone", ["case0", "case6"])  # a labelled and a predicted one
@pytest.mark.parametrize("step", STEPS)
def test_every_step_draws_after_a_case_of_the_run_was_taken_out(project, step, gone):
    store, project_id = project
    adapted(store, project_id)
    store.remove_case(project_id, gone)
    open_step(project_id, step)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("step", STEPS)
def test_every_step_draws_before_and_after_a_run(project, step, language):
    store, project_id = project
    open_step(project_id, step, language)
    adapted(store, project_id)
    open_step(project_id, step, language)


def test_an_empty_project_tells_what_to_do_next(project):
    store, _ = project
    empty = store.create_project("Empty")
    for step in STEPS[1:]:
        open_step(empty.id, step)


def test_a_class_button_writes_the_label_to_the_store_and_opens_the_next_case(project):
    store, project_id = project
    page = open_step(project_id, "label", case="case0")
    page.button(key="give-1").click().run()
    assert store.labels(project_id)["case0"] == "spiculated"
    assert page.query_params["c"] in ("case1", ["case1"])


def test_unsure_clear_and_undo_each_write_what_they_say(project):
    store, project_id = project
    page = open_step(project_id, "label", case="case0")
    page.button(key="give-unsure").click().run()
    assert store.labels(project_id)["case0"] == UNSURE
    page.button(key="give-undo").click().run()
    assert store.labels(project_id)["case0"] is None
    page.button(key="give-0").click().run()
    page = open_step(project_id, "label", case="case0")
    page.button(key="give-clear").click().run()
    assert store.labels(project_id)["case0"] is None


def test_an_undo_takes_back_ones_own_and_says_what_the_case_is_now(project):
    store, project_id = project
    page = open_step(project_id, "label", case="case0")
    page.button(key="give-0").click().run()
    store.set_label(project_id, "case1", "spiculated", reader="a colleague")
    page.button(key="give-undo").click().run()
    assert store.labels(project_id)["case1"] == "spiculated"
    assert store.labels(project_id)["case0"] is None
    said = "Taken back: Case 01 is “to label” again."
    assert any(said in h.proto.body for h in page.get("html"))
    page.button(key="give-undo").click().run()
    assert store.labels(project_id)["case1"] == "spiculated"  # never somebody else's


def test_what_could_not_be_written_is_said_and_the_step_stays_whole(project, monkeypatch):
    store, project_id = project
    page = open_step(project_id, "label", case="case0")

    def full(*_, **__):
        raise StoreError("store.disk_full", folder="/data")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "set_label", full)
        page.button(key="give-1").click().run()
    assert not page.exception
    assert ["is full" in each.value for each in page.toast] == [True]
    assert page.button(key="give-1") and page.button(key="adapt")  # nothing of the step is missing
    assert any("was not saved" in h.proto.body for h in page.get("html"))
    page.button(key="give-1").click().run()
    assert store.labels(project_id)["case0"] == "spiculated"


def test_adapt_waits_for_two_classes_and_says_so(project):
    store, project_id = project
    page = open_step(project_id, "label")
    assert page.button(key="adapt").disabled
    store.set_label(project_id, "case0", "smooth")
    assert open_step(project_id, "label").button(key="adapt").disabled
    store.set_label(project_id, "case1", "spiculated")
    assert not open_step(project_id, "label").button(key="adapt").disabled


def test_below_adapt_stands_what_the_method_took_the_last_time(project):
    store, project_id = project
    for case, label in (("case0", "smooth"), ("case1", "spiculated")):
        store.set_label(project_id, case, label)
    said = lambda: " ".join(h.proto.body for h in open_step(project_id, "label").get("html"))  # noqa: E731
    assert "a few seconds" in said()
    adapted(store, project_id)  # took 0.2 s
    assert "about 1 s, as the last time" in said()


def test_adapt_files_one_job_however_often_it_is_pressed(project, tmp_path):
    from engine.jobs.queue import Queue

    store, project_id = project
    store.set_label(project_id, "case0", "smooth")
    store.set_label(project_id, "case1", "spiculated")
    for _ in range(2):
        open_step(project_id, "label").button(key="adapt").click().run()
    jobs = Queue(tmp_path / "data").jobs(project=project_id, kinds=("adapt",))
    assert len(jobs) == 1
    assert jobs[0].args["learner"] == "protonet"


def test_the_split_is_told_in_words(project):
    store, project_id = project
    for i in range(3):
        store.set_label(project_id, f"case{i}", "smooth")
    store.set_label(project_id, "case3", UNSURE)
    html = " ".join(h.proto.body for h in open_step(project_id, "label").get("html"))
    assert "3 labelled cases teach." in html
    assert "4 will be predicted." in html
    assert "1 unsure, left out." in html


def test_a_place_can_be_forgotten(project):
    store, project_id = project
    store.set_place(project_id, "case0", Place((1.0, 2.0, 3.0)))
    open_step(project_id, "label", case="case0").button(key="unpoint-case0").click().run()
    assert not store.places(project_id).get("case0")


def test_disagreeing_makes_a_predicted_case_a_labelled_one(project):
    store, project_id = project
    adapted(store, project_id)
    open_step(project_id, "evidence", case="case6").button(key="correct-1").click().run()
    assert store.labels(project_id)["case6"] == "spiculated"


def test_the_page_imports_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, pkgutil, importlib, dashboard; "
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(dashboard.__path__, 'dashboard.') "
        "if m.name not in ('dashboard.app', 'dashboard.asgi')]; "
        "sys.exit(int('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=APP.parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]


def test_a_case_can_be_left_out_and_a_table_of_refusals_cleared(project):
    from engine.nouns import Note, Refused

    store, project_id = project
    store.refuse(project_id, [Refused("scout.dcm", Note("refused.localizer"))])
    page = open_step(project_id, "gather", case="case0")
    page.button(key="clear-refused").click().run()
    assert not store.refusals(project_id)
    page.button(key="remove-case0").click().run()
    assert "case0" not in {c.id for c in store.cases(project_id)}


def test_files_refused_alike_stand_in_one_line(project):
    from engine.nouns import Note, Refused

    store, project_id = project
    uneven = Note("refused.uneven", {"least": "7.5", "most": "115.0"})
    store.refuse(project_id, [Refused(f"chest.zip/IM{i}.dcm", uneven) for i in range(40)], upload="one")
    store.refuse(project_id, [Refused("scout.dcm", Note("refused.localizer")), Refused("a.tif", uneven)], upload="two")
    html = " ".join(h.proto.body for h in open_step(project_id, "gather", case="case0").get("html"))
    assert html.count("7.5 to 115.0 mm") == 2
    assert "chest.zip · 40 files" in html and "scout.dcm" in html and "a.tif" in html and "IM7" not in html


def test_the_log_of_what_was_done_speaks_the_pages_language(project):
    store, project_id = project
    store.set_label(project_id, "case0", "smooth")
    html = " ".join(h.proto.body for h in open_step(project_id, "report", case="case0").get("html"))
    assert "<td>labelled</td><td>Case 01</td>" in html and "label.set" not in html


def test_the_evidence_says_when_labels_have_changed_since(project):
    store, project_id = project
    adapted(store, project_id)
    html = " ".join(h.proto.body for h in open_step(project_id, "evidence").get("html"))
    assert "Labels changed since this run." in html
