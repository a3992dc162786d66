"""Scans that are still arriving, and what colleagues do meanwhile: the page follows by itself, nothing is pressed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dashboard.words import Words
from engine.nouns import Case, Geometry
from engine.pacs.address import SETTING
from tests.dashboard.serving import page_server

PAGE = Path(__file__).resolve().parents[2] / "dashboard" / "asgi.py"


@pytest.fixture
def served(project, tmp_path):
    with page_server(tmp_path / "data", PAGE, HANDFUL_DICOM_PORT="11999") as running:  # nobody listens there
        yield running


def arrive(served, project: str, number: int) -> Path:
    """One more scan is read, as a job does it, and not prepared yet; returns its folder."""
    case = Case(f"case{number}", "volume", f"case{number}", (4, 16, 16), Geometry(), f"patient{number}", modality="CT")
    folder = served.data_dir / "cases" / case.id
    folder.mkdir(parents=True)
    np.save(folder / "voxels.npy", np.zeros(case.shape, np.int16))
    (folder / "case.json").write_text(json.dumps(case.to_json()))
    served.store.add_case(project, case)
    return folder


def test_a_scan_that_comes_while_one_labels_stands_in_the_list_and_is_called_ready_when_it_is(
    served, project, open_quietly
):
    served.queue.file("take_in", {"project": project[1]}, lane="intake", project=project[1])
    page = open_quietly(f"{served.url}/?p={project[1]}&s=label&c=case0")
    page.locator("button.item:has-text('Case 08')").wait_for()
    assert page.locator("button.item:has-text('Case 09')").count() == 0
    folder = arrive(served, project[1], 8)
    page.locator("button.item:has-text('Case 09'):has-text('preparing')").wait_for()
    (folder / "encoding-test.npz").touch()
    page.locator("button.item:has-text('Case 09'):not(:has-text('preparing'))").wait_for()
    page.locator("button.item[aria-selected=true]:has-text('Case 01')").wait_for()  # still the one being labelled


@pytest.mark.parametrize("step", ["gather", "label"])
def test_what_a_pacs_sends_to_the_inbox_appears_though_nothing_was_under_way(served, project, open_quietly, step):
    served.store.set_setting(SETTING, {"inbox": project[1]})
    page = open_quietly(f"{served.url}/?p={project[1]}&s={step}")
    page.locator("button.item:has-text('Case 08')").wait_for()
    arrive(served, project[1], 8)
    page.locator("button.item:has-text('Case 09')").wait_for()


@pytest.mark.parametrize("step", ["label", "report"])
def test_what_a_colleague_labels_appears_on_a_page_that_nobody_touches(served, project, open_quietly, step):
    page = open_quietly(f"{served.url}/?p={project[1]}&s={step}")
    page.locator("button.item:has-text('Case 03'):has-text('to label')").wait_for()
    served.store.set_label(project[1], "case2", "smooth")
    page.locator("button.item:has-text('Case 03'):has-text('smooth')").wait_for()


def test_a_project_that_a_colleague_deletes_is_said_to_have_gone(served, project, open_quietly):
    page = open_quietly(f"{served.url}/?p={project[1]}&s=label")
    page.locator("button.item:has-text('Case 08')").wait_for()
    served.store.remove_project(project[1])
    page.get_by_text("is not here any more").wait_for()


def test_a_lost_connection_is_told_without_the_internet_and_in_the_pages_language(served, project, open_quietly):
    page = open_quietly(f"{served.url}/?p={project[1]}&s=label")
    page.locator("button.item:has-text('Case 08')").wait_for()
    served.process.kill()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(Words("en")("app.lost_text")).wait_for()
    assert "internet" not in dialog.inner_text()


@pytest.fixture
def open_quietly(browser):
    """open_quietly(address): a page that nobody touches."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(120_000)

    def go(address: str):
        page = context.new_page()
        page.goto(address)
        return page

    yield go
    context.close()
