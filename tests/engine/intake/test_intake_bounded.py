"""A file that hangs, crashes or eats memory costs only itself; the parent lives, and a cancel stops at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.sequence import Sequence as DicomSequence

from engine.intake import Limits, cases, load_case, load_volume, take_in
from engine.intake.bounded import Bounded, NoSpace
from engine.intake.upload import DRAFTS
from tests.engine.intake.made_series import KEY, keys, save, series, slice_of

NO_LIMIT = 60.0


@pytest.fixture
def child():
    with Bounded(Limits()) as bounded:
        yield bounded


def nested(depth: int) -> bytes:
    """A DICOM file whose functional groups nest `depth` deep, all of undefined length."""
    header = DicomBytesIO()
    slice_of(0).save_as(header, enforce_file_format=True)
    raw = header.getvalue()
    open_item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    sequence = b"\x00\x52\x29\x92SQ\x00\x00\xff\xff\xff\xff"
    close = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    at = raw.index(b"\xe0\x7f\x10\x00")
    return raw[:at] + (sequence + open_item) * depth + close * depth + raw[at:]


@pytest.mark.parametrize("depth", [33, 300, 5000])
def test_nesting_that_no_scanner_makes_is_refused_in_time(tmp_path, depth):
    series(tmp_path / "in", [1, 2, 3])
    (tmp_path / "in" / "bomb").write_bytes(nested(depth))
    began = time.monotonic()
    taken = take_in(tmp_path / "in", None, key=KEY)
    assert [(r.file, r.note.key) for r in taken.refused] == [("bomb", "refused.nested")]
    assert [c.shape[0] for c in taken.cases] == [3]
    assert time.monotonic() - began < NO_LIMIT


def test_ordinary_nesting_is_read(tmp_path):
    item = Dataset()
    for _ in range(5):
        outer = Dataset()
        outer.SourceImageSequence = DicomSequence([item])
        item = outer
    save(slice_of(0, SourceImageSequence=DicomSequence([item])), tmp_path / "a")
    assert len(take_in(tmp_path / "a", None, key=KEY).cases) == 1


def test_a_hang_is_stopped_and_the_next_request_is_answered(child, tmp_path):
    save(slice_of(0), tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")  # opening it waits for a writer that never comes
    look = {"op": "look", "path": str(tmp_path / "a")}
    requests = [(5.0, look), (0.3, {"op": "look", "path": str(tmp_path / "pipe")}), (5.0, look)]
    first, stuck, last = child.ask_all(requests)
    assert (first["kind"], last["kind"]) == ("dicom", "dicom")
    assert stuck["refused"]["key"] == "refused.too_slow"


def test_several_workers_answer_in_order_and_one_that_dies_costs_one_file(child, tmp_path):
    paths = [save(slice_of(n, InstanceNumber=n), tmp_path / str(n)) for n in range(40)]
    (tmp_path / "11").unlink()
    os.mkfifo(tmp_path / "11")
    requests = [(0.3 if n == 11 else 30.0, {"op": "look", "path": str(path)}) for n, path in enumerate(paths)]
    answers = list(child.ask_all(requests, spread=True))
    assert [n for n, a in enumerate(answers) if "refused" in a] == [11]
    assert [a["header"]["number"] for a in answers if "header" in a] == [n for n in range(40) if n != 11]


def test_a_killed_worker_costs_one_file(child, tmp_path):
    save(slice_of(0), tmp_path / "a")
    assert child.ask("look", path=str(tmp_path / "a"), seconds=5)["kind"] == "dicom"
    child.workers[0].process.kill()
    assert child.ask("look", path=str(tmp_path / "a"), seconds=5)["refused"]["key"] == "refused.crashed"
    assert child.ask("look", path=str(tmp_path / "a"), seconds=5)["kind"] == "dicom"


def test_memory_is_bounded_and_its_end_costs_one_file(tmp_path):
    series(tmp_path / "in", [1, 2, 3])
    with Bounded(Limits()) as bounded:
        bounded.ask("look", path=str(next((tmp_path / "in").iterdir())), seconds=5)
        usual = bounded.workers[0].process.memory_info().vms
    large = nibabel.Nifti1Image(np.zeros((300, 300, 400), np.int16), np.eye(4))  # 72 MB, far smaller when packed
    nibabel.save(large, tmp_path / "in" / "large.nii.gz")
    taken = take_in(tmp_path / "in", None, key=KEY, limits=Limits(memory=usual + (64 << 20)))
    assert [c.shape[0] for c in taken.cases] == [3]
    assert [(r.file, r.note.key) for r in taken.refused] == [("large.nii.gz", "refused.memory")]


def test_the_child_imports_no_torch_and_ends_with_its_parent(tmp_path):
    with Bounded(Limits()) as bounded:
        save(slice_of(0), tmp_path / "a")
        bounded.ask("look", path=str(tmp_path / "a"), seconds=5)
        child, worker = psutil.Process(bounded.child.pid), bounded.workers[0].process
        assert not [m.path for m in child.memory_maps() if "torch" in m.path]
    for process in (child, worker):
        process_gone(process)


def process_gone(process: psutil.Process) -> None:
    for _ in range(100):
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {process.pid} still runs")


def test_cancelling_keeps_what_was_finished_and_leaves_no_draft(tmp_path):
    series(tmp_path / "in" / "a", range(3), SeriesInstanceUID="1.2.3.10")
    series(tmp_path / "in" / "b", range(3), SeriesInstanceUID="1.2.3.11", PatientID="P2")
    done: list[int] = []
    finished = tmp_path / "cases"
    taken = take_in(
        tmp_path / "in",
        finished,
        key=KEY,
        report=lambda n, total, name: (done.append(n), time.sleep(0.12))[0],
        cancelled=lambda: bool(done) and done[-1] >= 4,
    )
    assert taken.cancelled
    assert len(taken.cases) == 1
    assert [p.name for p in finished.iterdir()] == [taken.cases[0].id]


def test_progress_counts_every_file_once(tmp_path):
    series(tmp_path / "in", range(4))
    (tmp_path / "in" / "junk.txt").write_text("hello")
    seen: list[tuple[int, int]] = []
    take_in(tmp_path / "in", None, key=KEY, report=lambda n, total, name: seen.append((n, total)))
    assert seen == sorted(seen)
    assert {n for n, _ in seen} == {0, 1, 2, 3, 4, 5}
    assert {total for _, total in seen} == {5}


def test_a_full_disk_refuses_what_is_left_with_a_sentence(tmp_path, monkeypatch):
    series(tmp_path / "in", range(3))

    def full(self, requests, **options):
        for _, request in requests:
            if request["op"] == "create":
                raise NoSpace(28, "no space left")
        yield from asked(self, requests, **options)

    asked = Bounded.ask_all
    monkeypatch.setattr(Bounded, "ask_all", full)
    taken = take_in(tmp_path / "in", tmp_path / "cases", key=KEY)
    assert keys(taken.refused) == ["no_space"] * 3
    assert list((tmp_path / "cases").iterdir()) == []


def test_a_case_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    series(tmp_path / "in", range(3))

    def fails(*_):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(cases, "_sync", fails)
        with pytest.raises(RuntimeError):
            take_in(tmp_path / "in", tmp_path / "cases", key=KEY)
    assert list((tmp_path / "cases").iterdir()) == []
    case = take_in(tmp_path / "in", tmp_path / "cases", key=KEY).cases[0]
    assert load_case(tmp_path / "cases" / case.id) == case


def test_a_damaged_case_folder_is_replaced_by_the_next_upload(tmp_path):
    series(tmp_path / "in", range(3))
    case = take_in(tmp_path / "in", tmp_path / "cases", key=KEY).cases[0]
    (tmp_path / "cases" / case.id / "voxels.npy").write_bytes(b"torn")
    take_in(tmp_path / "in", tmp_path / "cases", key=KEY)
    assert load_volume(tmp_path / "cases" / case.id).voxels.shape == (3, 16, 20)


def test_drafts_of_a_killed_process_are_cleared_away(tmp_path):
    series(tmp_path / "in", range(3))
    left = tmp_path / "cases" / f"{DRAFTS}999999999-x"
    left.mkdir(parents=True)
    take_in(tmp_path / "in", tmp_path / "cases", key=KEY)
    assert not left.exists()


def test_describing_writes_nothing(tmp_path):
    series(tmp_path / "in", range(3))
    before = sorted(tmp_path.rglob("*"))
    assert len(take_in(tmp_path / "in", None, key=KEY).cases) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_source_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing at"):
        take_in(tmp_path / "none", None, key=KEY)


def test_the_package_itself_imports_no_decoder():
    heavy = ("pydicom", "nibabel", "nrrd", "PIL", "torch")
    code = f"import sys, engine.intake; print([m for m in {heavy} if m in sys.modules])"
    root = Path(cases.__file__).resolve().parent.parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
