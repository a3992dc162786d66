"""`python -m engine serve`: one parent, children that come back, one sentence where it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from engine.jobs import LEARN, Queue
from engine.jobs import supervisor as module
from engine.jobs.supervisor import CannotStart, check_start, page_answers
from engine.projects import Store
from engine.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
_RUN = """
import sys
sys.path.insert(0, {root!r})
from engine.jobs import supervisor
from engine.settings import load_settings
supervisor.STOP_SECONDS = 1.0
settings = load_settings()
supervisor.start_logs(settings)
one = supervisor.Supervisor(settings, work="tests.engine.jobs.jobs_for_tests")
sys.exit(one.run(lambda: print("ready", flush=True)))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds: float = 40.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data", key_file=tmp_path / "key", port=free_port(), demo=False)


@pytest.fixture
def running(settings):
    """The supervisor as a process of its own, with the jobs of the tests."""
    environment = {
        **os.environ, "HANDFUL_DATA_DIR": str(settings.data_dir), "HANDFUL_PORT": str(settings.port),
        "HANDFUL_KEY_FILE": str(settings.key_file), "HANDFUL_DEMO": "0",
    }  # fmt: skip
    Store(settings.database).close()
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN.format(root=str(ROOT))],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().strip() == "ready"
    yield process
    process.terminate()
    process.wait(timeout=20)


def _children(process, word: str) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(process.pid).children():
        try:
            if word in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue  # it ended while we looked
    return found


def test_dead_children_come_back_and_all_end_with_the_supervisor(running, settings):
    assert page_answers(settings)
    for word in ("streamlit", "worker learn"):
        (child,) = wait_for(lambda word=word: _children(running, word))
        child.kill()
        again = wait_for(
            lambda word=word, child=child: [
                c for c in _children(running, word) if c.pid != child.pid and c.is_running()
            ]
        )
        assert len(again) == 1
    wait_for(lambda: page_answers(settings))
    children = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=20) == 0
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


def test_all_end_when_the_supervisor_is_killed(running, settings):
    wait_for(lambda: len(_children(running, "engine.jobs.worker")) == 2)
    children = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert module.port_free("127.0.0.1", settings.port)


def test_a_job_that_does_not_listen_is_ended_and_the_lane_goes_on(running, settings):
    queue = Queue(settings.data_dir)
    deaf, after = queue.file("deaf", {}, lane=LEARN), queue.file("add", {"a": 1, "b": 1}, lane=LEARN)
    wait_for(lambda: queue.state(deaf.id).state == "running")
    queue.cancel(deaf.id)
    wait_for(lambda: queue.state(after.id).state == "done")
    assert queue.state(deaf.id).state == "cancelled"


def test_a_taken_port_is_said_with_a_free_one(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.port))
        taken.listen()
        with pytest.raises(CannotStart) as caught:
            check_start(settings, has_password=False)
    assert caught.value.note.key == "serve.port_taken"
    assert module.port_free("127.0.0.1", caught.value.note.values["other"])


def test_another_address_needs_a_password(settings):
    from dataclasses import replace

    open_to_all = replace(settings, address="0.0.0.0")
    with pytest.raises(CannotStart, match="needs a password"):
        check_start(open_to_all, has_password=False)
    check_start(open_to_all, has_password=True).close()


def test_a_second_instance_on_the_same_data_is_refused(settings):
    lock = check_start(settings, has_password=False)
    with pytest.raises(CannotStart, match="already running"):
        check_start(settings, has_password=False)
    lock.close()
    check_start(settings, has_password=False).close()


def test_a_full_disk_is_said(settings, monkeypatch):
    monkeypatch.setattr(module, "NEED_FREE_BYTES", 10**18)
    with pytest.raises(CannotStart, match="MB left"):
        check_start(settings, has_password=False)


def test_a_folder_that_cannot_be_written_is_said(tmp_path, settings):
    from dataclasses import replace

    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotStart, match="cannot write"):
        check_start(replace(settings, data_dir=tmp_path / "file" / "data"), has_password=False)


def test_the_data_folder_is_for_its_user_alone(settings):
    check_start(settings, has_password=False).close()
    assert settings.data_dir.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("arguments", [["--address", "0.0.0.0"], ["--port", "1"]])
def test_the_command_ends_with_one_sentence(settings, arguments):
    if arguments == ["--port", "1"] and os.geteuid() == 0:
        pytest.skip("root may listen on any port")
    result = subprocess.run(
        [sys.executable, "-m", "engine", "serve", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "HANDFUL_DATA_DIR": str(settings.data_dir)},
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.startswith("handful: ")
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_password_can_be_set_and_signs_everybody_out(settings):
    store = Store(settings.database)
    token = store.open_session()
    environment = {**os.environ, "HANDFUL_DATA_DIR": str(settings.data_dir)}
    command = [sys.executable, "-m", "engine", "serve", "--set-password"]

    def set_password(text: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True, timeout=60
        )

    assert set_password("short\n").returncode == 2
    assert store.session(token) is not None
    assert set_password("correct horse battery\n").returncode == 0
    assert store.session(token) is None
    assert store.get_setting("password_hash").startswith("$argon2id$")


def test_verify_says_whether_the_log_is_whole(settings):
    import sqlite3

    Store(settings.database).log("export")
    environment = {**os.environ, "HANDFUL_DATA_DIR": str(settings.data_dir)}
    command = [sys.executable, "-m", "engine", "verify"]
    whole = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (whole.returncode, "whole: 1 rows" in whole.stdout) == (0, True)
    with sqlite3.connect(settings.database) as db:
        db.executescript("drop trigger audit_no_update; update audit set who = 'somebody else'")
    broken = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (broken.returncode, "row 1" in broken.stdout) == (1, True)
