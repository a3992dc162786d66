"""One parent for the page server and the two workers: starts them, starts dead ones again, stops them all.

The page comes first and the workers when it answers, so that loading torch does not slow the first view. A worker
that does not stop when asked is ended here; its job then counts as cancelled, and the next worker goes on.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from engine.jobs.housekeeping import EVERY_SECONDS
from engine.jobs.parent import SUPERVISOR
from engine.jobs.queue import LANES, Queue
from engine.jobs.worker import start_log
from engine.nouns import Note
from engine.projects import StoreError
from engine.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The database, the demo project and a first study.
NEED_FREE_BYTES = 500 * 1024**2
# A job has this long to see that it is to stop; the slowest step of one is a slice's saliency, a few seconds.
STOP_SECONDS = 15.0
# A worker that gives no sign for this long hangs in code that holds the interpreter lock.
HANG_SECONDS = 180.0
# A child that died is started again at once, then ever more slowly, at most this slowly.
MAX_PAUSE_SECONDS = 30.0
HEALTH_SECONDS = 60.0

log = logging.getLogger("handful.supervisor")


class CannotStart(ValueError):
    """Handful cannot start here; `note` says why and what to do."""

    def __init__(self, key: str, **values: object) -> None:
        from engine.sentences import say

        self.note = Note(f"serve.{key}", values)
        super().__init__(say(self.note))


@dataclass
class Child:
    """A process to keep alive."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen | None = None
    deaths: int = 0
    next_start: float = 0.0
    started: float = field(default=0.0)


class Supervisor:
    """Runs until SIGTERM or SIGINT."""

    def __init__(self, settings: Settings, *, work: str = "engine.jobs.work") -> None:
        self.settings = settings
        environment = {
            **os.environ,
            "HANDFUL_DATA_DIR": str(settings.data_dir),
            "HANDFUL_ADDRESS": settings.address,
            "HANDFUL_PORT": str(settings.port),
            "PYTHONUNBUFFERED": "1",
            SUPERVISOR: str(os.getpid()),
        }
        python = [sys.executable, "-m"]
        page = [*python, "streamlit", "run", str(ROOT / "dashboard" / "asgi.py"), "--server.port", str(settings.port),
                "--server.address", settings.address]  # fmt: skip
        self.page = Child("page", page, environment)
        self.workers = [
            Child(f"worker-{lane}", [*python, "engine.jobs.worker", lane, "--work", work], environment)
            for lane in LANES
        ]
        if settings.dicom_port:
            environment |= {f"HANDFUL_{k.upper()}": str(v) for k, v in vars(settings).items() if k.startswith("dicom_")}
            self.workers.append(Child("listener", [*python, "engine.jobs.listener"], environment))
        self.stopping = threading.Event()

    def run(self, ready: Callable[[], None], tidy: Callable[[], object] = lambda: None) -> int:
        """Starts everything, calls `ready()` once the page answers, and watches; `tidy()` is called now and then.

        Returns the exit status. Raises CannotStart where the page does not come up.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        queue = Queue(self.settings.data_dir)
        self._start(self.page)
        try:
            if not self._wait_for_page():
                if self.stopping.is_set():
                    return 0
                raise CannotStart("page_ended", log=str(self.settings.data_dir / "logs" / "page.log"))
            for worker in self.workers:
                self._start(worker)
            ready()
            tidied = time.monotonic()
            while not self.stopping.wait(0.5):
                for child in (self.page, *self.workers):
                    self._keep_alive(child)
                self._end_the_deaf(queue)
                if time.monotonic() - tidied > EVERY_SECONDS:
                    tidied = time.monotonic()
                    self._tidy(tidy)
        finally:
            self._stop_all()
        return 0

    def _start(self, child: Child) -> None:
        child.process = subprocess.Popen(
            child.command, cwd=ROOT, env=child.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        child.started = time.monotonic()
        threading.Thread(target=_copy_to_log, args=(child.process.stdout, child.name), daemon=True).start()
        log.info("%s started, process %d", child.name, child.process.pid)

    def _keep_alive(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is not None and child.process.poll() is not None:
            long_lived = now - child.started > 60
            child.deaths = 0 if long_lived else child.deaths + 1
            pause = min(2.0 ** (child.deaths - 1) if child.deaths > 1 else 0.0, MAX_PAUSE_SECONDS)
            log.warning("%s ended with %s; again in %.0f s", child.name, child.process.returncode, pause)
            child.process, child.next_start = None, now + pause
        if child.process is None and now >= child.next_start:
            self._start(child)

    def _end_the_deaf(self, queue: Queue) -> None:
        """Ends the worker of a job that was asked to stop and did not, or that gives no sign of life."""
        mine = {child.process.pid: child.process for child in self.workers if child.process is not None}
        for job in queue.deaf(STOP_SECONDS, HANG_SECONDS):
            if job.pid in mine:
                log.warning("job %s does not stop: ending its worker %d", job.id, job.pid)
                mine[job.pid].kill()

    def _tidy(self, tidy: Callable[[], object]) -> None:
        try:
            log.info("tidied: %s", tidy())
        except (
            OSError,
            StoreError,
        ) as error:  # a full or busy disk now is no reason to stop; the next round tries again
            log.warning("could not tidy: %s", type(error).__name__)

    def _wait_for_page(self) -> bool:
        end = time.monotonic() + HEALTH_SECONDS
        while time.monotonic() < end and not self.stopping.is_set():
            if self.page.process is None or self.page.process.poll() is not None:
                return False
            if page_answers(self.settings):
                return True
            time.sleep(0.1)
        return False

    def _stop_all(self) -> None:
        running = [c.process for c in (*self.workers, self.page) if c.process is not None and c.process.poll() is None]
        for process in running:
            process.terminate()
        end = time.monotonic() + 5
        for process in running:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def check_start(settings: Settings, has_password: bool) -> IO[str]:
    """Raises CannotStart where Handful cannot run here; returns the lock that keeps a second instance out."""
    folder = settings.data_dir
    if settings.address not in LOOPBACK and not has_password:
        raise CannotStart("password_needed", address=settings.address)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)  # noqa: PTH101 - labels and pixels are for this user alone
        lock = (folder / "handful.lock").open("w")
    except OSError as error:
        if error.errno == 28:  # ENOSPC
            raise CannotStart("no_room", folder=folder, free=0, need=NEED_FREE_BYTES // 1024**2) from error
        raise CannotStart("not_writable", folder=folder) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CannotStart("already_running", folder=folder) from error
    free = shutil.disk_usage(folder).free
    if free < NEED_FREE_BYTES:
        raise CannotStart("no_room", folder=folder, free=free // 1024**2, need=NEED_FREE_BYTES // 1024**2)
    if not port_free(settings.address, settings.port):
        raise CannotStart("port_taken", port=settings.port, other=_free_port(settings))
    return lock


def port_free(address: str, port: int) -> bool:
    """Whether this address and port can be listened on."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def page_answers(settings: Settings) -> bool:
    """Whether the page server's health check says ok."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.address, settings.address)
    # No proxy: what the environment says of proxies is not for this machine's own page.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}:{settings.port}/_stcore/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _free_port(settings: Settings) -> int:
    return next(port for port in range(settings.port + 1, settings.port + 200) if port_free(settings.address, port))


def _copy_to_log(stream: IO[bytes], name: str) -> None:
    """What a child prints goes to a log that is bounded, line by line."""
    logger = logging.getLogger(f"handful.{name}.output")
    for line in stream:
        logger.info("%s", line.decode("utf-8", "replace").rstrip())


def start_logs(settings: Settings) -> None:
    """The supervisor's own log, and one for what the page server prints."""
    start_log(settings, "supervisor")
    start_log(settings, "page", "handful.page")
