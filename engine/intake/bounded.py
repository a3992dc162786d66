"""The parent's side of the reading processes: ask, wait within limits, kill what hangs, start again.

Time is wall clock for a quick answer and processor time for a fair one: on a loaded machine a worker that merely waits
for its turn is not killed before `PATIENCE` times its limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from engine.intake.limits import Limits
from engine.nouns import Note

ROOT = Path(__file__).resolve().parent.parent.parent
POLL_SECONDS = 0.1
PATIENCE = 6
AHEAD = 8  # requests sent ahead; few enough to fit the 64 KiB of a pipe with the longest file names
END_SECONDS = 5.0  # for the child to end its workers and itself
MOST_WORKERS = 4  # decoding beyond that waits for the disk
WORTH_SPREADING = 16  # requests; a second worker forks in milliseconds

Request = tuple[float, dict[str, Any]]


class Cancelled(Exception):
    """The person pressed Cancel; the worker is gone, what was finished stays."""


class NoSpace(OSError):
    """The disk is full: nothing more can be taken in."""


class Bounded:
    """The child that imports the decoders, and the workers that it forks: all started when first asked.

    Use as a context manager. `cancelled` is asked a few times a second while waiting.
    """

    def __init__(
        self,
        limits: Limits,
        cancelled: Callable[[], bool] | None = None,
        *,
        readers: str = "engine.intake.child:Readers",
    ) -> None:
        self.limits = limits
        self.readers = readers  # whose operations are asked for: "module:class", see `engine.intake.child`
        self._cancelled = cancelled or (lambda: False)
        self._asked = 0.0
        self.child: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self.workers = [Worker(self, place) for place in range(min(MOST_WORKERS, os.cpu_count() or 1))]

    def __enter__(self) -> Bounded:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.stop()
        if self.child is not None:
            self._control.close()
            try:
                self.child.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def ask(self, op: str, *, seconds: float, **request: Any) -> dict[str, Any]:
        """One answer; see `ask_all`."""
        return next(iter(self.ask_all([(seconds, {"op": op, **request})])))

    def ask_all(self, requests: Sequence[Request], *, spread: bool = False) -> Iterator[dict[str, Any]]:
        """Answers, in order, to requests with their limits in seconds.

        An answer is {"refused": note} where a worker hung, crashed or was refused memory; the requests after it go to
        a fresh one. With `spread` several workers share the requests (only for requests that do not build on each
        other). The answers must be taken to the end before anything else is asked. Raises Cancelled, and NoSpace when
        the disk is full.
        """
        workers = self.workers if spread and len(requests) >= WORTH_SPREADING else self.workers[:1]
        streams = [w.ask_all(requests[i :: len(workers)]) for i, w in enumerate(workers)]
        for index in range(len(requests)):
            yield next(streams[index % len(streams)])

    def stop_if_cancelled(self) -> None:
        """Ask whether to go on, a few times a second at most: the answer may come from a database."""
        if time.monotonic() - self._asked > POLL_SECONDS:
            self._asked = time.monotonic()
            if self._cancelled():
                raise Cancelled

    def fork(self, place: int, requests: int, answers: int) -> psutil.Process:
        """A fresh worker at `place` (an older one there is ended) that reads and writes these file descriptors."""
        if self.child is None:
            self._start()
        try:
            socket.send_fds(self._control, [bytes([place])], [requests, answers])
            number = self._control.recv(8)
        except OSError as error:
            raise RuntimeError("The reading process could not be started.") from error
        if len(number) < 8:
            raise RuntimeError("The reading process could not be started.")
        return psutil.Process(int.from_bytes(number, "big"))

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each thread reserves address space
        with theirs:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "engine.intake.child", json.dumps(asdict(self.limits)), self.readers],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(paths)},
            )


class Worker:
    """One place for a worker process; the process is replaced when it died or was killed."""

    def __init__(self, home: Bounded, place: int) -> None:
        self.home, self.place = home, place
        self.process: psutil.Process | None = None
        self._requests = self._answers = -1
        self._rest = b""

    def ask_all(self, requests: Sequence[Request]) -> Iterator[dict[str, Any]]:
        """See `Bounded.ask_all`. A few requests are sent ahead, so that the worker need not wait for this process."""
        sent = 0
        for index, (seconds, _) in enumerate(requests):
            if self.process is None:
                self._start()
                sent = index
            while sent < min(len(requests), index + AHEAD) and self._send(requests[sent][1]):
                sent += 1
            answer = self._answer(seconds)
            if answer is None:
                answer = {"refused": Note("refused.crashed").to_json(), "tired": True}
            if answer.get("tired"):
                self.stop()
            if answer.get("failed") == "no_space":
                raise NoSpace(28, "no space left")
            yield answer

    def stop(self) -> None:
        """End this worker, and only this one."""
        if self.process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.process.kill()  # the child reaps it when it forks the next one: the number cannot be reused yet
            os.close(self._requests)
            os.close(self._answers)
            self.process, self._rest = None, b""

    def _start(self) -> None:
        theirs_in, self._requests = os.pipe()
        self._answers, theirs_out = os.pipe()
        try:
            self.process = self.home.fork(self.place, theirs_in, theirs_out)
        finally:
            os.close(theirs_in)
            os.close(theirs_out)

    def _send(self, request: dict[str, Any]) -> bool:
        """False if the worker has died; what it answered before can still be read."""
        try:
            os.write(self._requests, json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            return False
        return True

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        """One line from the worker; None if it died; a refusal if it took too long."""
        began, used = time.monotonic(), None
        waiting = select.poll()
        waiting.register(self._answers, select.POLLIN)
        self.home.stop_if_cancelled()
        while b"\n" not in self._rest:
            if waiting.poll(1000 * POLL_SECONDS):
                block = os.read(self._answers, 1 << 20)
                if not block:
                    return None
                self._rest += block
                continue
            self.home.stop_if_cancelled()
            used = self._processor_seconds() if used is None else used  # not before: most answers are quick
            wall = time.monotonic() - began
            if wall > seconds and (wall > PATIENCE * seconds or self._processor_seconds() - used > 0.9 * seconds):
                return {"refused": Note("refused.too_slow", {"seconds": round(seconds)}).to_json(), "tired": True}
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def _processor_seconds(self) -> float:
        try:
            times = self.process.cpu_times()
            return times.user + times.system
        except psutil.Error:
            return 0.0
