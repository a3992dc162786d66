"""All methods compared, the inner loop walked through, and how sure an answer is: what the page says and files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dashboard.words import Words
from engine.evidence.comparing import agreement, compare_one, recommend
from engine.evidence.folds import leave_out
from engine.jobs.queue import LEARN, Queue
from engine.learners import Support, learner
from engine.nouns import Geometry, Note
from engine.projects.digest import marks_digest
from tests.dashboard.test_steps import adapted, open_step

NAMES = ("protonet", "maml", "nearest")


def shown(page) -> str:
    return " ".join(h.proto.body for h in page.get("html"))


def at(page, view: str):
    page.query_params["v"] = view
    return page.run()


def with_run(store, project_id: str, **more):
    """A run that speaks of the labels as they are, with whatever the engine found out about it since."""
    adapted(store, project_id)
    marks = marks_digest(
        {c: v for c, v in store.labels(project_id).items() if v}, store.places(project_id), store.regions(project_id)
    )
    run = store.latest_run(project_id)
    store.complete_run(run.id, {"marks": marks, **more})
    return store.latest_run(project_id)


def comparison() -> dict:
    """A comparison as the engine keeps it, over numbers instead of pictures."""
    rng = np.random.default_rng(0)
    embeddings = torch.from_numpy(rng.normal(size=(8, 12)).astype(np.float32))
    support = Support(embeddings[:6], torch.tensor([1, 0, 1, 0, 1, 0]), ("smooth", "spiculated"), tuple("abcdef"))
    rows = [compare_one(learner(name), support, leave_out(support), embeddings[6:]) for name in NAMES]
    best, notes = recommend(rows, support)
    return {
        "methods": [row.to_json() for row in rows],
        "asked": ["case6", "case7"],
        "agreement": {
            "methods": list(NAMES),
            "labelled": agreement([row.tested.predicted for row in rows]),
            "asked": agreement([row.answers for row in rows]),
        },
        "recommended": best,
        "notes": [note.to_json() for note in notes],
    }


def finish(queue: Queue, kind: str, args: dict, result: dict) -> None:
    """The job of these arguments, done with this result."""
    job = queue.file(kind, args, lane=LEARN)
    assert queue.claim(LEARN, "test", 0).id == job.id
    queue.end(job.id, "test", "done", result=result)


def test_comparing_is_filed_for_the_newest_run_and_any_tab_sees_and_stops_it(project, tmp_path):
    store, project_id = project
    run, queue = with_run(store, project_id), Queue(tmp_path / "data")
    at(open_step(project_id, "adapt"), "compare").button(key="compare-all").click().run()
    (job,) = queue.jobs(project=project_id, kinds=("compare",))
    assert job.args["run"] == run.id
    at(open_step(project_id, "adapt"), "compare").button(key="stop-compare").click().run()
    assert queue.state(job.id).state == "cancelled"
    assert "Stopped. Nothing was changed." in shown(at(open_step(project_id, "adapt"), "compare"))


def test_labels_that_changed_since_are_not_compared(project):
    store, project_id = project
    adapted(store, project_id)  # its marks are of earlier
    assert at(open_step(project_id, "adapt"), "compare").button(key="compare-all").disabled


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_names_every_method_and_the_recommendation_is_a_sentence(project, language):
    store, project_id = project
    found = comparison()
    with_run(store, project_id, comparison=found)
    html = shown(at(open_step(project_id, "adapt", language), "compare"))
    words = Words(language)
    for row in found["methods"]:
        assert words(f"adapt.learner_{row['name']}") in html
        assert words("adapt.right_of", k=row["tested"]["right"], n=6, low=round(100 * row["tested"]["low"]),
                     high=round(100 * row["tested"]["high"])) in html  # fmt: skip
    assert words("adapt.learner_protonet") in html and "protonet" not in html


def test_use_this_adapts_with_it_and_remembers_it(project, tmp_path):
    store, project_id = project
    with_run(store, project_id, comparison=comparison())
    at(open_step(project_id, "adapt"), "compare").button(key="use-maml").click().run()
    jobs = Queue(tmp_path / "data").jobs(project=project_id, kinds=("adapt",))
    assert [job.args["learner"] for job in jobs] == ["maml"]
    assert store.project(project_id).settings["learner"] == "maml"


def test_a_comparison_stays_after_another_method_was_chosen(project):
    store, project_id = project
    with_run(store, project_id, comparison=comparison())
    with_run(store, project_id)
    assert "hf-squares" in shown(at(open_step(project_id, "adapt"), "compare"))


def test_what_the_engine_offers_is_offered_and_a_new_method_needs_no_code(project):
    store, project_id = project
    store.set_setting("learners", ["protonet", "brand-new"])
    page = open_step(project_id, "adapt")
    choice = next(box for box in page.selectbox if box.label == "Method")
    assert choice.options == ["Prototypical Networks", "brand-new"]
    choice.select("brand-new").run()
    assert store.project(project_id).settings["learner"] == "brand-new"
    assert not page.exception


def walk() -> dict:
    return {
        "steps": 3,
        "loss": [0.7, 0.5, 0.3, 0.2],
        "right": [3, 4, 6, 6],
        "count": 6,
        "classes": ["smooth", "spiculated"],
        "cases": {"case6": [[0.6, 0.4], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]], "case7": [[0.5, 0.5]] * 4},
    }


def test_the_inner_loop_is_walked_through_and_what_flipped_is_counted(project, tmp_path):
    store, project_id = project
    run = with_run(store, project_id)
    finish(Queue(tmp_path / "data"), "stepping", {"run": run.id}, walk())
    page = at(open_step(project_id, "adapt"), "steps")
    assert "After step 3: loss 0.200" in shown(page) and "1 of 2 predicted cases have changed" in shown(page)
    page.slider[0].set_value(0).run()
    assert "After step 0: loss 0.700" in shown(page) and "0 of 2 predicted cases have changed" in shown(page)


def test_a_case_taken_out_since_is_not_walked_through(project, tmp_path):
    store, project_id = project
    run = with_run(store, project_id)
    finish(Queue(tmp_path / "data"), "stepping", {"run": run.id}, walk())
    store.remove_case(project_id, "case6")
    assert "0 of 1 predicted cases have changed" in shown(at(open_step(project_id, "adapt"), "steps"))
    store.remove_case(project_id, "case7")
    assert "No predictions yet." in shown(at(open_step(project_id, "adapt"), "steps"))


def test_a_method_without_steps_says_so(project, tmp_path):
    store, project_id = project
    run = with_run(store, project_id)
    nothing = {"steps": 0, "loss": [], "right": [], "count": 6, "classes": ["smooth", "spiculated"], "cases": {}}
    finish(Queue(tmp_path / "data"), "stepping", {"run": run.id}, nothing)
    assert "Prototypical Networks has no inner loop" in shown(at(open_step(project_id, "adapt"), "steps"))


def sets(patients: int, names: list[str]) -> dict:
    def level(needed: int) -> dict:
        promised = ["smooth", "spiculated"] if patients >= needed else []
        return {"promises": promised, "cases": {"case6": names, "case7": names}}

    return {"patients": {"smooth": patients, "spiculated": 12}, "levels": {"0.8": level(4), "0.9": level(9)}}


@pytest.mark.parametrize(
    ("patients", "names", "sentence"),
    [
        (3, ["smooth", "spiculated"], "Can't promise anything: that needs 4 patients a class for 80 %, 9 for 90 %"),
        (5, ["smooth"], "Not excluded: smooth. Sets like this hold the right class for about 80 of 100"),
        (9, ["spiculated"], "Not excluded: spiculated. Sets like this hold the right class for about 90 of 100"),
        (9, ["smooth", "spiculated"], "No class can be excluded"),
    ],
)
def test_the_evidence_says_what_cannot_be_excluded(project, patients, names, sentence):
    store, project_id = project
    with_run(store, project_id, sets=sets(patients, names))
    # Texts are escaped on the page.
    assert sentence.replace("'", "&#x27;") in shown(open_step(project_id, "evidence", case="case6"))


def test_nothing_is_promised_for_a_case_unlike_anything_labelled(project):
    store, project_id = project
    run = with_run(store, project_id, sets=sets(9, ["smooth"]))
    predictions = {case: {**p, "unlike_flag": True} for case, p in store.predictions(run.id).items()}
    store.file_run(project_id, run.record, predictions)
    html = shown(open_step(project_id, "evidence", case="case6"))
    assert "Nothing is promised here" in html and "Not excluded" not in html


def test_the_evidence_counts_the_methods_that_say_the_same(project):
    store, project_id = project
    found = comparison()
    run = with_run(store, project_id, comparison=found)
    predicted = store.predictions(run.id)["case6"]["predicted"]
    same = sum(row["answers"][0] == predicted for row in found["methods"])
    assert f"Methods that say {predicted}: {same} of 3." in shown(open_step(project_id, "evidence", case="case6"))


def test_the_check_of_a_map_shows_its_figures_and_asks_whether_removing_the_marks_matters(project, tmp_path):
    store, project_id = project
    run, queue = with_run(store, project_id), Queue(tmp_path / "data")
    args = {"run": run.id, "case": "case6", "method": "gradcam"}
    described = {
        "overlay": "x", "shape": [4, 64, 64], "geometry": Geometry().to_json(), "strongest": [1], "likeness": 0.1,
        "convergence": 0.034, "verdict": Note("evidence.map_sound").to_json(),
    }  # fmt: skip
    finish(queue, "explain", args, described)
    page = open_step(project_id, "evidence", case="case6")
    assert "adds up to the score within 3.4 %" in shown(page)
    page.button(key="ask-deletion").click().run()
    assert [dict(job.args) for job in queue.jobs(kinds=("deletion",))] == [args]
    values = {"share": 30, "start": "0.90", "marked": "0.40", "elsewhere": "0.85"}
    curve = {"shares": [0.0, 0.5, 1.0], "marked": [0.9, 0.3, 0.1], "elsewhere": [0.9, 0.8, 0.1]}
    finish(queue, "deletion", args, {**curve, "verdict": Note("evidence.deletion_yes", values).to_json()})
    assert "falls from 0.90 to 0.40" in shown(open_step(project_id, "evidence", case="case6"))


@pytest.mark.parametrize("state", ["failed", "cancelled"])
@pytest.mark.parametrize("kind", ["explain", "stepping"])
def test_what_gave_nothing_says_why_and_can_be_tried_again(project, tmp_path, kind, state):
    store, project_id = project
    run, queue = with_run(store, project_id), Queue(tmp_path / "data")
    args = {"run": run.id} if kind == "stepping" else {"run": run.id, "case": "case6", "method": "gradcam"}
    first = queue.file(kind, args, lane=LEARN, project=project_id)
    assert queue.claim(LEARN, "test", 0).id == first.id
    error = Note("jobs.kept_dying", {"attempts": 3}) if state == "failed" else None
    queue.end(first.id, "test", state, error=error)
    page = (
        at(open_step(project_id, "adapt"), "steps")
        if kind == "stepping"
        else open_step(project_id, "evidence", case="case6")
    )
    assert not page.exception and "That did not work" in shown(page)
    page.button(key=f"again-{first.id}").click().run()
    again = queue.find(kind, args)
    assert again.alive and again.id != first.id and again.project == project_id
