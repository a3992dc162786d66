"""The parent's side of the child process: ask, wait within limits, kill what hangs, start again.

Time is wall clock for a quick answer and processor time for a fair one: on a loaded machine a child that merely waits
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


class Cancelled(Exception):
    """The person pressed Cancel; the child is gone, what was finished stays."""


class NoSpace(OSError):
    """The disk is full: nothing more can be taken in."""


class Bounded:
    """A child that forks workers, and the worker that answers now. Both start when first asked; a worker that died or
    was killed is replaced. Use as a context manager."""

    def __init__(self, limits: Limits, cancelled: Callable[[], bool] | None = None) -> None:
        self.limits = limits
        self.cancelled = cancelled or (lambda: False)
        self.child: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.worker: psutil.Process | None = None
        self._requests = self._answers = -1
        self._rest = b""
        self._asked = 0.0

    def __enter__(self) -> Bounded:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.child is not None:
            self.control.close()
            self.child.kill()
            self.child.wait()

    def ask(self, op: str, *, seconds: float, **request: Any) -> dict[str, Any]:
        """One answer; see `ask_all`."""
        return next(iter(self.ask_all([(seconds, {"op": op, **request})])))

    def ask_all(self, requests: Sequence[tuple[float, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        """The child's answers, in order, to requests with their limits in seconds.

        An answer is {"refused": note} where the child hung, crashed or was refused memory; the requests after it go
        to a fresh child. A few requests are sent ahead, so that the child need not wait for this process. The answers
        must be taken to the end before anything else is asked. Raises Cancelled, and NoSpace when the disk is full.
        """
        sent = 0
        for index, (seconds, _) in enumerate(requests):
            fresh = self._started()
            if fresh:
                sent = index
            while sent < min(len(requests), index + AHEAD) and self._send(requests[sent][1]):
                sent += 1
            answer = self._answer(seconds)
            if answer is None:
                answer = {"refused": Note("refused.crashed").to_json()}
                self.stop()
            if answer.get("tired"):
                self.stop()
            if answer.get("failed") == "no_space":
                self.stop()
                raise NoSpace(28, "no space left")
            yield answer

    def stop(self) -> None:
        """End this worker, and only this one."""
        if self.worker is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.worker.kill()  # the child reaps it when it forks the next one: the number cannot be reused yet
            os.close(self._requests)
            os.close(self._answers)
            self.worker, self._rest = None, b""

    def _send(self, request: dict[str, Any]) -> bool:
        """False if the worker has died; what it answered before can still be read."""
        try:
            os.write(self._requests, json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            return False
        return True

    def _started(self) -> bool:
        """Whether a new worker had to be started."""
        if self.worker is not None:
            return False
        if self.child is None:
            self._start_child()
        theirs_in, self._requests = os.pipe()
        self._answers, theirs_out = os.pipe()
        try:
            socket.send_fds(self.control, [b"w"], [theirs_in, theirs_out])
            number = self.control.recv(8)
        except OSError as error:
            raise RuntimeError("The reading process could not be started.") from error
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        if len(number) < 8:
            raise RuntimeError("The reading process could not be started.")
        self.worker = psutil.Process(int.from_bytes(number, "big"))
        return True

    def _start_child(self) -> None:
        self.control, theirs = socket.socketpair()
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each thread reserves address space
        with theirs:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "engine.intake.child", json.dumps(asdict(self.limits))],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(paths)},
            )

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        """One line from the child; None if it died; a refusal if it took too long."""
        began, used = time.monotonic(), None
        out = self._answers
        self._stop_if_cancelled()
        while b"\n" not in self._rest:
            ready, _, _ = select.select([out], [], [], POLL_SECONDS)
            if ready:
                block = os.read(out, 1 << 20)
                if not block:
                    return None
                self._rest += block
                continue
            self._stop_if_cancelled()
            used = self._processor_seconds() if used is None else used  # not before: most answers are quick
            wall = time.monotonic() - began
            if wall > seconds and (wall > PATIENCE * seconds or self._processor_seconds() - used > 0.9 * seconds):
                self.stop()
                return {"refused": Note("refused.too_slow", {"seconds": round(seconds)}).to_json()}
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def _stop_if_cancelled(self) -> None:
        """Ask whether to go on, a few times a second at most: the answer may come from a database."""
        if time.monotonic() - self._asked > POLL_SECONDS:
            self._asked = time.monotonic()
            if self.cancelled():
                self.stop()
                raise Cancelled

    def _processor_seconds(self) -> float:
        try:
            times = self.worker.cpu_times()
            return times.user + times.system
        except psutil.Error:
            return 0.0
