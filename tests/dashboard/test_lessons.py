"""The lessons' page: every lesson draws in both languages, asks first, answers after, and is where its address says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.state import _rooms
from dashboard.steps.lessons import LESSONS, computing
from engine.jobs.queue import LEARN
from engine.jobs.worker import Worker
from engine.lessons.plan import NAMES
from engine.lessons.run import compute
from engine.projects.store import Store

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
_answers: dict[str, dict] = {}


def answer(args, report, cancelled, folder):
    """The job as it ships; each settings' answer is computed once in the life of these tests."""
    key = json.dumps(args, sort_keys=True)
    if key not in _answers:
        _answers[key] = compute(args["lesson"], args["settings"])
    return _answers[key]


@pytest.fixture
def open_lesson(tmp_path, monkeypatch):
    """open_lesson(name, language, **address) -> the page after one run, no project anywhere; a worker runs what the
    page files as soon as it waits for it."""
    monkeypatch.setenv("HANDFUL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HANDFUL_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setattr("dashboard.gate.reader", lambda store, port, cookies: "reader")
    st.cache_resource.clear()
    Store(tmp_path / "data" / "handful.db")

    def work(page, job):
        worker = Worker(page.queue, LEARN, {"lesson": answer}, tmp_path / "checkpoints")
        while worker.step():
            pass
        return page.queue.state(job.id)

    monkeypatch.setattr(computing, "wait_a_little", work)

    def open_it(name: str, language: str = "en", **address: str) -> AppTest:
        test = AppTest.from_file(str(APP), default_timeout=120)
        for key, value in {"s": "lessons", "l": name, **address}.items():
            test.query_params[key] = value
        test.session_state["language"] = language
        return ran(test)

    yield open_it
    st.cache_resource.clear()


def ran(test: AppTest) -> AppTest:
    test.run()
    assert not test.exception, [e.value for e in test.exception]
    assert not any("could not be drawn" in text or "未能显示" in text for text in texts(test))
    return test


def texts(test: AppTest) -> list[str]:
    return [each.proto.body for each in test.get("html")]


def test_the_page_shows_the_lessons_of_the_plan_in_its_order():
    assert tuple(LESSONS) == NAMES and len(NAMES) == 10


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_asks_first_and_answers_after(open_lesson, name, language):
    page = open_lesson(name, language)
    assert not any('class="hf-take"' in text for text in texts(page))
    guesses = [b for b in page.button if (b.key or "").startswith(f"guess-{name}-")]
    assert len(guesses) == LESSONS[name].guesses
    guesses[0].click()
    ran(page)
    assert sum('class="hf-take"' in text for text in texts(page)) == 1
    assert not [b for b in page.button if (b.key or "").startswith("guess-")]


def test_the_address_sets_a_lesson_and_nonsense_in_it_breaks_nothing(open_lesson):
    page = open_lesson("wave", points="3", amplitude="1e99", phase="<script>", moved="-1", seed="7")
    sliders = {s.key: s.value for s in page.slider}
    assert sliders["set-wave-points"] == 3
    assert sliders["set-wave-amplitude"] == 2.5 or sliders["set-wave-amplitude"] == 5.0
    assert sliders["set-wave-phase"] == pytest.approx(0.8)


def test_a_control_changes_the_address(open_lesson):
    page = open_lesson("intervals")
    page.slider(key="set-intervals-cases").set_value(20)
    ran(page)
    assert page.query_params["cases"] in ("20", ["20"])


def test_another_lesson_opens_as_it_starts(open_lesson):
    page = open_lesson("wave", points="3")
    page.button(key="lesson-next").click()
    ran(page)
    assert page.query_params["l"] in ("prototypes", ["prototypes"])
    assert "points" not in page.query_params


def test_what_one_browser_asked_is_there_for_the_next(open_lesson):
    for _ in range(2):
        open_lesson("intervals", cases="30")
    queue = _rooms()[2]
    assert len(queue.jobs(kinds=("lesson",))) == 1


def test_a_lesson_that_failed_says_so_and_can_be_asked_again(open_lesson, monkeypatch):
    def fails(args, report, cancelled, folder):
        raise MemoryError

    monkeypatch.setitem(globals(), "answer", fails)
    page = open_lesson("intervals", cases="31")
    assert any(b.key == "lesson-try-again" for b in page.button)
