"""The PACS on the page: offered when there is an address, told under which name, text that stays text."""

from __future__ import annotations

import pytest

from dashboard.steps.pacs import _dates, _line
from dashboard.words import Words
from engine.jobs.queue import Queue
from engine.pacs.address import Address, keep_address
from engine.pacs.identity import coded_identity
from engine.pacs.vault import Vault
from engine.pacs.web import Found
from engine.settings import load_settings
from tests.dashboard.test_steps import adapted, open_step


def shown(page) -> str:
    return " ".join(h.proto.body for h in page.get("html"))


def tell_address(store) -> Vault:
    vault = Vault(load_settings())
    keep_address(store, vault, Address("http://127.0.0.1:9/dicom-web", "user", "secret-word"))
    return vault


@pytest.mark.parametrize("language", ["en", "zh"])
def test_sending_waits_for_an_address_then_says_under_which_name_each_case_goes(project, language):
    store, project_id = project
    words = Words(language)
    adapted(store, project_id)
    page = open_step(project_id, "report", language)
    assert words("pacs.send_no_address") in shown(page).replace("&quot;", '"').replace("&#x27;", "'")
    assert not [b for b in page.button if b.key == "pacs-send"]
    vault = tell_address(store)
    vault.put("case6", coded_identity(store.case(project_id, "case6").case).to_json())
    page = open_step(project_id, "report", language)
    assert words("pacs.send_names", kept=1, coded=1) in shown(page)


def test_sending_is_filed_once_for_the_run_that_is_shown(project, tmp_path):
    store, project_id = project
    adapted(store, project_id)
    tell_address(store)
    open_step(project_id, "report").button(key="pacs-send").click().run()
    (job,) = Queue(tmp_path / "data").jobs(project=project_id, kinds=("pacs_send",))
    assert job.args["run"] == store.latest_run(project_id).id
    assert not [b for b in open_step(project_id, "report").button if b.key == "pacs-send"]


def test_kept_identifiers_can_be_forgotten_and_the_log_says_so(project):
    store, project_id = project
    vault = Vault(load_settings())
    vault.put("case0", coded_identity(store.case(project_id, "case0").case).to_json())
    open_step(project_id, "gather").button(key="pacs-forget").click().run()
    assert vault.names() == []
    assert "identifiers.forget" in {row.what for row in store.audit_rows(project_id)}


def test_dates_become_a_range_and_what_is_no_date_is_refused():
    assert _dates("", "") == "" and _dates("2024-01-31", "2024-01-31") == "20240131"
    assert _dates("2024-01-31", "") == "20240131-" and _dates("", "2024-02-01") == "-20240201"
    with pytest.raises(ValueError):
        _dates("31.1.2024", "")


def test_what_a_pacs_writes_stays_text():
    line = _line(Found("1.2", "A *b*", "<i>", "20240131", "[x](http://y) $z$", "CT", 1, 2))
    for mark in "*<[]$":
        assert all(line[at - 1] == "\\" for at, c in enumerate(line) if c == mark)
    assert line.startswith("2024-01-31 · ")
