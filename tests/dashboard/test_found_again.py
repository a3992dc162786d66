"""Work that a page began is found again after a reload, and work that ends while a page is drawn is not overlooked."""

from __future__ import annotations

import re

import pytest

from dashboard.words import Words
from engine.jobs.queue import INTAKE, LEARN, Queue
from engine.projects.store import Store
from tests.dashboard.test_comparing_page import with_run
from tests.dashboard.test_gallery_page import open_task
from tests.dashboard.test_steps import adapted, open_step

WORDS = Words("en")


def shown(page) -> str:
    return " ".join(h.proto.body for h in page.get("html"))


def end(queue: Queue, lane: str, **result: object) -> None:
    job = queue.claim(lane, "worker", 1)
    queue.end(job.id, "worker", "done", result=result)


@pytest.fixture
def exported(project):
    """(store, project, queue) after somebody pressed Prepare for the table of predictions."""
    store, project_id = project
    adapted(store, project_id)
    open_step(project_id, "report").button(key="make-csv").click().run()
    return store, project_id, Queue(store.path.parent)


def file_of(store: Store, name: str) -> None:
    (store.path.parent / "downloads" / name).mkdir(parents=True)


def test_an_export_is_found_again_by_another_tab_while_it_is_made_and_afterwards(exported):
    store, project_id, queue = exported
    assert not [b for b in open_step(project_id, "report").button if b.key == "make-csv"]
    end(queue, LEARN, download="abc", name="nodules-predictions.csv")
    file_of(store, "abc")
    page = open_step(project_id, "report")
    assert "/hf/downloads/abc" in shown(page)
    page.button(key="again-csv").click().run()
    assert len(queue.jobs(kinds=("export",))) == 2


def test_what_was_exported_is_not_offered_once_a_label_changed_or_the_file_has_gone(exported):
    store, project_id, queue = exported
    end(queue, LEARN, download="abc", name="nodules-predictions.csv")
    assert open_step(project_id, "report").button(key="make-csv")  # nothing lies there
    file_of(store, "abc")
    assert "/hf/downloads/abc" in shown(open_step(project_id, "report"))
    store.set_label(project_id, "case7", "smooth")
    page = open_step(project_id, "report")
    assert "/hf/downloads/abc" not in shown(page)
    assert page.button(key="make-csv")


@pytest.mark.parametrize("button", ["open-task", "own-task"])
def test_a_ready_task_that_is_being_opened_is_found_again_and_leads_into_its_project(project, button):
    store, project_id = project
    open_task(project_id, "emergency").button(key=button).click().run()
    page = open_task(project_id, "emergency")
    assert page.button(key="open-task").disabled
    made = store.create_project("Emergency", settings={"gallery": "emergency"})
    end(Queue(store.path.parent), INTAKE, project=made.id)
    page.run()
    assert page.query_params["p"] in (made.id, [made.id])


def test_an_import_is_found_again_and_its_project_stands_in_the_list(project):
    store, project_id = project
    queue = Queue(store.path.parent)
    queue.file("open_project", {"project": "", "upload": "u", "reader": "reader"}, lane=INTAKE)
    page = open_step(project_id, "projects")
    assert page.get("progress")
    made = store.create_project("From elsewhere")
    end(queue, INTAKE, project=made.id)
    page.run()
    assert not page.get("progress")
    assert "From elsewhere" in shown(page)
    assert page.query_params["p"] in (project_id, [project_id])


def test_what_a_job_found_that_ended_while_the_page_was_drawn_is_drawn(project, monkeypatch):
    store, project_id = project
    run, queue = with_run(store, project_id), Queue(store.path.parent)
    queue.file("test", {"run": run.id, "project": project_id}, lane=INTAKE)
    read = Store.latest_run

    def read_then_end(self, *args, **more):
        newest = read(self, *args, **more)
        job = queue.claim(INTAKE, "worker", 1)
        if job is not None:
            store.complete_run(run.id, {"tests": {"nearest": run.record["tested"]}})
            queue.end(job.id, "worker", "done", result={})
        return newest

    monkeypatch.setattr(Store, "latest_run", read_then_end)
    assert WORDS("adapt.versus") in shown(open_step(project_id, "adapt"))


def test_a_case_whose_preparing_failed_is_not_called_being_prepared(project):
    store, project_id = project
    queue = Queue(store.path.parent)
    next((store.path.parent / "cases" / "case3").glob("encoding-*")).unlink()
    queue.file("encode", {"case": "case3"}, lane=INTAKE, project=project_id)

    def detail() -> str:
        """What the list says of its cases; other parts of the page carry the same words as their dictionary."""
        parts = " ".join(str(each.proto) for each in open_step(project_id, "label").get("bidi_component"))
        return " ".join(re.findall(r"detail[^}]*", parts))

    assert f" {WORDS('app.preparing')}" in detail()
    end(queue, INTAKE)
    assert f" {WORDS('app.preparing')}" not in detail()
    assert f" {WORDS('app.not_prepared')}" in detail()
