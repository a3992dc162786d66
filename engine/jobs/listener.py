"""The process that listens for a scanner or PACS: `python -m engine.jobs.listener`, started by the supervisor.

On only where HANDFUL_DICOM_PORT is set; loopback unless HANDFUL_DICOM_ADDRESS says otherwise. Studies that come to
rest are filed as a job of the project that the page names as the inbox.
"""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import tempfile
import threading

from engine.jobs.parent import end_with_parent
from engine.jobs.queue import INTAKE, Queue
from engine.jobs.worker import start_log
from engine.nouns import Note
from engine.pacs.address import SETTING
from engine.pacs.listening import Batch, Listener
from engine.pacs.vault import Vault
from engine.projects import Store
from engine.projects.records import Upload
from engine.sentences import say
from engine.settings import Settings, load_settings

log = logging.getLogger("handful.listener")


class Inbox:
    """Where received studies go."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store, self.queue, self.vault = Store(settings.database), Queue(settings.data_dir), Vault(settings)

    def keep(self) -> bool:
        """Whether a person asked for the original identifiers of what is received to be kept."""
        return bool(self.store.get_setting(SETTING, {}).get("keep"))

    def project(self) -> str:
        """The inbox; where none is named, or it is gone, a project of its own is made and becomes it."""
        setting = dict(self.store.get_setting(SETTING, {}))
        if setting.get("inbox") in {each.id for each in self.store.projects()}:
            return setting["inbox"]
        made = self.store.create_project("PACS", ()).id
        self.store.set_setting(SETTING, {**setting, "inbox": made})
        return made

    def take(self, batch: Batch) -> None:
        """Files a study that has come to rest."""
        project = self.project()
        identities = {name: each.to_json() for name, each in batch.identities().items()}
        if identities:
            self.vault.put(f"ticket-{batch.id}", {"identities": identities})
        target = self.settings.uploads_dir / batch.id
        self.store.begin_upload(Upload(batch.id, project, "pacs", "", "open", batch.files, batch.bytes, "", 0.0))
        batch.folder.parent.replace(target)
        self.store.end_upload(batch.id, "received")
        args = {"project": project, "upload": batch.id}
        self.queue.file("received", args, lane=INTAKE, key=f"upload-{batch.id}")


def main() -> None:
    settings = load_settings()
    start_log(settings, "listener")
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its lines name patients and titles
    end_with_parent()
    folder, parts = settings.data_dir / "received", settings.data_dir / "receiving"
    shutil.rmtree(parts, ignore_errors=True)
    for each in (settings.uploads_dir, folder, parts):
        each.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(parts)  # the library's pieces of an image stay in the data folder too
    inbox = Inbox(settings)
    for left in folder.iterdir():  # what came before this process was ended is read, without identifiers
        files = sum(1 for path in left.rglob("*.dcm"))
        inbox.take(Batch(left.name, left / "source", 0.0, files))
    callers = [each.strip() for each in settings.dicom_callers.split(",") if each.strip()]
    listener = Listener(folder, inbox.take, title=settings.dicom_title, callers=callers, keep=inbox.keep)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        port = listener.start(settings.dicom_address, settings.dicom_port)
    except OSError:
        log.error("%s", say(Note("pacs.port_taken", {"port": settings.dicom_port})))
        sys.exit(1)
    log.info("listening on %s, port %d", settings.dicom_address, port)
    stop.wait()
    listener.stop()


if __name__ == "__main__":
    main()
