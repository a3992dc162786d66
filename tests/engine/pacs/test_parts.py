"""The small parts: a multipart answer cut anywhere, the vault, addresses, stand-ins, orientation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from engine.nouns import Case, Geometry
from engine.pacs.address import Address, check
from engine.pacs.identity import Identity, Instance, coded_identity
from engine.pacs.sources import source_slices
from engine.pacs.vault import Vault
from engine.pacs.web import only_part
from engine.sentences import Refusal
from engine.settings import Settings

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
