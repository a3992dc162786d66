"""Workers as processes: errors become sentences, a kill costs nothing but time, one parent keeps all alive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.jobs import INTAKE, LEARN, Queue

ROOT = Path(__file__).resolve().parents[3]
WORK = "tests.engine.jobs.jobs_for_tests"


def wait_for(condition, seconds: float = 20.0):
    """The first true answer; fails where there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def queue(tmp_path):
    return Queue(tmp_path)


@pytest.fixture
def start(tmp_path):
    """Starts worker processes and ends them."""
    running: list[subprocess.Popen] = []

    def start_one(lane: str = LEARN) -> subprocess.Popen:
        environment = {**os.environ, "HANDFUL_DATA_DIR": str(tmp_path), "HANDFUL_DEBUG": "0"}
        command = [sys.executable, "-m", "engine.jobs.worker", lane, "--work", WORK]
        running.append(subprocess.Popen(command, cwd=ROOT, env=environment))
        return running[-1]

    yield start_one
    for process in running:
        process.kill()
        process.wait()


def _ended(queue, job):
    return wait_for(lambda: (now := queue.state(job.id)) and not now.alive and now)


def test_a_result_comes_back(queue, start):
    job = queue.file("add", {"a": 2, "b": 3}, lane=LEARN)
    start()
    done = _ended(queue, job)
    assert (done.state, done.result, done.fraction) == ("done", {"sum": 5}, 1.0)


def test_an_error_becomes_a_sentence_and_the_worker_lives_on(queue, start, tmp_path):
    broken, unknown = queue.file("fail", {}, lane=LEARN), queue.file("nobody", {}, lane=LEARN)
    refused, fine = queue.file("refuse", {}, lane=LEARN), queue.file("add", {"a": 1, "b": 1}, lane=LEARN)
    start()
    assert _ended(queue, broken).error.key == "jobs.unexpected"
    assert _ended(queue, unknown).error.key == "jobs.unexpected"
    assert _ended(queue, refused).error.key == "jobs.no_room"
    assert _ended(queue, fine).state == "done"
    log = (tmp_path / "logs" / "worker-learn.log").read_text("utf-8")
    assert broken.id in log
    assert "RuntimeError at jobs_for_tests.py:" in log
    assert "ZHANG SAN" not in log


def test_a_job_stops_when_asked(queue, start):
    job = queue.file("wait", {}, lane=LEARN)
    start()
    wait_for(lambda: queue.state(job.id).done > 3)
    queue.cancel(job.id)
    assert _ended(queue, job).state == "cancelled"


def test_a_killed_worker_is_followed_by_one_that_goes_on_where_it_was(queue, start, tmp_path):
    job = queue.file("count", {"to": 40}, lane=LEARN)
    first = start()
    wait_for(lambda: queue.state(job.id).done >= 10)
    first.send_signal(signal.SIGKILL)
    first.wait()
    at = queue.state(job.id).done
    start()
    done = _ended(queue, job)
    assert (done.state, done.attempts) == ("done", 2)
    numbers, processes = zip(*done.result, strict=True)
    assert list(numbers) == list(range(40))
    assert len(set(processes)) == 2
    assert sum(p == first.pid for p in processes) >= at
    # The worker says "done" first and tidies up after, so that a kill between the two loses no result.
    wait_for(lambda: not list((tmp_path / "checkpoints").iterdir()))


def test_a_worker_that_is_stopped_gives_its_job_back_and_the_attempt_does_not_count(queue, start):
    job = queue.file("count", {"to": 60}, lane=LEARN)
    for _ in range(4):  # more often than a job may kill its worker
        at = queue.state(job.id).done
        worker = start()
        wait_for(lambda at=at: queue.state(job.id).done >= at + 3)
        worker.terminate()
        assert worker.wait(timeout=20) == 0
        assert queue.state(job.id).state == "queued"
    start()
    done = _ended(queue, job)
    assert (done.state, done.attempts) == ("done", 1)
    assert [number for number, _ in done.result] == list(range(60))


def test_a_second_worker_of_a_lane_waits_until_the_first_is_dead(queue, start):
    first = start()
    job = queue.file("wait", {}, lane=LEARN)
    wait_for(lambda: queue.state(job.id).pid == first.pid)
    start()
    time.sleep(1.5)
    assert queue.state(job.id).pid == first.pid
    assert queue.state(job.id).attempts == 1


def test_lanes_run_side_by_side(queue, start):
    long = queue.file("wait", {}, lane=INTAKE)
    start(INTAKE)
    wait_for(lambda: queue.state(long.id).state == "running")
    short = queue.file("add", {"a": 1, "b": 2}, lane=LEARN)
    start(LEARN)
    assert _ended(queue, short).state == "done"
    assert queue.state(long.id).state == "running"


def test_a_job_that_kills_every_worker_fails_and_the_lane_is_free_again(queue, start, tmp_path):
    job = queue.file("die", {"log": str(tmp_path / "tries")}, lane=LEARN)
    after = queue.file("add", {"a": 0, "b": 0}, lane=LEARN)
    for _ in range(3):
        assert start().wait(timeout=20) == -signal.SIGKILL
    start()
    assert _ended(queue, after).state == "done"
    assert queue.state(job.id).error.key == "jobs.kept_dying"
    assert (tmp_path / "tries").read_text() == "xxx"


def test_a_worker_ends_with_its_parent(tmp_path, queue):
    code = (
        "import subprocess, sys\n"
        f"print(subprocess.Popen([sys.executable, '-m', 'engine.jobs.worker', 'learn', '--work', {WORK!r}]).pid,"
        " flush=True)\nsys.stdin.read()"
    )
    environment = {**os.environ, "HANDFUL_DATA_DIR": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    worker = int(parent.stdout.readline())
    job = queue.file("add", {"a": 1, "b": 1}, lane=LEARN)
    _ended(queue, job)
    parent.kill()
    parent.wait()
    wait_for(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2])
