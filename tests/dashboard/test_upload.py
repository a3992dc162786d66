"""The way in for bytes, over the wire: resume, cancel, caps, whose upload it is, and how little memory it takes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import time
from pathlib import Path

import psutil
import pytest

from dashboard.upload.routes import _append
from engine.projects.uploads import CHUNK_BYTES
from tests.dashboard.serving import page_server


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with page_server(tmp_path_factory.mktemp("upload") / "data") as running:
        yield running


@pytest.fixture
def client(page):
    return page.client(**{"X-Handful": "1"})


def begin(client, page, files, project=None):
    answer = client.post("/hf/up", json={"project": project or page.project.id, "files": files})
    assert answer.status_code == 201, answer.text
    return answer.json()


def put(client, upload, number, offset, raw):
    return client.put(f"/hf/up/{upload}/{number}", params={"offset": offset}, content=raw)


def folder(page, upload):
    return page.data_dir / "uploads" / upload


def test_files_arrive_whole_and_a_job_is_filed(client, page):
    contents = {"study/IM1.dcm": os.urandom(3 * 10**6), "study/子/IM2": os.urandom(10), "empty": b""}
    upload = begin(client, page, [[name, len(raw)] for name, raw in contents.items()])
    for number, raw in enumerate(contents.values()):
        if raw:
            assert put(client, upload["id"], number, 0, raw).json() == {"received": len(raw)}
    job = page.queue.state(client.post(f"/hf/up/{upload['id']}/finish").json()["job"])
    assert (job.kind, job.lane, job.project) == ("take_in", "intake", page.project.id)
    assert job.args["upload"] == upload["id"]
    source = folder(page, upload["id"]) / "source"
    assert {p.relative_to(source).as_posix(): p.read_bytes() for p in source.rglob("*") if p.is_file()} == contents
    again = client.post(f"/hf/up/{upload['id']}/finish")
    assert again.json()["job"] == job.id


def test_a_large_file_goes_in_chunks_and_on_after_a_lost_connection(client, page):
    raw = os.urandom(2 * CHUNK_BYTES + 12345)
    upload = begin(client, page, [["big.zip", len(raw)]])
    assert upload["chunk"] == CHUNK_BYTES
    put(client, upload["id"], 0, 0, raw[:CHUNK_BYTES])
    # A connection that breaks in the middle of a chunk:
    with socket.create_connection(("127.0.0.1", page.port)) as wire:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        head = (
            f"PUT /hf/up/{upload['id']}/0?offset={CHUNK_BYTES} HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
            f"Cookie: {cookie}\r\nX-Handful: 1\r\nContent-Length: {CHUNK_BYTES}\r\n\r\n"
        )
        wire.sendall(head.encode() + raw[CHUNK_BYTES : CHUNK_BYTES + 3 * 10**6])
    end = time.monotonic() + 10
    while (at := client.get(f"/hf/up/{upload['id']}").json()["received"]["0"]) == CHUNK_BYTES:
        assert time.monotonic() < end, "nothing of the broken chunk was kept"
        time.sleep(0.05)
    # The same drop, as after a reload of the page, finds the same upload and where it stopped.
    again = begin(client, page, [["big.zip", len(raw)]])
    assert again["id"] == upload["id"]
    at = again["received"]["0"]
    assert CHUNK_BYTES < at < CHUNK_BYTES + 3 * 10**6 + 1
    assert put(client, upload["id"], 0, 0, b"x").status_code == 409
    assert put(client, upload["id"], 0, 0, b"x").json() == {"received": at}
    while at < len(raw):
        at = put(client, upload["id"], 0, at, raw[at : at + CHUNK_BYTES]).json()["received"]
    client.post(f"/hf/up/{upload['id']}/finish").raise_for_status()
    arrived = (folder(page, upload["id"]) / "source" / "big.zip").read_bytes()
    assert hashlib.sha256(arrived).digest() == hashlib.sha256(raw).digest()


def test_cancel_deletes_what_arrived_and_refuses_the_rest(client, page):
    upload = begin(client, page, [["a", 100]])["id"]
    put(client, upload, 0, 0, b"x" * 50)
    assert client.delete(f"/hf/up/{upload}").status_code == 200
    assert not folder(page, upload).exists()
    assert put(client, upload, 0, 50, b"x" * 50).status_code == 410
    assert client.post(f"/hf/up/{upload}/finish").status_code == 410
    assert not folder(page, upload).exists()
    assert page.store.upload(upload).state == "cancelled"


def test_more_than_announced_is_refused(client, page):
    upload = begin(client, page, [["a", 10]])["id"]
    answer = put(client, upload, 0, 0, b"x" * 11)
    assert (answer.status_code, answer.json()["note"]["key"]) == (413, "upload.more_than_announced")
    assert put(client, upload, 1, 0, b"x").status_code == 404


def test_less_than_announced_is_not_handed_over(client, page):
    upload = begin(client, page, [["a", 10]])["id"]
    put(client, upload, 0, 0, b"x" * 9)
    answer = client.post(f"/hf/up/{upload}/finish")
    assert (answer.status_code, answer.json()["note"]) == (409, {"key": "upload.incomplete", "values": {"files": 1}})


def test_an_upload_belongs_to_its_session(client, page):
    upload = begin(client, page, [["a", 10]])["id"]
    stranger = page.client(**{"X-Handful": "1"})
    assert stranger.get(f"/hf/up/{upload}").status_code == 404
    assert put(stranger, upload, 0, 0, b"x" * 10).status_code == 410
    assert stranger.post(f"/hf/up/{upload}/finish").status_code == 410
    assert stranger.delete(f"/hf/up/{upload}").status_code == 410
    assert client.get(f"/hf/up/{upload}").json()["received"] == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 400), (b'{"project": "p"}', 400), (b'{"project": "p", "files": [["a"]]}', 400),
        (b'{"project": "p", "files": [["a", -1]]}', 400), (b'{"project": "p", "files": [["a", 1e400]]}', 400),
        (json.dumps({"project": "nowhere", "files": [["a", 1]]}).encode(), 404),
        (json.dumps({"project": "import", "files": [["a", 10**15]]}).encode(), 413),
        (json.dumps({"project": "import", "files": []}).encode(), 413),
        (b" " * (9 * 2**20), 413),
    ],
)  # fmt: skip
def test_a_list_of_files_that_makes_no_sense_is_refused_with_a_note(client, body, status):
    answer = client.post("/hf/up", content=body)
    assert answer.status_code == status
    assert answer.json()["note"]["key"].startswith(("upload.", "store."))


def test_names_that_climb_out_stay_inside(client, page):
    names = ["../../evil", "/etc/passwd", "a/../../b", "..\\..\\c", "ok/\u202etxt.exe"]
    upload = begin(client, page, [[name, 1] for name in names])["id"]
    for number in range(len(names)):
        put(client, upload, number, 0, b"x")
    client.post(f"/hf/up/{upload}/finish").raise_for_status()
    source = folder(page, upload) / "source"
    found = sorted(p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file())
    assert found == ["a/b", "c", "etc/passwd", "evil", "ok/txt.exe"]


def test_a_projects_own_file_is_opened_by_its_own_job(client, page):
    upload = begin(client, page, [["nodules.handful", 1]], project="import")["id"]
    put(client, upload, 0, 0, b"x")
    assert page.queue.state(client.post(f"/hf/up/{upload}/finish").json()["job"]).kind == "open_project"


def test_two_hundred_megabytes_take_no_memory(client, page):
    raw, size = os.urandom(CHUNK_BYTES), 25 * CHUNK_BYTES
    server = psutil.Process(page.process.pid)
    upload = begin(client, page, [["big.zip", size]])["id"]
    before, peak = server.memory_info().rss, 0
    for offset in range(0, size, CHUNK_BYTES):
        assert put(client, upload, 0, offset, raw).status_code == 200
        peak = max(peak, server.memory_info().rss)
    client.delete(f"/hf/up/{upload}")
    assert peak - before < 40 * 10**6


@pytest.mark.parametrize("size", [10, 3 * 10**6])
def test_a_full_disk_is_said_and_not_a_broken_page(size):
    """Linux's /dev/full answers every write as a full disk does."""

    class Sent:
        async def stream(self):
            yield b"x" * size

    answer = asyncio.run(_append(Sent(), Path("/dev/full"), 0, 10**9))
    assert answer.status_code == 507
    assert json.loads(answer.body)["note"]["key"] == "upload.disk_full"
