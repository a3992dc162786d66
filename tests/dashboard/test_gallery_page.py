"""The gallery on the projects page: six cards, a short page each, and buttons that ask the engine for a project."""

from __future__ import annotations

import pytest

from dashboard.steps.gallery import VIEW
from engine.jobs.gallery import tasks
from engine.jobs.queue import INTAKE, Queue
from tests.dashboard.test_steps import open_step


def texts(page) -> str:
    return " ".join(html.proto.body for html in page.get("html"))


def open_task(project_id: str, task_id: str, language: str = "en"):
    page = open_step(project_id, "projects", language)
    page.query_params["v"] = VIEW + task_id
    page.run()
    assert not page.exception
    return page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_projects_page_shows_every_ready_task_with_its_question(project, language):
    _, project_id = project
    page = open_step(project_id, "projects", language)
    shown = texts(page)
    for each in tasks():
        assert each.texts[language].title in shown
        assert each.texts[language].question in shown
        assert page.button(key=f"see-{each.id}")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("each", tasks(), ids=lambda t: t.id)
def test_a_tasks_page_says_all_of_it_with_one_coloured_button(project, each, language):
    _, project_id = project
    page = open_task(project_id, each.id, language)
    shown, text = texts(page), each.texts[language]
    for said in (text.title, text.question, text.row, text.why, text.warning, *text.columns, *text.limits):
        assert said.replace("'", "&#x27;") in shown or said in shown
    coloured = [b for b in page.button if b.proto.type == "primary"]
    assert [b.key for b in coloured] == ["open-task"]


def test_opening_a_task_asks_the_engine_once_and_waits(project):
    store, project_id = project
    page = open_task(project_id, "emergency")
    page.button(key="open-task").click().run()
    jobs = Queue(store.path.parent).jobs(kinds=("gallery",))
    assert [dict(job.args) for job in jobs] == [{"task": "emergency", "reader": "reader", "language": "en"}]
    assert page.button(key="open-task").disabled


def test_ones_own_table_gets_an_empty_project_of_the_same_task(project):
    store, project_id = project
    open_task(project_id, "surgical-risk", "zh").button(key="own-task").click().run()
    (job,) = Queue(store.path.parent).jobs(kinds=("gallery",))
    assert job.args["own"] is True
    assert job.args["language"] == "zh"


def test_a_finished_job_leads_into_its_project(project):
    store, project_id = project
    made = store.create_project("Surgical risk", settings={"gallery": "surgical-risk"})
    page = open_task(project_id, "surgical-risk")
    page.button(key="own-task").click().run()
    queue = Queue(store.path.parent)
    job = queue.claim(INTAKE, "worker", 1)
    queue.end(job.id, "worker", "done", result={"project": made.id})
    page.run()
    assert page.query_params["p"] in (made.id, [made.id])
    assert page.query_params["s"] in ("gather", ["gather"])
    assert "v" not in page.query_params


def test_resetting_a_gallery_project_asks_for_its_own_first_labels(project):
    store, project_id = project
    made = store.create_project("Emergency", demo=True, settings={"gallery": "emergency"})
    page = open_step(project_id, "projects")
    page.button(key=f"reset-{made.id}").click().run()
    (job,) = Queue(store.path.parent).jobs(kinds=("gallery",))
    assert dict(job.args) == {"task": "emergency", "project": made.id}
    assert page.button(key=f"delete-{made.id}")  # made by a person, so it may go


def test_an_unknown_task_in_the_address_shows_the_projects(project):
    _, project_id = project
    page = open_task(project_id, "palmistry")
    assert page.button(key="see-emergency")
