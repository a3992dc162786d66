"""A project file from another Handful, dropped on the page, becomes a project here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.jobs.work import rooms
from engine.jobs.work.encode import file_encode
from engine.jobs.work.row_data import ROW_KINDS
from engine.nouns import Note
from engine.projects.database import StoreError
from engine.projects.uploads import Uploads


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: upload, reader. Opens a project file that was dropped. Result: the new project's id."""
    report(0, 1, Note("work.opening").to_json())
    store, reader = rooms.store(), args.get("reader", "")
    uploads = Uploads(store, rooms.settings().uploads_dir)
    files = [p for p in uploads.source(args["upload"]).rglob("*") if p.is_file()]
    if len(files) != 1:
        raise StoreError("project_file.not_ours", file=files[0].name if files else "?")
    project = store.import_project(files[0], rooms.settings().cases_dir, reader=reader)
    uploads.discard(args["upload"], "taken", reader=reader)
    for each in store.cases(project):
        if each.case.kind not in ROW_KINDS:
            file_encode(project, each.id)
    return {"project": project}
