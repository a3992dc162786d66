"""The drop zone in a real browser: folders, progress, cancel, a lost connection, another step and back."""

from __future__ import annotations

import os
import re

import pytest

from tests.dashboard.serving import page_server


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with page_server(tmp_path_factory.mktemp("zone") / "data") as running:
        yield running


@pytest.fixture
def view(browser, page):
    """The page with the zone; fails afterwards where the browser reported an error or asked another machine."""
    tab = browser.new_page(viewport={"width": 1000, "height": 600})
    errors, foreign = [], []
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda r: foreign.append(r.url) if not re.match(rf"(blob:|data:|{page.url})", r.url) else None)
    tab.goto(f"{page.url}/?p={page.project.id}")
    tab.locator(".zone").wait_for()
    yield tab
    tab.close()
    # The browser itself notes the two failures that tests here bring about.
    expected = ("net::ERR_INTERNET_DISCONNECTED", "status of 404")
    assert [e for e in errors if not any(each in e for each in expected)] == []
    assert foreign == []


@pytest.fixture
def study(tmp_path):
    """A folder of two folders, 24 files."""
    for number in range(24):
        path = tmp_path / "CT chest" / f"series {number % 2}" / f"IM{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(50_000))
    return tmp_path / "CT chest"


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "big.zip"
    path.write_bytes(os.urandom(60 * 10**6))
    return path


def state(view, name):
    return view.locator(f".zone[data-state={name}]")


def uploads(page, name):
    return [each.id for each in page.store.uploads(page.project.id, name)]


def test_a_folder_arrives_with_its_names_and_the_page_is_told_once(view, page, study):
    view.locator("input[data-role=folder]").set_input_files(study)
    state(view, "arrived").wait_for()
    view.get_by_text("runs with an upload: 1", exact=True).wait_for()
    newest = uploads(page, "received")[0]
    source = page.data_dir / "uploads" / newest / "source"
    found = {p.relative_to(source).as_posix(): p.read_bytes() for p in source.rglob("*") if p.is_file()}
    assert found == {p.relative_to(study.parent).as_posix(): p.read_bytes() for p in study.rglob("IM*")}
    assert (
        view.locator(".zone .text").inner_text()
        == "All files have arrived (24). This page shows what was read and what was not."
    )


def test_what_is_dropped_on_the_zone_is_sent(view, page):
    dropped = view.evaluate_handle(
        """() => { const data = new DataTransfer();
        for (const name of ["a.dcm", "b.dcm"]) data.items.add(new File([name.repeat(1000)], name)); return data; }"""
    )
    zone = view.locator(".zone")
    zone.dispatch_event("dragover", {"dataTransfer": dropped})
    assert "over" in zone.get_attribute("class").split()
    zone.dispatch_event("drop", {"dataTransfer": dropped})
    state(view, "arrived").wait_for()
    source = page.data_dir / "uploads" / uploads(page, "received")[0] / "source"
    assert sorted(p.name for p in source.iterdir()) == ["a.dcm", "b.dcm"]
    assert (source / "b.dcm").read_text() == "b.dcm" * 1000


def test_cancel_stops_at_once_and_deletes(view, page, archive):
    view.context.new_cdp_session(view).send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 8 * 10**6},
    )
    view.locator("input[data-role=files]").set_input_files(archive)
    state(view, "sending").wait_for()
    cancelled = len(uploads(page, "cancelled"))
    view.get_by_role("button", name="Cancel").click()
    state(view, "cancelled").wait_for()
    for _ in range(100):
        if len(uploads(page, "cancelled")) > cancelled:
            break
        view.wait_for_timeout(50)
    newest = uploads(page, "cancelled")[0]
    assert not (page.data_dir / "uploads" / newest).exists()
    assert "runs with an upload: 0" in view.locator("body").inner_text()
    view.locator("button.choose").first.wait_for()


def test_a_lost_connection_is_waited_out(view, page, archive):
    network = view.context.new_cdp_session(view)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20 * 10**6}
    network.send("Network.emulateNetworkConditions", slow)
    view.locator("input[data-role=files]").set_input_files(archive)
    state(view, "sending").wait_for()
    network.send("Network.emulateNetworkConditions", {**slow, "offline": True})
    state(view, "waiting").wait_for()
    assert "goes on by itself" in view.locator(".zone .text").inner_text()
    network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    state(view, "arrived").wait_for(timeout=60_000)
    newest = uploads(page, "received")[0]
    assert (page.data_dir / "uploads" / newest / "source" / "big.zip").read_bytes() == archive.read_bytes()


def test_sending_goes_on_behind_another_step_and_is_told_on_return(view, page, archive):
    network = view.context.new_cdp_session(view)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20 * 10**6}
    network.send("Network.emulateNetworkConditions", slow)
    before = len(uploads(page, "received"))
    view.locator("input[data-role=files]").set_input_files(archive)
    state(view, "sending").wait_for()
    view.get_by_text("another step").click()
    view.locator(".zone").wait_for(state="detached")
    for _ in range(400):
        if len(uploads(page, "received")) > before:
            break
        view.wait_for_timeout(50)
    view.get_by_text("another step").click()
    state(view, "arrived").wait_for()
    view.get_by_text("runs with an upload: 1", exact=True).wait_for()


def test_a_refusal_is_said_in_the_readers_language(view, page, tmp_path):
    view.goto(f"{page.url}/?p=nowhere&lang=zh")
    (tmp_path / "a").write_bytes(b"x")
    view.locator("input[data-role=files]").set_input_files(tmp_path / "a")
    state(view, "refused").wait_for()
    assert view.locator(".zone .text").inner_text() == "找不到该项目，可能已在其他窗口中删除。"
