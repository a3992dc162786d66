"""What the engine can be asked to do, by name. A job is `run(args, report, cancelled, checkpoint_dir) -> result`.

`args` and the result are JSON; `report(done, total, note)` moves the bar on the page; `cancelled()` is asked often.
The functions know nothing of the queue that calls them, so that the same ones can run on another machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.jobs.queue import INTAKE
from engine.jobs.work import (
    adapt,
    compare,
    deletion,
    demo,
    encode,
    explain,
    explain_row,
    export,
    gallery,
    learning_curve,
    lesson,
    open_project,
    pacs_fetch,
    pacs_send,
    pacs_taking,
    readers,
    report,
    rooms,
    stepping,
    tables,
    take_in,
    testing,
    what_if,
)
from engine.learners import learners

KINDS: dict[str, Callable[..., Any]] = {
    "take_in": take_in.run,
    "encode": encode.run,
    "demo": demo.run,
    "adapt": adapt.run,
    "test": testing.run,
    "compare": compare.run,
    "stepping": stepping.run,
    "explain": explain.run,
    "deletion": deletion.run,
    "export": export.run,
    "report": report.run,
    "readers": readers.run,
    "learning_curve": learning_curve.run,
    "fetch": pacs_fetch.run,
    "received": pacs_taking.received,
    "pacs_send": pacs_send.run,
    "lesson": lesson.run,
    "open_project": open_project.run,
    "gallery": gallery.run,
    "keep_table": tables.run,
    "explain_row": explain_row.run,
    "what_if": what_if.run,
    "propose_again": tables.propose_again,
}


def warm_up(lane: str) -> None:
    """Load the encoder before the first job asks for it, so that the first Adapt is as quick as the second."""
    rooms.encoder()
    if lane != INTAKE:
        rooms.store().set_setting("device", str(rooms.encoder().device).upper())
        # The page offers what is here without importing what computes.
        rooms.store().set_setting("learners", [each.name for each in learners("classes")])
        rooms.store().set_setting("learners_rows", [each.name for each in learners("classes", "record")])
        rooms.store().set_setting("learners_numbers", [each.name for each in learners("number", "record")])
