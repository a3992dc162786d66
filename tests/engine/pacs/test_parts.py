"""The small parts: a multipart answer cut anywhere, the vault, addresses, stand-ins, orientation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from engine.nouns import Case, Geometry
from engine.pacs.address import Address, check
from engine.pacs.identity import Identity, Instance, coded_identity
from engine.pacs.objects import capture, report, saliency_map
from engine.pacs.sources import source_slices
from engine.pacs.vault import Vault
from engine.pacs.web import only_part
from engine.sentences import Refusal
from engine.settings import Settings
from tests.engine.pacs.validating import validated

BOUNDARY = b"xYz-0123"


@given(body=st.binary(max_size=300), cuts=st.lists(st.integers(1, 60), max_size=20), lead=st.booleans())
def test_a_part_comes_out_whole_wherever_the_stream_is_cut(body, cuts, lead):
    if b"\r\n--" + BOUNDARY in body:
        return
    head = (b"\r\n" if lead else b"") + b"--" + BOUNDARY + b"\r\nContent-Type: application/dicom\r\n\r\n"
    message = head + body + b"\r\n--" + BOUNDARY + b"--\r\n"
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(message[at : at + cut])
        at += cut
    assert b"".join(only_part(iter([*pieces, message[at:]]), BOUNDARY)) == body


@pytest.mark.parametrize("message", [b"", b"no part at all", b"--" + BOUNDARY + b"\r\n\r\nhalf of it"])
def test_an_answer_that_ends_early_is_refused(message):
    with pytest.raises(Refusal):
        list(only_part(iter([message]), BOUNDARY))


def test_the_vault_gives_back_what_it_was_given_and_keeps_nothing_in_clear(tmp_path):
    vault = Vault(Settings(data_dir=tmp_path / "data", key_file=tmp_path / "elsewhere" / "key"))
    vault.put("case-1", {"name": "张^伟"})
    assert vault.get("case-1") == {"name": "张^伟"} and vault.get("case-2") is None and vault.names() == ["case-1"]
    kept = (tmp_path / "data" / "identifiers" / "case-1").read_bytes()
    assert "张".encode() not in kept
    vault.forget("case-1")
    assert vault.names() == []
    for outside in ("../x", "a/b", "", "."):
        with pytest.raises(ValueError):
            vault.put(outside, {})


@pytest.mark.parametrize(
    "address",
    [Address(web="file:///etc/passwd"), Address(web="http://a:b@c/"), Address(web="https://c/?x=1"),
     Address(host="pacs", port=0), Address(title="MORE-THAN-16-CHARS")],
)  # fmt: skip
def test_an_address_that_cannot_be_one_is_refused(address):
    with pytest.raises(Refusal):
        check(address)


def a_case(**more) -> Case:
    geometry = Geometry((10.0, 20.0, 30.0), spacing_mm=(2.5, 1.0, 1.0))
    return Case("c1", "volume", "c1", (3, 4, 4), geometry, "patientcode", modality="CT", **more)


def test_stand_ins_are_valid_the_same_tomorrow_and_name_nobody():
    first, second = coded_identity(a_case()), coded_identity(a_case())
    assert first == second and not first.kept and first.patient["PatientID"] == "patientcode"
    for each in source_slices(a_case(), first):
        for uid in (each.StudyInstanceUID, each.SeriesInstanceUID, each.SOPInstanceUID, each.FrameOfReferenceUID):
            assert UID(uid).is_valid


def test_a_slice_is_the_original_that_lies_there_whatever_order_they_came_in():
    lying = [Instance("1.2", f"1.2.{z:.0f}", (10.0, 20.0, float(z))) for z in (35.0, 30.0)]
    identity = Identity({}, {"StudyInstanceUID": "1.1"}, {"SeriesInstanceUID": "1.3"}, tuple(lying))
    slices = source_slices(a_case(), identity)
    assert [str(s.SOPInstanceUID) for s in slices] == ["1.2.30", "1.2.35"]  # the one at 32.5 mm was filled in


def a_prediction(classes: tuple[str, str]) -> dict:
    return {"classes": list(classes), "predicted": classes[0], "probabilities": [0.8, 0.2], "low": [0.5, 0.1],
            "high": [0.9, 0.5], "unlike_flag": True, "places": []}  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 30, 40), (1, 30, 40, 3)])
def test_a_plain_picture_gives_a_report_and_a_capture_that_pass_the_validator(shape, tmp_path):
    case = Case("p1", "image", "p1", shape, Geometry(measured=False), "")
    source = source_slices(case, coded_identity(case))
    picture = capture(source[0], np.zeros((32, 48, 3), np.uint8))
    name = "平滑的" * 30  # longer than a code's meaning may be
    made = report(source, picture, case, "Case 01", a_prediction((name, "b")), "Prototypical Networks", "run")
    for each in (picture, made):
        each.save_as(tmp_path / "one.dcm", enforce_file_format=True)
        validated(tmp_path / "one.dcm")
    with pytest.raises(ValueError):
        saliency_map(source, case, None)


def test_all_slices_in_one_object_are_named_once():
    identity = Identity({}, {"StudyInstanceUID": "1.1"}, {"SeriesInstanceUID": "1.3"}, (Instance("1.2", "1.4"),))
    assert [str(s.SOPInstanceUID) for s in source_slices(a_case(), identity)] == ["1.4"]
