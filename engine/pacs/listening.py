"""A listener for C-STORE and C-ECHO: what a scanner or PACS sends is kept as it comes, and handed over study by study.

    <folder>/<batch>/<series>/<number>.dcm      as received; batch and series are numbers of ours, no UID
A study is handed over when nothing more came for `quiet_seconds`: some senders use one association for a study, some
one for each image, so an association's end alone says nothing. Nothing is decoded here but two UIDs of each header.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE, StoragePresentationContexts, _config, evt
from pynetdicom.sop_class import Verification

from engine.pacs.identity import Identity, identity_of

log = logging.getLogger("handful.listener")

QUIET_SECONDS = 10.0
# As for an upload; a study of more is not handed over in one piece.
MOST_FILES, MOST_BYTES = 20_000, 20 * 1024**3
KEEP_FREE_BYTES = 1024**3
MOST_ASSOCIATIONS = 8
# PS3.4 B.2.3 and PS3.7 C: success, out of resources, not understood.
TAKEN, NO_ROOM, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
# Transfer syntaxes as they come; the way in decodes or refuses them by name. Deflated data is left out: it unpacks
# to any size.
SYNTAXES = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.5",
)  # fmt: skip


@dataclass
class Batch:
    """One study on its way in: a folder a series, and who they are where that is to be kept."""

    id: str
    folder: Path
    last: float
    files: int = 0
    bytes: int = 0
    series: dict[str, int] = field(default_factory=dict)
    headers: dict[str, list] = field(default_factory=dict)

    def identities(self) -> dict[str, Identity]:
        """Folder's name -> identity of its series."""
        return {str(self.series[uid]): identity_of(found) for uid, found in self.headers.items()}


class Listener:
    """Listens until `stop`. `on_study(batch)` is called in a thread of its own with a study that has come to rest.

    callers: titles that may call, empty for any. `keep()`: whether identities are kept, asked for each image.
    """

    def __init__(
        self,
        folder: Path,
        on_study: Callable[[Batch], None],
        *,
        title: str = "HANDFUL",
        callers: Sequence[str] = (),
        keep: Callable[[], bool] = lambda: False,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self.folder, self._on_study, self._keep, self._quiet = folder, on_study, keep, quiet_seconds
        self._batches: dict[str, Batch] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        _config.STORE_RECV_CHUNKED_DATASET = True  # straight to a file: a large image is never whole in memory
        self._entity = AE(ae_title=title)
        self._entity.maximum_associations = MOST_ASSOCIATIONS
        self._entity.require_called_aet = True
        self._entity.require_calling_aet = list(callers)
        for context in StoragePresentationContexts:
            self._entity.add_supported_context(context.abstract_syntax, list(SYNTAXES))
        self._entity.add_supported_context(Verification)
        self._server = None

    def start(self, address: str, port: int) -> int:
        """Begins to listen; returns the port (of 0, the one the system chose). Raises OSError where it is taken."""
        self._server = self._entity.start_server(
            (address, port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        threading.Thread(target=self._watch, daemon=True).start()
        return self._server.server_address[1]

    def stop(self) -> None:
        """Stops listening and hands over what is there."""
        if self._server is not None:
            self._server.shutdown()
        self._stopping.set()
        self._hand_over(everything=True)

    def _store(self, event: evt.Event) -> int:
        path, keep = Path(event.dataset_path), self._keep()
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=_WANTED if keep else _WANTED[:2])
            study, series = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
        except Exception as error:  # a stranger's bytes can make a parser raise anything; the sender is told
            log.warning("an image could not be read: %s", type(error).__name__)
            return NOT_UNDERSTOOD
        size = path.stat().st_size
        with self._lock:
            if shutil.disk_usage(self.folder).free < size + KEEP_FREE_BYTES:
                return NO_ROOM
            batch = self._batches.get(study)
            if batch is None:
                name = secrets.token_hex(12)
                batch = self._batches[study] = Batch(name, self.folder / name / "source", time.monotonic())
            if batch.files >= MOST_FILES or batch.bytes + size > MOST_BYTES:
                return NO_ROOM
            number = batch.series.setdefault(series, len(batch.series) + 1)
            target = batch.folder / str(number) / f"{batch.files + 1}.dcm"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)  # the library deletes its own file
            batch.files, batch.bytes, batch.last = batch.files + 1, batch.bytes + size, time.monotonic()
            if keep:
                batch.headers.setdefault(series, []).append(header)
        return TAKEN

    def _watch(self) -> None:
        while not self._stopping.wait(min(1.0, self._quiet / 4)):
            self._hand_over()

    def _hand_over(self, everything: bool = False) -> None:
        now = time.monotonic()
        with self._lock:
            ready = [uid for uid, b in self._batches.items() if everything or now - b.last >= self._quiet]
            batches = [self._batches.pop(uid) for uid in ready]
        for batch in batches:
            log.info("a study of %d files came to rest", batch.files)
            self._on_study(batch)


_WANTED = [
    "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID", "ImagePositionPatient", "PatientName",
    "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName", "StudyDescription", "Modality", "FrameOfReferenceUID", "SeriesDescription",
    "SpecificCharacterSet",
]  # fmt: skip
