"""Two people at two browsers: each gives a name, they label blind, are compared, and look at where they differ."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from engine.jobs.work import readers as readers_job
from engine.jobs.work import rooms
from engine.jobs.work.looks import Look
from tests.axe import grave
from tests.dashboard.serving import page_server

PAGE = Path(__file__).resolve().parents[2] / "dashboard" / "asgi.py"
PATIENCE_MS = 60_000  # a machine may be busy


@pytest.fixture
def served(project, tmp_path):
    with page_server(tmp_path / "data", PAGE) as running:
        yield running


@pytest.fixture
def sit_down(browser, served, project):
    """sit_down("AB"): a browser of one's own, with that name given in Label."""
    contexts = []

    def sit(name: str):
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{served.url}/?p={project[1]}&s=label&c=case0")
        who = page.locator(".st-key-reading-as button")
        field = page.get_by_role("textbox", name="Who is reading?")
        who.or_(field).first.wait_for()
        if who.count():  # not blind yet: the name is asked for behind the line
            who.click()
        field.fill(name)
        page.get_by_role("button", name="Keep", exact=True).click()
        page.get_by_text(f"Reading as {name}").first.wait_for()
        return page

    yield sit
    for context in contexts:
        context.close()


def run_filed(served, monkeypatch, tmp_path: Path) -> None:
    """What the worker does with the filed comparison, over numbers instead of pictures."""
    monkeypatch.setenv("HANDFUL_DATA_DIR", str(served.data_dir))
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()
    numbers = np.random.default_rng(0).normal(size=(8, 12)).astype(np.float32)
    look = Look("whole", {f"case{i}": numbers[i] for i in range(8)})
    monkeypatch.setattr(readers_job, "choose_look", lambda *_: look)
    end = time.monotonic() + PATIENCE_MS / 1000
    while not (jobs := served.queue.jobs(kinds=("readers",), alive=True)):
        assert time.monotonic() < end, "no comparison was filed"
        time.sleep(0.1)
    job = served.queue.claim(jobs[0].lane, "test", 0)
    result = readers_job.run(dict(job.args), lambda *_: None, lambda: False, tmp_path)
    served.queue.end(job.id, "test", "done", result=json.loads(json.dumps(result)))
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()


def test_two_readers_label_blind_and_are_compared(served, project, sit_down, monkeypatch, tmp_path):
    store, project_id = project
    first = sit_down("AB")
    begin = first.locator(".st-key-begin-blind button").first
    if not begin.is_visible():  # what the line opens may still be open from giving the name
        first.locator(".st-key-reading-as button").click()
    begin.click()
    first.get_by_text("Read blind: you see your own").first.wait_for()
    first.keyboard.press("Escape")
    first.locator(".st-key-give-0 button").click()
    first.locator("button.item:has-text('Case 01') .tag:has-text('smooth')").wait_for()

    second = sit_down("CD")
    # AB's label is not told to CD, neither in the list nor in the counts.
    second.locator("button.item:has-text('Case 01') .tag:has-text('to label')").wait_for()
    second.locator(".st-key-give-1 button").click()
    second.locator("button.item:has-text('Case 01') .tag:has-text('spiculated')").wait_for()
    assert store.labels(project_id, reader="AB") == {"case0": "smooth"}
    assert store.labels(project_id, reader="CD") == {"case0": "spiculated"}
    first.reload()
    first.locator("button.item:has-text('Case 01') .tag:has-text('smooth')").wait_for()

    for i in range(1, 6):
        for name in ("AB", "CD"):
            store.set_label(project_id, f"case{i}", "smooth" if i % 2 else "spiculated", reader=name)
    second.goto(f"{served.url}/?p={project_id}&s=adapt&v=readers")
    second.locator(".st-key-compare-readers button").click()
    run_filed(served, monkeypatch, tmp_path)
    second.get_by_text("AB and CD agree on 5 of 6 cases labelled by both (36 to 100 %)").wait_for()
    second.locator(".st-key-readers-table .js-plotly-plot").wait_for()
    assert not grave(second)
    assert second.locator("button.item").count() == 0  # which case it is stays hidden
    second.locator(".st-key-lifting button").first.click()
    second.locator(".st-key-lift-blind button").click()
    second.locator("button.item:has-text('Case 01')").click()
    second.locator("nav [data-step=label][aria-current=step]").wait_for()
    second.get_by_role("option", name="Case 01 4 slices").wait_for()  # the worklist of Label, no longer the other list
    # A name outlives a reload: it is kept with the session.
    assert second.get_by_text("Reading as CD").count()
