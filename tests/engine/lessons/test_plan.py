"""Lessons' settings: an address written by hand never breaks a lesson, and equal settings are one job."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.jobs.queue import job_key
from engine.lessons.plan import NAMES, PLANS, Labels, Number

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("plan", PLANS, ids=NAMES)
def test_nonsense_becomes_the_start(plan):
    start = plan.read({})
    assert plan.read(dict.fromkeys(plan.settings, "nonsense 😀 ' --")) in (
        start,
        start | {name: "" for name, each in plan.settings.items() if isinstance(each, Labels)},
    )
    assert plan.read(start) == start
    assert plan.read({name: str(value) for name, value in start.items()}) == start


@pytest.mark.parametrize("raw", ["1e999", "nan", "-5", "99999", "3.26"])
def test_numbers_stay_within_their_bounds_and_on_their_steps(raw):
    value = Number(2.5, 0.5, 5.0, 0.5).read(raw)
    assert 0.5 <= value <= 5.0 and (value / 0.5).is_integer()


@pytest.mark.parametrize("plan", PLANS, ids=NAMES)
def test_the_same_settings_are_the_same_job_however_they_are_written(plan):
    start = plan.read({})
    written = {name: str(value) for name, value in reversed(start.items())}
    assert job_key("lesson", plan.job_args(start)) == job_key("lesson", plan.job_args(written))


@pytest.mark.parametrize("plan", PLANS, ids=NAMES)
def test_the_files_a_lesson_shows_are_there(plan):
    assert all((ROOT / path).is_file() for path in plan.source)
    assert any(path.startswith("engine/lessons/") for path in plan.source)
    assert plan.link.startswith("https://")
