"""Send to the PACS: the newest run's results as DICOM, with what name they go said before they go."""

from __future__ import annotations

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from dashboard.steps.watching import watch_job
from engine.jobs.queue import LEARN, Job
from engine.pacs.address import Address, read_address, ways
from engine.pacs.vault import Vault
from engine.sentences import Refusal

PICTURED = ("volume", "image")


def pacs_send(page: Page) -> None:
    """The panel of the Report step; nothing where the run predicted no pictures."""
    words, vault = page.words, Vault(page.settings)
    cases = [c for c in page.predictions if c in page.by_id and page.by_id[c].case.kind in PICTURED]
    if not cases:
        return
    with st.container(border=True, key="pacs-send-panel"):
        frame.heading(words("pacs.send_title"))
        try:
            address = read_address(page.store, vault)
        except Refusal as refusal:
            frame.remark(words.note(refusal.note), warn=True)
            return
        if not ways(address):
            frame.quiet(words("pacs.send_no_address"))
            return
        job = page.queue.latest("pacs_send", page.project.id)
        mine = job is not None and job.args["run"] == page.run.id
        if mine and job.alive:
            watch_job(page, job.id, page.words("pacs.send_title"), "stop-send")
            return
        if mine:
            _ended(page, job)
        _ask(page, address, cases, vault)


def _ask(page: Page, address: Address, cases: list[str], vault: Vault) -> None:
    words = page.words
    kept = sum(vault.has(case) for case in cases)
    frame.quiet(words("pacs.send_hint", way=words(f"pacs.way_{ways(address)[0]}")))
    frame.quiet(words("pacs.send_names", kept=kept, coded=len(cases) - kept))
    if st.button(words("pacs.send", count=len(cases)), key="pacs-send", icon=":material/upload:"):
        args = {"project": page.project.id, "run": page.run.id, "reader": page.reader}
        page.queue.file("pacs_send", args, lane=LEARN, project=page.project.id)
        st.rerun()


def _ended(page: Page, job: Job) -> None:
    words = page.words
    if job.state == "done":
        frame.remark(words("pacs.sent", cases=job.result["cases"], objects=job.result["objects"]))
    elif job.error:
        frame.remark(words("app.job_failed", reason=words.note(job.error)), warn=True)
