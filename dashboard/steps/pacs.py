"""From the PACS: its address, a search, studies to pick, and what of who they are is kept.

What a search found names people, so it lies in the memory of this session alone and goes when the window is closed.
"""

from __future__ import annotations

import datetime
import secrets

import streamlit as st

from dashboard import frame
from dashboard.state import Page
from engine.jobs.queue import INTAKE
from engine.pacs.address import Address, keep_address, read_address
from engine.pacs.vault import Vault
from engine.pacs.web import Found, Web
from engine.sentences import Refusal

FOUND = "pacs-found"


def pacs_button(page: Page) -> None:
    """The door to the PACS, beside the drop zone."""
    if st.button(page.words("pacs.from"), key="pacs-open", icon=":material/dns:", width="stretch"):
        st.session_state.pop(FOUND, None)
        _window(page)


def _window(page: Page) -> None:
    words = page.words

    @st.dialog(words("pacs.from"), width="large", on_dismiss=lambda: st.session_state.pop(FOUND, None))
    def window() -> None:
        try:
            address = read_address(page.store, Vault(page.settings))
        except Refusal as refusal:
            frame.remark(words.note(refusal.note), warn=True)
            address = Address()
        if address.web:
            _search(page, address)
            _pick(page)
        with st.expander(words("pacs.address"), expanded=not address.web, key=f"pacs-address-{bool(address.web)}"):
            address_form(page, address)

    window()


def _search(page: Page, address: Address) -> None:
    words = page.words
    with st.form("pacs-search", border=False):
        columns = st.columns((3, 3, 2, 2, 2), vertical_alignment="bottom")
        patient = columns[0].text_input(words("pacs.patient"), key="pacs-patient")
        description = columns[1].text_input(words("pacs.description"), key="pacs-description")
        begin = columns[2].text_input(words("pacs.date_from"), key="pacs-from", placeholder=words("pacs.date_form"))
        end = columns[3].text_input(words("pacs.date_to"), key="pacs-to", placeholder=words("pacs.date_form"))
        asked = columns[4].form_submit_button(words("pacs.search"), key="pacs-go", type="secondary", width="stretch")
    if not asked:
        return
    st.session_state.pop(FOUND, None)
    try:
        dates = _dates(begin, end)
    except ValueError:
        frame.remark(words("pacs.date_wrong"), warn=True)
        return
    with st.spinner(words("pacs.searching")):
        try:
            st.session_state[FOUND] = Web(address).search(patient, dates, description)
        except Refusal as refusal:
            frame.remark(words.note(refusal.note), warn=True)


def _dates(begin: str, end: str) -> str:
    """ "2024-01-31" and the like -> DICOM's range; "" for no date. Raises ValueError for what is no date."""
    texts = [
        datetime.date.fromisoformat(text.strip()).strftime("%Y%m%d") if text.strip() else "" for text in (begin, end)
    ]
    if not any(texts):
        return ""
    return texts[0] if texts[0] == texts[1] else "-".join(texts)


def _pick(page: Page) -> None:
    words, found = page.words, st.session_state.get(FOUND)
    if found is None:
        return
    if not found:
        frame.quiet(words("pacs.nothing"))
        return
    frame.quiet(words("pacs.found", count=len(found)))
    with st.container(height=min(300, 40 + 40 * len(found)), key="pacs-list"):
        picked = [study for study in found if st.checkbox(_line(study), key=f"pacs-pick-{study.uid}")]
    keep = st.checkbox(words("pacs.keep"), key="pacs-keep", help=words("pacs.keep_hint"))
    frame.quiet(words("pacs.keep_on" if keep else "pacs.keep_off"))
    text = words("pacs.fetch", count=len(picked))
    if st.button(text, key="pacs-fetch", type="primary", disabled=not picked, icon=":material/download:"):
        _file(page, picked, keep)
        st.session_state.pop(FOUND, None)
        st.rerun()


def _line(study: Found) -> str:
    date = study.date
    shown = f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 else date
    who = f"{study.patient} ({study.patient_id})" if study.patient_id else study.patient
    parts = (shown, who, study.description, study.modalities, str(study.instances or ""))
    # A label is Markdown: what a PACS writes must stay text.
    return " · ".join("".join(f"\\{c}" if c in "\\`*_[]#<>:$~" else c for c in part) for part in parts if part)


def _file(page: Page, picked: list[Found], keep: bool) -> None:
    """What is to be fetched lies sealed in the vault: the queue keeps a job's arguments for a month."""
    ticket = secrets.token_hex(12)
    Vault(page.settings).put(f"ticket-{ticket}", {"studies": [study.uid for study in picked], "keep": keep})
    args = {"project": page.project.id, "ticket": ticket, "reader": page.reader}
    page.queue.file("fetch", args, lane=INTAKE, project=page.project.id)


def address_form(page: Page, address: Address) -> None:
    """Where the PACS is, and where what it sends to us goes."""
    words = page.words
    projects = {each.id: each.name for each in page.store.projects()}
    with st.form("pacs-address-form", border=False):
        frame.quiet(words("pacs.address_hint"))
        columns = st.columns((4, 2, 2))
        web = columns[0].text_input(
            words("pacs.web"), address.web, key="pacs-web", placeholder="https://pacs/dicom-web"
        )
        user = columns[1].text_input(words("pacs.user"), address.user, key="pacs-user")
        password = columns[2].text_input(words("pacs.password"), "", key="pacs-password", type="password",
                                         placeholder="••••" if address.password else "")  # fmt: skip
        columns = st.columns((3, 2, 2, 2))
        host = columns[0].text_input(words("pacs.host"), address.host, key="pacs-host")
        port = columns[1].text_input(words("pacs.port"), str(address.port or ""), key="pacs-port")
        title = columns[2].text_input(words("pacs.title"), address.title, key="pacs-title")
        our_title = columns[3].text_input(words("pacs.our_title"), address.our_title, key="pacs-our-title")
        inbox, keep = address.inbox, address.keep
        if page.settings.dicom_port:
            frame.quiet(words("pacs.listens", port=page.settings.dicom_port, title=page.settings.dicom_title))
            choices = ["", *projects]
            at = choices.index(inbox) if inbox in choices else 0
            inbox = st.selectbox(words("pacs.inbox"), choices, at, key="pacs-inbox",
                                 format_func=lambda p: projects.get(p, words("pacs.inbox_new")))  # fmt: skip
            keep = st.checkbox(words("pacs.keep"), keep, key="pacs-keep-received", help=words("pacs.keep_hint"))
        kept = st.form_submit_button(words("pacs.save"), key="pacs-save")
    if not kept:
        return
    try:
        number = int(port) if port.strip() else 0
    except ValueError:
        number = -1
    # An empty password field means the one that is kept; without a user there is none.
    secret = (password or address.password) if user.strip() else ""
    new = Address(web.strip(), user.strip(), secret, host.strip(), number, title.strip(),
                  our_title.strip() or address.our_title, inbox, keep)  # fmt: skip
    try:
        keep_address(page.store, Vault(page.settings), new, page.reader)
    except Refusal as refusal:
        frame.remark(words.note(refusal.note), warn=True)
        return
    st.rerun(scope="fragment")


def kept_identifiers(page: Page) -> None:
    """How many cases of the project have their original identifiers kept, and the way to forget them."""
    vault = Vault(page.settings)
    kept = [case.id for case in page.cases if vault.has(case.id)]
    if not kept:
        return
    words = page.words
    frame.quiet(words("pacs.kept", count=len(kept)))
    if st.button(words("pacs.forget"), key="pacs-forget"):
        for case in kept:
            vault.forget(case)
        page.store.log("identifiers.forget", reader=page.reader, project=page.project.id, detail={"cases": len(kept)})
        st.rerun()
