"""What the engine can be asked to do, by name. A job is `run(args, report, cancelled, checkpoint_dir) -> result`.

`args` and the result are JSON; `report(done, total, note)` moves the bar on the page; `cancelled()` is asked often.
The functions know nothing of the queue that calls them, so that the same ones can run on another machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.jobs.queue import INTAKE
from engine.jobs.work import rooms
from engine.jobs.work.adapt import adapt
from engine.jobs.work.demo import demo
from engine.jobs.work.encode import encode
from engine.jobs.work.explain import explain
from engine.jobs.work.export import export, open_project
from engine.jobs.work.take_in import take_in_upload
from engine.jobs.work.testing import test

KINDS: dict[str, Callable[..., Any]] = {
    "take_in": take_in_upload,
    "encode": encode,
    "demo": demo,
    "adapt": adapt,
    "test": test,
    "explain": explain,
    "export": export,
    "open_project": open_project,
}


def warm_up(lane: str) -> None:
    """Load the encoder before the first job asks for it, so that the first Adapt is as quick as the second."""
    rooms.encoder()
    if lane != INTAKE:
        rooms.store().set_setting("device", str(rooms.encoder().device).upper())
