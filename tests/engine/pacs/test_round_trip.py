"""From a real PACS and back: what is found, what is kept and what is not, what arrives and passes its validators."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from engine.evidence.picture import draw_png
from engine.evidence.saliency import Saliency
from engine.intake import load_volume
from engine.jobs.work import KINDS, rooms
from engine.jobs.work.report import METHOD
from engine.nouns import Geometry, Note
from engine.pacs.address import keep_address
from engine.pacs.identity import Identity, coded_identity
from engine.pacs.sending import echo
from engine.pacs.vault import Vault
from engine.pacs.web import Web
from engine.projects.export import NOTICE
from engine.sentences import Refusal
from tests.engine.pacs.conftest import PATIENTS, SLICES
from tests.engine.pacs.validating import validated

MAP = 8


def fetch(address, home: Path, keep: bool) -> str:
    """Both studies into a new project; returns it."""
    project = rooms.store().create_project("From the PACS", ["smooth", "spiculated"]).id
    found = Web(address).search()
    studies = [s.uid for s in found if s.patient_id in {number for _, number, _ in PATIENTS}]
    Vault(rooms.settings()).put("ticket-abc123", {"studies": studies, "keep": keep})
    result = KINDS["fetch"]({"project": project, "ticket": "abc123"}, lambda *_: None, lambda: False, home)
    assert (result["cases"], result["refused"], result["kept"]) == (2, 0, 2 * keep)
    return project


def a_run(project: str, home: Path):
    """A run that predicts both cases, with a map of each as the page draws it."""
    store = rooms.store()
    cases = store.cases(project)
    predictions = {}
    for each in cases:
        middle = [float(v) for v in each.case.geometry.to_mm(np.array([2, 32, 32]))]
        predictions[each.id] = {
            "case": each.id, "classes": ["smooth", "spiculated"], "predicted": "smooth", "probabilities": [0.75, 0.25],
            "low": [0.5, 0.125], "high": [0.875, 0.5], "unlike": None, "unlike_flag": False, "neighbours": [],
            "typical": [],
            "places": [{"centre_mm": middle, "size_mm": None, "shape": "point", "by": "finder", "score": 0.9}],
        }  # fmt: skip
    run = store.file_run(
        project, {"learner": "protonet", "look": "place", "classes": ["smooth", "spiculated"]}, predictions
    )
    (home / "overlays").mkdir(exist_ok=True)
    for each in cases:
        saliency = a_map(each.case.geometry)
        name = home / "overlays" / f"{run.id}-{each.id}-{METHOD}"
        saliency.save(name.with_suffix(".npz"))
        draw_png(name.with_suffix(".png"), load_volume(rooms.case_dir(each.id)), saliency)
    return run


def a_map(of: Geometry) -> Saliency:
    """A map over slices 1, 2 and 3, eight times coarser than the scan, its one mark in slice 2 at row 3, column 5."""
    marks = np.zeros((3, MAP, MAP), np.float32)
    marks[1, 3, 5], marks[0, 0, 0] = 0.3, -0.1  # gradients are small numbers
    spacing = (of.spacing_mm[0], of.spacing_mm[1] * 64 / MAP, of.spacing_mm[2] * 64 / MAP)
    corner = of.to_mm(np.array([1, (64 / MAP - 1) / 2, (64 / MAP - 1) / 2]))
    geometry = Geometry(tuple(float(v) for v in corner), of.axes, spacing)
    return Saliency(marks, geometry, (1, 2, 3), (2,), METHOD, "smooth", None, None, Note("evidence.map_sound"))


def sent(run, home: Path) -> dict:
    return KINDS["pacs_send"]({"project": run.project_id, "run": run.id}, lambda *_: None, lambda: False, home)


def everything(home: Path) -> bytes:
    """All bytes under the data folder, and all names."""
    files = [p for p in home.rglob("*") if p.is_file()]
    return b"".join(p.read_bytes() for p in files) + "\n".join(str(p.relative_to(home)) for p in files).encode()


def secrets_of(studies) -> list[bytes]:
    """What must not be found: names, numbers, descriptions, and every UID of the files."""
    words = [w for name, number, description in PATIENTS for w in (*name.split("^")[:1], number, description)]
    for files in studies:
        header = dcmread(files[0], stop_before_pixels=True)
        words += [header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID]
    return [w.encode() for w in words if len(w) > 3]


def test_studies_are_found_by_name_number_date_and_description(address, studies):
    web, date = Web(address), dcmread(studies[0][0]).StudyDate
    by_name = web.search(patient="mustermann")
    assert [s.patient_id for s in by_name] == ["P-4711"] and by_name[0].patient == "Mustermann Erika"
    assert (by_name[0].series, by_name[0].instances, by_name[0].modalities) == (1, SLICES, "CT")
    assert [s.patient for s in web.search(patient="P-0815")] == ["张 伟"]
    assert [s.patient_id for s in web.search(description="肺结节")] == ["P-0815"]
    assert [s.patient_id for s in web.search(description="ct 肺")] == ["P-0815"]
    assert [s.patient_id for s in web.search(patient="张 伟")] == ["P-0815"]
    assert "P-4711" in [s.patient_id for s in web.search(date=date)]
    assert web.search(date="19010101-19020101") == []


def test_what_was_fetched_is_the_same_scan_and_says_nothing_of_who_it_was(address, home, studies):
    project = fetch(address, home, keep=False)
    found = everything(home)
    assert not [word for word in secrets_of(studies) if word in found]
    assert not list((home / "uploads").iterdir()) and Vault(rooms.settings()).names() == []
    means = sorted(load_volume(rooms.case_dir(c.id)).voxels.mean() for c in rooms.store().cases(project))
    expected = sorted(np.mean([_hu(path) for path in files]) for files in studies)
    assert np.allclose(means, expected)
    assert [c.case.shape for c in rooms.store().cases(project)] == [(SLICES, 64, 64)] * 2


def _hu(path: Path) -> np.ndarray:
    header = dcmread(path)
    hu = header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)
    if "PixelPaddingValue" in header:
        hu[header.pixel_array == header.PixelPaddingValue] = -1024
    return hu


def test_identifiers_that_are_kept_are_unreadable_without_the_key_which_lies_elsewhere(address, home, studies):
    project = fetch(address, home, keep=True)
    found = everything(home)
    assert not [word for word in secrets_of(studies) if word in found]
    vault = Vault(rooms.settings())
    kept = [Identity.from_json(vault.get(c.id)) for c in rooms.store().cases(project)]
    assert {i.patient["PatientID"] for i in kept} == {number for _, number, _ in PATIENTS}
    assert all(len(i.instances) == SLICES for i in kept)
    assert not vault.key_file.is_relative_to(home) and vault.key_file.stat().st_mode & 0o077 == 0
    vault.key_file.unlink()
    with pytest.raises(Refusal, match="not the one"):
        vault.get(vault.names()[0])


@pytest.mark.parametrize("way", ["web", "ae"])
def test_results_go_back_into_the_study_they_came_from_and_pass_the_validators(address, pacs, home, tmp_path, way):
    project = fetch(address, home, keep=True)
    if way == "ae":
        keep_address(rooms.store(), Vault(rooms.settings()), replace(address, web=""))
    result = sent(a_run(project, home), home)
    assert result == {"cases": 2, "objects": 6, "coded": 0, "left_out": 0}
    assert len(pacs.rest.get("/studies").json()) == len(PATIENTS)  # no new study, no new patient
    assert pacs.modalities().count("SR") == 2
    for path in _ours(pacs, tmp_path):
        validated(path)
        made = dcmread(path)
        assert made.PatientID in {number for _, number, _ in PATIENTS} and "research" in made.SeriesDescription


def _ours(pacs, folder: Path) -> list[Path]:
    found = [pacs.file(instance, folder) for instance in pacs.ours()]
    assert len(found) == 6
    return found


def test_the_report_says_the_prediction_its_range_where_it_looked_and_what_it_is_not(address, pacs, home, tmp_path):
    project = fetch(address, home, keep=True)
    run = a_run(project, home)
    sent(run, home)
    path = next(p for p in _ours(pacs, tmp_path) if dcmread(p).Modality == "SR")
    if shutil.which("dsrdump") is None:
        pytest.skip("there is no dsrdump here (make test-tools installs Debian's dcmtk)")
    told = subprocess.run(["dsrdump", "+Pc", str(path)], check=True, capture_output=True, text=True).stdout
    for line in (
        '"Predicted class")=',
        '"smooth")',
        '"0.75"',
        '"0.5"',
        '"0.875"',
        "POINT",
        "Prototypical Networks",
        run.id,
    ):
        assert line in told
    assert NOTICE[:26] in told and "UNVERIFIED" in told


def test_the_map_lies_where_the_mark_is_in_the_patient(address, pacs, home, tmp_path):
    project = fetch(address, home, keep=True)
    sent(a_run(project, home), home)
    of = {c.case.geometry.origin_mm: c.case for c in rooms.store().cases(project)}
    maps = [m for m in map(dcmread, _ours(pacs, tmp_path)) if m.SOPClassUID == "1.2.840.10008.5.1.4.1.1.30"]
    assert maps
    for made in maps:
        values = made.pixel_array
        frame, row, column = np.unravel_index(values.argmax(), values.shape)
        groups = made.PerFrameFunctionalGroupsSequence
        corner = np.array(groups[frame].PlanePositionSequence[0].ImagePositionPatient, float)
        shared = made.SharedFunctionalGroupsSequence[0]
        axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
        spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
        point = corner + axes[:3] * column * spacing[1] + axes[3:] * row * spacing[0]
        expected = [c.geometry.to_mm(np.array([2, 3.5 + 8 * 3, 3.5 + 8 * 5])) for c in of.values()]
        assert min(np.abs(point - each).max() for each in expected) < 0.01


def test_without_identifiers_results_go_out_under_our_codes(address, pacs, home, tmp_path):
    project = fetch(address, home, keep=False)
    result = sent(a_run(project, home), home)
    assert (result["cases"], result["coded"]) == (2, 2)
    codes = {coded_identity(c.case).patient["PatientID"] for c in rooms.store().cases(project)}
    coded = [p for p in _ours(pacs, tmp_path) if dcmread(p).PatientID in codes]
    assert {dcmread(p).PatientID for p in coded} == codes
    for path in coded:
        validated(path)


def test_the_entity_answers_an_echo(address):
    echo(address)


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"password": "wrong"}, "password"),
        ({"web": "http://127.0.0.1:9/dicom-web"}, "could not be reached"),
        ({"web": "{web}/nothing"}, "does not know"),
    ],
)
def test_what_goes_wrong_is_a_sentence_that_names_nobody(address, change, sentence):
    change = {k: v.format(web=address.web) for k, v in change.items()}
    with pytest.raises(Refusal, match=sentence) as told:
        Web(replace(address, **change)).search(patient="Mustermann")
    assert "Mustermann" not in str(told.value) and "127.0.0.1" not in str(told.value)


def test_a_password_is_not_kept_in_clear(address, home):
    assert address.password.encode() not in everything(home)
    assert json.dumps(rooms.store().get_setting("pacs")).count("gAAAA") == 1  # a Fernet token (version byte 0x80)
