"""An installation of its own for a test of jobs: empty folders, and uploads that walk in through the usual door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.jobs.work import KINDS, rooms
from engine.jobs.work.row_data import row_data
from engine.projects import Store
from engine.projects.uploads import Announced, Uploads


class Home:
    """The folders, and jobs run at once in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.checkpoint = folder, folder / "checkpoint"
        self.checkpoint.mkdir()

    @property
    def store(self) -> Store:
        return rooms.store()

    @property
    def data(self) -> Path:
        return rooms.settings().data_dir

    def run(self, kind: str, said: Callable = lambda *_: None, stop: Callable = lambda: False, **args: Any) -> Any:
        return KINDS[kind]({"reader": "AB", **args}, said, stop, self.checkpoint)

    def drop(self, project: str, files: dict[str, bytes]) -> dict[str, Any]:
        """Files as a browser sends them, then the job that reads them."""
        uploads = Uploads(self.store, rooms.settings().uploads_dir)
        announced = [Announced(name, len(content)) for name, content in files.items()]
        upload = uploads.begin(project, "session", announced)
        for number, content in enumerate(files.values()):
            uploads.part(upload.id, number).write_bytes(content)
        uploads.finish(upload.id)
        return self.run("take_in", project=project, upload=upload.id)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An empty data folder that the jobs open instead of the one opened before."""
    monkeypatch.setenv("HANDFUL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HANDFUL_KEY_FILE", str(tmp_path / "key"))
    caches = (rooms.settings, rooms.store, rooms.queue, row_data)
    for each in caches:
        each.cache_clear()
    yield Home(tmp_path)
    for each in caches:
        each.cache_clear()
