"""A worker: `python -m engine.jobs.worker LANE` claims jobs of one lane, runs them, and files how they ended.

A job is a plain function `run(args, report, cancelled, checkpoint_dir) -> result` in a table by kind
(`engine.jobs.work.KINDS`) and knows nothing of the queue:
    report(done, total, note=None)   how far it is; `note` is a small JSON value for the page (step, loss, ...)
    cancelled()                      True once a person asked it to stop; then return or raise `Cancelled`
    checkpoint_dir                   a folder of its own that outlives a crash of the worker, deleted at the end
Errors never end the worker. Their sentence goes to the page, their traceback to the log, without its message unless
HANDFUL_DEBUG=1, since a message may quote a file that names a patient.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib
import logging
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from engine.jobs.parent import end_with_parent
from engine.jobs.queue import BEAT_SECONDS, LANES, LEARN, Cancelled, Job, Queue
from engine.nouns import Note
from engine.settings import Settings, load_settings

POLL_SECONDS = 0.05
# So long after a job the next one is looked for every few milliseconds: whoever moves a slider moves it again.
AWAKE_SECONDS = 60.0
# Progress is written at most this often: a page looks four times a second.
REPORT_SECONDS = 0.1
LOG_BYTES, LOG_COPIES = 2 * 1024**2, 3
Work = Callable[[Mapping[str, Any], Callable[..., None], Callable[[], bool], Path], Any]

log = logging.getLogger("handful.worker")


def main(argv: list[str] | None = None) -> None:
    """The worker process; ends on SIGTERM, which it also gets when its parent is gone."""
    parser = argparse.ArgumentParser(prog="python -m engine.jobs.worker", description=__doc__)
    parser.add_argument("lane", choices=LANES)
    parser.add_argument("--work", default="engine.jobs.work", help="module with KINDS and, if it likes, warm_up(lane)")
    args = parser.parse_args(argv)
    settings = load_settings()
    start_log(settings, f"worker-{args.lane}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    end_with_parent()
    # One worker a lane: a lock that the system lets go when its holder dies, however it dies.
    lock = (settings.data_dir / f"worker-{args.lane}.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    limit_threads(args.lane)
    queue = Queue(settings.data_dir)
    queue.adopt(args.lane)
    module = importlib.import_module(args.work)
    if warm_up := getattr(module, "warm_up", None):
        warm_up(args.lane)
    worker = Worker(queue, args.lane, module.KINDS, settings.data_dir / "checkpoints")
    awake_until = 0.0
    while True:
        if worker.step():
            awake_until = time.monotonic() + AWAKE_SECONDS
        elif time.monotonic() < awake_until:
            queue.wait(POLL_SECONDS)
        else:
            time.sleep(POLL_SECONDS)


class Worker:
    """Runs the jobs of one lane, one at a time."""

    def __init__(self, queue: Queue, lane: str, kinds: Mapping[str, Work], checkpoints: Path) -> None:
        self.queue, self.lane, self.kinds, self.checkpoints = queue, lane, kinds, checkpoints
        self.name = f"{lane}:{os.getpid()}:{time.time():.3f}"

    def step(self) -> bool:
        """Claims and runs one job; False where there is none."""
        job = self.queue.claim(self.lane, self.name, os.getpid())
        if job is None:
            return False
        folder = self.checkpoints / job.id
        folder.mkdir(parents=True, exist_ok=True)
        stop = threading.Event()
        heart = threading.Thread(target=self._beat, args=(job, stop), daemon=True)
        heart.start()
        try:
            self._run(job, folder)
        except SystemExit:  # SIGTERM: the next worker goes on from the checkpoint
            self.queue.release(job.id, self.name)
            raise
        finally:
            stop.set()
            heart.join()
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def _run(self, job: Job, folder: Path) -> None:
        log.info("job %s (%s) begins, attempt %d", job.id, job.kind, job.attempts)
        talk = _Talk(self.queue, job, self.name)
        try:
            if job.kind not in self.kinds:
                raise LookupError(f"no job is called {job.kind!r}")
            result = self.kinds[job.kind](job.args, talk.report, talk.cancelled, folder)
            talk.flush()
            # A job that was asked to stop and returned has stopped; what it returned is not a whole result.
            state = "cancelled" if talk.stopped else "done"
            self.queue.end(job.id, self.name, state, result=result)
        except Cancelled:
            self.queue.end(job.id, self.name, "cancelled")
        except Exception as error:  # the boundary: whatever a job raises becomes a sentence, and the worker lives on
            log.error("job %s (%s) failed: %s", job.id, job.kind, describe(error))
            self.queue.end(job.id, self.name, "failed", error=as_note(error, job.id))
        log.info("job %s ends", job.id)

    def _beat(self, job: Job, stop: threading.Event) -> None:
        while not stop.wait(BEAT_SECONDS):
            if not self.queue.beat(job.id, self.name):
                return


class _Talk:
    """What a job says and hears while it runs."""

    def __init__(self, queue: Queue, job: Job, worker: str) -> None:
        self._queue, self._job, self._worker = queue, job, worker
        self._said, self._asked = 0.0, 0.0
        self._waiting: tuple[float, float, Mapping[str, Any] | None] | None = None
        self.stopped = False

    def report(self, done: float, total: float, note: Mapping[str, Any] | None = None) -> None:
        """Keeps the newest word and writes it when the last one is old enough."""
        self._waiting = (float(done), float(total), note)
        if time.monotonic() - self._said >= REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes the word that is waiting."""
        if self._waiting is not None:
            self._queue.progress(self._job.id, self._worker, *self._waiting)
            self._waiting, self._said = None, time.monotonic()

    def cancelled(self) -> bool:
        """Whether a person asked the job to stop; looks at most every REPORT_SECONDS."""
        if not self.stopped and time.monotonic() - self._asked >= REPORT_SECONDS:
            self._asked = time.monotonic()
            row = self._queue.state(self._job.id)
            self.stopped = row is None or row.cancel_asked
        return self.stopped


def as_note(error: BaseException, job: str) -> Note:
    """The sentence of an error: its own where it carries one, else that something went wrong and where to look."""
    own = getattr(error, "note", None)
    if isinstance(own, Note):
        return own
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return Note("jobs.no_memory")
    if isinstance(error, OSError) and error.errno == 28:  # ENOSPC
        return Note("jobs.no_room")
    return Note("jobs.unexpected", {"job": job})


def describe(error: BaseException) -> str:
    """Type and place of an error, without its message unless HANDFUL_DEBUG=1."""
    if os.environ.get("HANDFUL_DEBUG") == "1":
        return "".join(traceback.format_exception(error))
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at " + " < ".join(
        f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames)
    )


def start_log(settings: Settings, name: str, logger: str = "handful") -> None:
    """A log file that never grows past a few megabytes, for a logger and all below it."""
    folder = settings.data_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(folder / f"{name}.log", maxBytes=LOG_BYTES, backupCount=LOG_COPIES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    target = logging.getLogger(logger)
    target.addHandler(handler)
    target.setLevel(logging.INFO)
    target.propagate = False


def limit_threads(lane: str) -> None:
    """Leaves one core to the pages: the learning lane gets the others, the intake lane one (both may run at once)."""
    threads = max((os.cpu_count() or 2) - 1, 1) if lane == LEARN else 1
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    if lane != LEARN:
        os.nice(5)  # reading may take minutes and must not slow a press of Adapt


if __name__ == "__main__":
    main()
