"""Files that were sent -> cases of a project; what could not be kept stands in its table of refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.intake import Taken, patient_key, take_in
from engine.jobs.work import rooms
from engine.jobs.work.encode import file_encode
from engine.nouns import Note
from engine.projects.uploads import Uploads


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, upload, reader. Result: counts of cases that came, were here already, and of files refused."""
    uploads = Uploads(rooms.store(), rooms.settings().uploads_dir)
    source = uploads.source(args["upload"])
    result = take_in_folder(args["project"], source, args.get("reader", ""), args["upload"], report, cancelled)
    uploads.discard(args["upload"], "cancelled" if cancelled() else "taken", reader=args.get("reader", ""))
    return result


def take_in_folder(
    project: str, source: Path, reader: str, upload: str, report: Callable, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Read a folder, file or zip into the cases folder and the project; then file one embedding job a case."""
    store, settings = rooms.store(), rooms.settings()
    settings.cases_dir.mkdir(parents=True, exist_ok=True)

    def tell(done: int, total: int, name: str) -> None:
        report(done, total, Note("work.reading", {"done": done, "total": total}).to_json())

    taken = take_in(source, settings.cases_dir, key=patient_key(settings.key_file), report=tell, cancelled=cancelled)
    before = {c.id for c in store.cases(project)}
    for case in taken.cases:
        store.add_case(project, case, upload=upload, reader=reader)
        file_encode(project, case.id)
    store.refuse(project, taken.refused, upload=upload)
    return _said(taken, before)


def _said(taken: Taken, before: set[str]) -> dict[str, Any]:
    already = [c.id for c in taken.cases if c.id in before]
    return {
        "cases": len(taken.cases) - len(already),
        "already": len(already),
        "refused": len(taken.refused),
        "removed": dict(taken.removed),
        "notes": [n.to_json() for n in taken.notes],
    }
