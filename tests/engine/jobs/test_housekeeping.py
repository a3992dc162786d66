"""What names patients does not outlive its use, and what is in use stays."""

from __future__ import annotations

import os
import time

import pytest

from engine.jobs import INTAKE, Queue
from engine.jobs.housekeeping import tidy
from engine.nouns import Case, Geometry
from engine.projects import Store
from engine.projects.folder_names import OLD_SECONDS, folders_of, keep_folders
from engine.projects.uploads import Announced, Uploads
from engine.settings import Settings

LATER = time.time() + 3600


@pytest.fixture
def home(tmp_path):
    settings = Settings(data_dir=tmp_path)
    return settings, Store(settings.database), Queue(tmp_path)


def _received(home):
    settings, store, _ = home
    uploads = Uploads(store, settings.uploads_dir)
    project = store.create_project("p")
    upload = uploads.begin(project.id, "s", [Announced("ZHANG SAN.dcm", 1)])
    uploads.part(upload.id, 0).write_bytes(b"x")
    return upload.id, uploads.finish(upload.id)


def _end_the_job(queue, upload, state):
    job = queue.file("take_in", {"upload": upload}, lane=INTAKE, key=f"upload-{upload}")
    if state:
        queue.claim(INTAKE, "w", 1)
        queue.end(job.id, "w", state)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_originals_go_when_their_reading_failed(home, state):
    upload, source = _received(home)
    _end_the_job(home[2], upload, state)
    assert tidy(*home)["uploads"] == 1
    assert not source.parent.exists()
    assert home[1].upload(upload).state == "failed"


def test_originals_stay_while_they_wait_to_be_read(home):
    upload, source = _received(home)
    _end_the_job(home[2], upload, None)
    assert tidy(*home)["uploads"] == 0
    assert (source / "ZHANG SAN.dcm").exists()


def test_voxels_of_a_deleted_project_go_and_those_of_others_stay(home):
    settings, store, _ = home
    gone, stays = store.create_project("gone"), store.create_project("stays")
    for project, name in ((gone, "a"), (stays, "b")):
        store.add_case(project.id, Case(name, "image", name, (1, 1, 1), Geometry(), ""))
        (settings.cases_dir / name).mkdir(parents=True)
    store.remove_case(stays.id, "b")  # can be brought back
    store.remove_project(gone.id)
    assert tidy(*home)["cases"] == 0  # a folder this new may be one that is just being written
    assert tidy(*home, now=LATER)["cases"] == 1
    assert [folder.name for folder in settings.cases_dir.iterdir()] == ["b"]


def test_nothing_of_a_case_goes_while_something_is_read(home):
    settings, _, queue = home
    (settings.cases_dir / "new").mkdir(parents=True)
    queue.file("take_in", {}, lane=INTAKE)
    assert tidy(*home, now=LATER)["cases"] == 0


def test_exports_go_after_a_day(home):
    settings = home[0]
    for name in ("old", "new"):
        (settings.data_dir / "downloads" / name).mkdir(parents=True)
    os.utime(settings.data_dir / "downloads" / "old", (1, 1))
    assert tidy(*home)["downloads"] == 1
    assert [folder.name for folder in (settings.data_dir / "downloads").iterdir()] == ["new"]


def test_names_of_folders_go_after_a_day(home):
    settings, store, queue = home
    keep_folders(settings.data_dir, "p", {"case": "ZHANG SAN"})
    assert tidy(settings, store, queue)["folders"] == 0
    assert folders_of(settings.data_dir, "p") == {"case": "ZHANG SAN"}
    assert tidy(settings, store, queue, time.time() + OLD_SECONDS + 60)["folders"] == 1
    assert not list((settings.data_dir / "folders").iterdir())
