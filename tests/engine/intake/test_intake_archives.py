"""Zip archives are read within bounds, and an attack in one of them costs only itself."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from engine.intake import Limits, take_in
from engine.intake.limits import MIB
from tests.engine.intake.made_series import KEY, keys, slice_of


def dicom_bytes(index: int = 0) -> bytes:
    buffer = io.BytesIO()
    slice_of(index).save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_zip_is_read_like_a_folder(take, tmp_path):
    members = {f"study/{i}": dicom_bytes(i) for i in range(4)} | {"__MACOSX/study/._1": b"x", "study/.DS_Store": b"x"}
    taken = take(zipped(tmp_path / "a.zip", members))
    assert [c.shape for c in taken.cases] == [(4, 16, 20)]
    assert sorted(keys(taken.ignored)) == ["junk", "junk"]
    assert taken.files[taken.cases[0].id][0] == "a.zip/study/0"


@pytest.mark.parametrize("name", ["../out.dcm", "/etc/out.dcm", "a/../../out.dcm", "..\\out.dcm", "C:/out.dcm"])
def test_names_that_climb_out_are_refused_and_nothing_is_written_outside(take, tmp_path, name):
    source = zipped(tmp_path / "in" / "a.zip" if (tmp_path / "in").mkdir() is None else tmp_path, {name: dicom_bytes()})
    before = set(tmp_path.rglob("*"))
    taken = take(source)
    assert keys(taken.refused) == ["zip_path"]
    assert {p.name for p in set(tmp_path.rglob("*")) - before} <= {"cases"}


def test_a_link_in_a_zip_is_refused(take, tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert keys(take(tmp_path / "a.zip").refused) == ["zip_link"]


def test_a_link_in_a_folder_is_refused_not_followed(take, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(dicom_bytes())
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "folder").symlink_to(tmp_path)
    assert keys(take(tmp_path / "in").refused) == ["link", "link"]


def test_a_zip_bomb_is_refused_and_the_good_files_beside_it_are_read(take, tmp_path):
    members = {"bomb": bytes(40 * MIB), **{str(i): dicom_bytes(i) for i in range(3)}}
    taken = take(zipped(tmp_path / "a.zip", members))
    assert [(r.file, r.note.key) for r in taken.refused] == [("a.zip/bomb", "refused.zip_ratio")]
    assert [c.shape for c in taken.cases] == [(3, 16, 20)]


def test_a_zip_whose_directory_lies_about_sizes_unpacks_no_more_than_it_says(take, tmp_path):
    path = zipped(tmp_path / "a.zip", {"bomb": bytes(40 * MIB)})
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 1000)
    path.write_bytes(raw)
    taken = take(path)
    assert len(taken.refused) == 1
    assert not taken.cases


def test_more_files_or_bytes_than_allowed_are_refused_before_unpacking(take, tmp_path):
    path = zipped(tmp_path / "a.zip", {str(i): b"x" * 1000 for i in range(20)})
    assert keys(take(path, limits=Limits(zip_files=19)).refused) == ["zip_files"]
    assert keys(take(path, limits=Limits(zip_bytes=19_000)).refused) == ["zip_bytes"]
    assert set(keys(take(path, limits=Limits(zip_member_bytes=999)).refused)) == {"zip_member"}


def test_an_encrypted_member_is_refused(take, tmp_path):
    path = zipped(tmp_path / "a.zip", {"a": dicom_bytes()}, zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + offset] |= 1
    path.write_bytes(raw)
    assert keys(take(path).refused) == ["zip_encrypted"]


def test_a_zip_in_a_folder_is_opened_and_a_zip_in_a_zip_is_not(take, tmp_path):
    inner = zipped(tmp_path / "inner.zip", {str(i): dicom_bytes(i) for i in range(3)})
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "outer.zip", {"inner.zip": inner.read_bytes(), "a": dicom_bytes(3)})
    inner.rename(tmp_path / "in" / "inner.zip")
    taken = take(tmp_path / "in")
    assert [(r.file, r.note.key) for r in taken.refused] == [("outer.zip/inner.zip", "refused.zip_nested")]
    assert sum(len(f) for f in taken.files.values()) == 4


def test_a_broken_and_an_empty_zip_are_refused(take, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cut.zip").write_bytes(zipped(tmp_path / "a", {"a": dicom_bytes()}).read_bytes()[:100])
    zipped(tmp_path / "in" / "empty.zip", {})
    assert sorted(keys(take(tmp_path / "in").refused)) == ["zip_broken", "zip_empty"]


def test_chinese_names_from_windows_are_shown_as_they_were(take, tmp_path):
    path = zipped(tmp_path / "a.zip", {"wxyz/abcd": b"nonsense"}, zipfile.ZIP_STORED)
    gbk = "肺部".encode("gb18030")
    path.write_bytes(path.read_bytes().replace(b"wxyz", gbk))
    assert take(path).refused[0].file == "a.zip/肺部/abcd"


def test_other_archives_are_refused_with_what_to_do(take, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.rar").write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(600))
    (tmp_path / "in" / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(600))
    assert keys(take(tmp_path / "in").refused) == ["archive", "archive"]


def test_lzma_members_are_unpacked_within_the_memory_of_the_child(tmp_path):
    path = zipped(tmp_path / "a.zip", {str(i): dicom_bytes(i) for i in range(3)}, zipfile.ZIP_LZMA)
    assert [c.shape for c in take_in(path, None, key=KEY).cases] == [(3, 16, 20)]
