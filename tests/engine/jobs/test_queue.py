"""The queue: one claim a job, order, a double press, zombies, the last attempt."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.jobs import INTAKE, LEARN, Queue
from engine.jobs import queue as module
from engine.nouns import Note


@pytest.fixture
def queue(tmp_path):
    return Queue(tmp_path)


@pytest.fixture
def silent_at_once(monkeypatch):
    """Every worker counts as dead as soon as it stops talking."""
    monkeypatch.setattr(module, "SILENT_SECONDS", -1.0)


def test_a_double_press_is_one_job(queue):
    first = queue.file("adapt", {"project": "p", "seed": 0}, lane=LEARN)
    assert queue.file("adapt", {"seed": 0, "project": "p"}, lane=LEARN).id == first.id
    assert queue.file("adapt", {"project": "p", "seed": 1}, lane=LEARN).id != first.id


def test_who_waits_is_woken_by_a_job_and_otherwise_goes_on_in_time(queue, tmp_path):
    other = Queue(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        waiting = pool.submit(queue.wait, 30.0)
        while not waiting.done() and time.monotonic() < began + 20:  # again, lest the first came before the waiting
            other.file("adapt", {"project": str(time.monotonic())}, lane=LEARN)
            time.sleep(0.05)
        assert waiting.done()
    assert queue.wait(0.01) is None


def test_a_job_may_be_lost_with_the_power_and_so_waits_for_no_disk(queue):
    with queue.read() as db:
        assert db.execute("pragma synchronous").fetchone()[0] == 1  # NORMAL


def test_many_presses_at_once_are_one_job(queue):
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: queue.file("adapt", {"project": "p"}, lane=LEARN).id, range(40)))
    assert len(ids) == 1


def test_a_job_that_ended_can_be_filed_again_and_found(queue):
    first = queue.file("explain", {"case": "c"}, lane=LEARN)
    queue.claim(LEARN, "w", 1)
    queue.end(first.id, "w", "done", result={"overlay": "o"})
    assert queue.find("explain", {"case": "c"}).result == {"overlay": "o"}
    assert queue.file("explain", {"case": "c"}, lane=LEARN).id != first.id
    assert queue.find("explain", {"case": "other"}) is None


def test_an_unknown_lane_is_refused(queue):
    with pytest.raises(ValueError, match="no lane"):
        queue.file("adapt", {}, lane="fast")


def test_the_most_urgent_is_first_and_then_the_oldest(queue):
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        queue.file(name, {}, lane=LEARN, priority=priority)
    assert [queue.claim(LEARN, "w", 1).kind for _ in range(4)] == ["b", "d", "a", "c"]
    assert queue.claim(LEARN, "w", 1) is None


def test_learning_never_waits_behind_reading(queue):
    for number in range(5):
        queue.file("encode", {"case": number}, lane=INTAKE)
    queue.file("adapt", {"project": "p"}, lane=LEARN)
    assert queue.claim(LEARN, "w", 1).kind == "adapt"


def test_two_workers_never_get_the_same_job(queue):
    for number in range(60):
        queue.file("encode", {"case": number}, lane=INTAKE)

    def work(worker: int) -> list[str]:
        mine = []
        while job := queue.claim(INTAKE, f"w{worker}", worker):
            mine.append(job.id)
        return mine

    with ThreadPoolExecutor(6) as pool:
        claimed = [job for mine in pool.map(work, range(6)) for job in mine]
    assert len(claimed) == len(set(claimed)) == 60


def test_a_zombie_cannot_write_over_its_successor(queue, silent_at_once):
    job = queue.file("adapt", {}, lane=LEARN)
    queue.claim(LEARN, "old", 1)
    assert queue.claim(LEARN, "new", 2).attempts == 2
    queue.progress(job.id, "old", 9, 10, {"from": "old"})
    queue.end(job.id, "old", "done", result="wrong")
    assert not queue.beat(job.id, "old")
    assert queue.state(job.id).state == "running"
    queue.end(job.id, "new", "done", result="right")
    assert queue.state(job.id).result == "right"


def test_a_job_that_kills_its_worker_fails_after_three_attempts(queue, silent_at_once):
    job = queue.file("adapt", {}, lane=LEARN)
    for attempt in (1, 2, 3):
        assert queue.claim(LEARN, f"w{attempt}", attempt).attempts == attempt
    assert queue.claim(LEARN, "w4", 4) is None
    failed = queue.state(job.id)
    assert (failed.state, failed.error) == ("failed", Note("jobs.kept_dying", {"attempts": 3}))


def test_a_living_worker_keeps_its_job(queue):
    queue.file("adapt", {}, lane=LEARN)
    queue.claim(LEARN, "w", 1)
    assert queue.claim(LEARN, "other", 2) is None


def test_adopting_frees_the_job_of_a_dead_worker_at_once_and_only_in_its_lane(queue):
    queue.file("adapt", {}, lane=LEARN)
    queue.file("encode", {}, lane=INTAKE)
    queue.claim(LEARN, "w", 1)
    queue.claim(INTAKE, "w", 1)
    queue.adopt(LEARN)
    assert queue.claim(LEARN, "next", 2).attempts == 2
    assert queue.claim(INTAKE, "next", 2) is None


def test_cancelling_a_waiting_job_ends_it_and_a_running_one_is_asked(queue):
    waiting, running = queue.file("a", {}, lane=LEARN, priority=-1), queue.file("b", {}, lane=LEARN)
    queue.claim(LEARN, "w", 1)
    queue.cancel(waiting.id)
    queue.cancel(running.id)
    assert queue.state(waiting.id).state == "cancelled"
    assert queue.state(running.id).state == "running"
    assert queue.state(running.id).cancel_asked
    assert queue.claim(LEARN, "w", 1) is None


def test_a_cancelled_job_whose_worker_died_is_not_begun_again(queue):
    job = queue.file("a", {}, lane=LEARN)
    queue.claim(LEARN, "w", 1)
    queue.cancel(job.id)
    queue.adopt(LEARN)
    assert queue.claim(LEARN, "next", 2) is None
    assert queue.state(job.id).state == "cancelled"


def test_progress_says_how_far_and_how_long(queue):
    job = queue.file("a", {}, lane=LEARN)
    queue.claim(LEARN, "w", 1)
    queue.progress(job.id, "w", 1, 4, {"loss": 0.5})
    queue.progress(job.id, "w", 2, 4, None)
    now = queue.state(job.id)
    assert (now.fraction, now.note) == (0.5, {"loss": 0.5})
    assert now.seconds_left(now.started + 10) == pytest.approx(10)
    assert queue.state(job.id).alive


def test_the_newest_job_of_a_project_is_found_by_any_tab(queue):
    queue.file("adapt", {"project": "p", "seed": 1}, lane=LEARN)
    newest = queue.file("adapt", {"project": "p", "seed": 2}, lane=LEARN)
    queue.file("adapt", {"project": "q"}, lane=LEARN)
    assert queue.latest("adapt", project="p").id == newest.id
    assert len(queue.jobs(project="p", alive=True)) == 2


def test_only_jobs_that_ended_long_ago_are_forgotten(queue):
    old, waiting = queue.file("a", {}, lane=LEARN), queue.file("b", {}, lane=LEARN)
    queue.cancel(old.id)
    assert queue.forget(3600) == 0
    assert queue.forget(-1) == 1
    assert queue.state(old.id) is None
    assert queue.state(waiting.id) is not None
