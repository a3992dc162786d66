"""What a scanner or PACS sends: taken as it comes, handed over when a study is at rest, through the same door."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

from engine.intake import load_volume
from engine.jobs.listener import Inbox
from engine.jobs.work import KINDS, rooms
from engine.pacs.address import SETTING, Address
from engine.pacs.identity import Identity
from engine.pacs.listening import Batch, Listener
from engine.pacs.sending import echo
from engine.pacs.vault import Vault
from engine.sentences import Refusal
from tests.engine.pacs.conftest import PATIENTS, SLICES
from tests.orthanc import LISTENER

QUIET_SECONDS = 3.0
PATIENCE_SECONDS = 60.0


class Heard:
    """The studies that were handed over."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.more = threading.Event()

    def __call__(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.more.set()

    def wait(self, count: int) -> list[Batch]:
        end = time.monotonic() + PATIENCE_SECONDS
        while len(self.batches) < count and time.monotonic() < end:
            time.sleep(0.05)
        assert len(self.batches) == count
        return self.batches


@pytest.fixture
def listening(tmp_path):
    """listening(on_study, **options) -> (port, folder); stopped at the end."""
    started = []

    def start(on_study, port: int = 0, **options):
        folder = tmp_path / "received"
        folder.mkdir(exist_ok=True)
        listener = Listener(folder, on_study, quiet_seconds=QUIET_SECONDS, **options)
        started.append(listener)
        return listener.start("127.0.0.1", port), folder

    yield start
    for each in started:
        each.stop()


def send(port: int, paths: list[Path], called: str = "HANDFUL", calling: str = "CT1") -> list[int]:
    """The statuses of storing files over one association; empty where it was refused."""
    entity = AE(ae_title=calling)
    entity.add_requested_context(CTImageStorage, dcmread(paths[0]).file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title=called)
    if not association.is_established:
        return []
    statuses = [association.send_c_store(path).Status for path in paths]
    association.release()
    return statuses


def test_a_study_sent_image_by_image_in_many_associations_is_handed_over_once_and_whole(listening, studies):
    heard = Heard()
    port, _ = listening(heard)
    for path in studies[0]:
        assert send(port, [path]) == [0]
    (batch,) = heard.wait(1)
    assert batch.files == SLICES and len(list(batch.folder.rglob("*.dcm"))) == SLICES
    assert batch.identities() == {}


def test_two_studies_in_one_association_are_two(listening, studies):
    heard = Heard()
    port, _ = listening(heard)
    assert send(port, [*studies[0], *studies[1]]) == [0] * 2 * SLICES
    assert sorted(each.files for each in heard.wait(2)) == [SLICES, SLICES]


def test_names_and_uids_are_in_no_path(listening, studies):
    heard = Heard()
    port, folder = listening(heard)
    send(port, studies[0])
    heard.wait(1)
    header = dcmread(studies[0][0])
    paths = " ".join(str(p.relative_to(folder)) for p in folder.rglob("*"))
    for word in (header.PatientID, header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID):
        assert word not in paths


def test_only_our_title_is_answered_and_only_callers_that_are_named(listening, studies):
    port, _ = listening(Heard(), callers=("SCANNER",))
    assert send(port, studies[0][:1], called="SOMEBODY", calling="SCANNER") == []
    assert send(port, studies[0][:1], calling="STRANGER") == []
    assert send(port, studies[0][:1], calling="SCANNER") == [0]


def test_it_answers_an_echo_and_what_does_not_listen_is_a_sentence(listening):
    port, _ = listening(Heard())
    echo(Address(host="127.0.0.1", port=port, title="HANDFUL"))
    with pytest.raises(Refusal, match="turned the connection down"):
        echo(Address(host="127.0.0.1", port=port, title="OTHER"))
    with pytest.raises(Refusal, match="could not be reached"):
        echo(Address(host="127.0.0.1", port=9, title="HANDFUL"))


def test_what_is_no_image_is_told_to_the_sender_and_not_kept(listening, studies, tmp_path):
    heard = Heard()
    port, folder = listening(heard)
    header = dcmread(studies[0][0])
    del header.StudyInstanceUID
    header.save_as(tmp_path / "broken.dcm")
    assert send(port, [tmp_path / "broken.dcm"]) == [0xC000]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("keep", [False, True])
def test_orthanc_sends_and_the_study_becomes_a_case_of_the_inbox(pacs, home, listening, studies, keep):
    inbox = Inbox(rooms.settings())
    rooms.store().set_setting(SETTING, {"keep": keep})
    (home / "uploads").mkdir(exist_ok=True)
    listening(inbox.take, LISTENER[1], keep=inbox.keep)
    study = next(
        each for each in pacs.rest.get("/studies").json()
        if pacs.rest.get(f"/studies/{each}").json()["PatientMainDicomTags"]["PatientID"] == PATIENTS[0][1]
    )  # fmt: skip
    pacs.rest.post("/modalities/ours/store", content=study).raise_for_status()
    end = time.monotonic() + PATIENCE_SECONDS
    while not rooms.queue().jobs(kinds=("received",), alive=True) and time.monotonic() < end:
        time.sleep(0.1)
    (job,) = rooms.queue().jobs(kinds=("received",), alive=True)
    result = KINDS["received"](job.args, lambda *_: None, lambda: False, home)
    assert (result["cases"], result["refused"], result["kept"]) == (1, 0, keep)
    (case,) = rooms.store().cases(inbox.project())
    assert np.array_equal(load_volume(rooms.case_dir(case.id)).voxels.shape, (SLICES, 64, 64))
    vault = Vault(rooms.settings())
    assert vault.names() == ([case.id] if keep else [])
    if keep:
        assert Identity.from_json(vault.get(case.id)).patient["PatientName"] == PATIENTS[0][0]
    assert not list((home / "uploads").iterdir())
