"""Files on their way in, without a browser: hand-over, names, sweeping."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.projects import StoreError
from engine.projects import uploads as module
from engine.projects.uploads import Announced, Uploads, safe_name


@pytest.fixture
def uploads(store, tmp_path):
    return Uploads(store, tmp_path / "uploads")


def _fill(uploads, upload, contents):
    for number, raw in enumerate(contents):
        if raw:
            uploads.part(upload.id, number).write_bytes(raw)


def test_files_are_handed_over_under_their_names(uploads, project):
    upload = uploads.begin(project.id, "s", [Announced("a/1.dcm", 3), Announced("a/b/2", 2), Announced("empty", 0)])
    _fill(uploads, upload, [b"abc", b"de", b""])
    source = uploads.finish(upload.id)
    found = {p.relative_to(source).as_posix(): p.read_bytes() for p in source.rglob("*") if p.is_file()}
    assert found == {"a/1.dcm": b"abc", "a/b/2": b"de", "empty": b""}
    assert uploads.store.upload(upload.id).state == "received"
    assert uploads.finish(upload.id) == source  # asked twice is asked once


def test_a_hand_over_waits_for_every_byte(uploads, project):
    upload = uploads.begin(project.id, "s", [Announced("a", 3), Announced("b", 3)])
    _fill(uploads, upload, [b"abc", b"d"])
    with pytest.raises(StoreError, match="1 files have not arrived"):
        uploads.finish(upload.id)


def test_a_hand_over_that_was_cut_short_starts_again(uploads, project):
    upload = uploads.begin(project.id, "s", [Announced("a", 3), Announced("b", 1)])
    _fill(uploads, upload, [b"abc", b"d"])
    half = uploads.source(upload.id).with_name("sorting")
    half.mkdir()
    (half / "a").hardlink_to(uploads.part(upload.id, 0))
    source = uploads.finish(upload.id)
    assert sorted(p.name for p in source.iterdir()) == ["a", "b"]


def test_the_same_files_in_the_same_session_go_on_and_in_another_do_not(uploads, project):
    files = [Announced("a", 3)]
    first = uploads.begin(project.id, "one", files)
    assert uploads.begin(project.id, "one", files).id == first.id
    assert uploads.begin(project.id, "two", files).id != first.id
    assert uploads.of_session(first.id, "two") is None
    assert uploads.of_session("../" + first.id, "one") is None


def test_caps_are_sentences(uploads, project, monkeypatch):
    for files, key in (
        ([], "empty"),
        ([Announced("a", 1)] * (module.MAX_FILES + 1), "too_many_files"),
        ([Announced("a", module.MAX_BYTES + 1)], "too_large"),
    ):
        with pytest.raises(StoreError) as caught:
            uploads.begin(project.id, "s", files)
        assert caught.value.note.key == f"upload.{key}"
    for number in range(module.MAX_OPEN_UPLOADS):
        uploads.begin(project.id, "s", [Announced(str(number), 1)])
    with pytest.raises(StoreError, match="under way"):
        uploads.begin(project.id, "s", [Announced("one more", 1)])
    monkeypatch.setattr(module, "KEEP_FREE_BYTES", 10**18)
    with pytest.raises(StoreError, match="too little room"):
        uploads.begin(project.id, "other", [Announced("a", 1)])


def test_the_name_of_an_upload_goes_when_its_files_do(uploads, project):
    upload = uploads.begin(project.id, "s", [Announced("a", 1)], name="ZHANG SAN")
    uploads.discard(upload.id, "taken")
    after = uploads.store.upload(upload.id)
    assert (after.name, after.state) == ("", "taken")
    assert not (uploads.folder / upload.id).exists()


def test_abandoned_uploads_and_strange_folders_are_swept_and_waiting_ones_stay(uploads, project):
    old, new, received = (uploads.begin(project.id, "s", [Announced(name, 0)]) for name in "abc")
    uploads.finish(received.id)
    (uploads.folder / "nobody").mkdir()
    for path in (uploads.folder / old.id, uploads.folder / old.id / "part"):
        os.utime(path, (1, 1))
    assert uploads.sweep() == 2
    assert sorted(p.name for p in uploads.folder.iterdir()) == sorted([new.id, received.id])


@given(st.lists(st.text(st.sampled_from("ab./\\:\0\n 文"), max_size=12), max_size=12))
def test_no_name_leaves_its_folder_or_stands_in_the_way_of_another(names):
    taken: set[str] = set()
    made = [safe_name(name, taken) for name in names]
    assert len({each.lower() for each in made}) == len(made)
    for each in made:
        parts = PurePosixPath(each).parts
        assert parts and not each.startswith("/") and ".." not in parts and "\0" not in each and "\\" not in each
    folders = {
        "/".join(PurePosixPath(each).parts[:n]) for each in made for n in range(1, len(PurePosixPath(each).parts))
    }
    assert folders.isdisjoint(made)


def test_ordinary_names_stay_as_they_are():
    taken: set[str] = set()
    for name in ("CT/series 1/IM 0001.dcm", "胸部/第1层.dcm", "DICOMDIR", "a.b.c"):
        assert safe_name(name, taken) == name
    assert safe_name("../../etc/passwd", taken) == "etc/passwd"
    assert safe_name("C:\\scans\\x.dcm", taken) == "C/scans/x.dcm"


def test_an_upload_that_nobody_sends_any_more_is_told_to_the_session_that_began_it(uploads, project):
    upload = uploads.begin(project.id, "mine", [Announced("a", 3), Announced("b", 9)])
    _fill(uploads, upload, [b"abc", b"defg"])
    assert uploads.broken_off(project.id, "mine") is None  # its last byte came just now
    later = uploads.part(upload.id, 1).stat().st_mtime + module.QUIET_SECONDS + 1
    assert uploads.broken_off(project.id, "mine", later) == (7, 12)
    assert uploads.broken_off(project.id, "another", later) is None
    uploads.discard(upload.id, "cancelled")
    assert uploads.broken_off(project.id, "mine", later) is None
