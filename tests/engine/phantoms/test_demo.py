"""The demo set as shipped: complete, small, made by the code beside it, and without shortcuts to its classes."""

import hashlib
import io
import json
import zipfile
from collections import Counter

import numpy as np
import pydicom
import pytest

from engine.intake import load_volume, take_in
from engine.nouns import Volume
from engine.phantoms import demo_mask, demo_series, demo_truth, make_phantom, match_demo
from engine.phantoms.casting import AGE_BANDS, CAST, ROLES
from engine.phantoms.demo import COVER_MM, DEMO_FOLDER, SIZE, SLICES
from engine.phantoms.dicom import series_uid


def read_zip(path):
    """HU (slices, rows, columns), foot first, and the headers."""
    with zipfile.ZipFile(path) as archive:
        headers = [pydicom.dcmread(io.BytesIO(archive.read(name))) for name in archive.namelist()]
    headers.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    hu = np.stack([ds.pixel_array.astype(int) * int(ds.RescaleSlope) + int(ds.RescaleIntercept) for ds in headers])
    return hu.astype(np.int16), headers


def test_the_demo_stays_under_25_megabytes():
    assert sum(path.stat().st_size for path in DEMO_FOLDER.iterdir()) <= 25_000_000


def test_two_hospitals_have_twelve_patients_each_of_all_classes():
    truths = demo_truth().values()
    wanted = {"smooth": 3, "spiculated": 3, "ground_glass": 2, "normal": 2, "consolidation": 1, "cavity": 1}
    for hospital in ("A", "B"):
        assert Counter(t.finding for t in truths if t.hospital == hospital) == wanted
    assert len({t.seed for t in truths}) == len({s.patient for s in demo_series()}) == 24


def test_every_file_is_the_one_in_the_manifest():
    manifest = json.loads((DEMO_FOLDER / "manifest.json").read_text("utf-8"))
    files = {entry["file"]: entry["sha256"] for entry in manifest["series"].values()}
    files[manifest["masks"]["file"]] = manifest["masks"]["sha256"]
    for name, sha256 in files.items():
        assert hashlib.sha256((DEMO_FOLDER / name).read_bytes()).hexdigest() == sha256, name
    zips = {path.name for path in DEMO_FOLDER.glob("*.zip")}
    assert zips == set(files) - {"masks.npz"}


@pytest.mark.parametrize("of", ["sex", "side", "age"])
def test_sex_side_and_age_do_not_tell_the_nodules_apart(of):
    def value(truth):
        if of == "age":
            return next(k for k, (low, high) in enumerate(AGE_BANDS) if low <= truth.age < high)
        return getattr(truth, of)

    truths = demo_truth().values()
    smooth, spiculated = (Counter(value(t) for t in truths if t.finding == f) for f in ("smooth", "spiculated"))
    assert smooth == spiculated
    assert len(set(smooth.values())) == 1, "and each value comes equally often"


def test_every_class_has_both_sexes_and_both_sides():
    for finding in CAST:
        truths = [t for t in demo_truth().values() if t.finding == finding]
        assert {t.sex for t in truths} == {"F", "M"}
        assert finding == "normal" or {t.side for t in truths} == {"right", "left"}


def test_roles_cover_every_level_and_age_evenly():
    for band in ("level", "age"):
        assert Counter(getattr(role, band) for role in ROLES) == {0: 2, 1: 2, 2: 2}
        for sex in "FM":
            assert len({getattr(role, band) for role in ROLES if role.sex == sex}) == 3


def test_masks_lie_on_what_was_painted():
    for series in demo_series():
        mask = demo_mask(series.uid)
        assert mask.shape == (SLICES, SIZE, SIZE)
        assert mask.dtype == bool
        if series.truth.finding == "normal":
            assert not mask.any()
        else:
            centre = series.geometry.to_mm(np.argwhere(mask).mean(0))
            np.testing.assert_allclose(centre, series.truth.centre_mm, atol=0.01)


def test_a_series_is_found_again_by_its_voxels_and_its_solid_finding_is_dense_in_the_mask():
    series = next(s for s in demo_series() if s.truth.finding == "smooth")
    hu, headers = read_zip(DEMO_FOLDER / series.file)
    assert headers[0].SeriesInstanceUID == series.uid
    assert str(headers[0].PatientName) == series.patient
    volume = Volume(hu, series.geometry, is_hu=True)
    assert match_demo(volume) == series
    padding_clipped = Volume(np.maximum(hu, -1024), series.geometry, is_hu=True)
    assert match_demo(padding_clipped) == series
    assert match_demo(Volume(hu + 2, series.geometry, is_hu=True)) is None
    inside = hu[demo_mask(series.uid)]
    assert np.median(inside) > -100 > np.median(hu[:, SIZE // 2 - 5 : SIZE // 2 + 5])


def test_a_series_is_found_again_after_it_went_through_intake(tmp_path):
    series = next(s for s in demo_series() if s.truth.finding == "cavity" and s.truth.hospital == "A")
    taken = take_in(DEMO_FOLDER / series.file, tmp_path, key=b"0" * 32)
    assert not taken.refused
    (case,) = taken.cases
    assert not case.notes, "the demo comes in without a warning"
    volume = load_volume(tmp_path / case.id)
    assert match_demo(volume) == series
    np.testing.assert_allclose(volume.geometry.to_voxel(series.truth.centre_mm)[0], 11.5, atol=11.5)


def test_the_code_beside_it_made_the_demo():
    """Voxels, not bytes: another processor may round a voxel the other way."""
    series = next(s for s in demo_series() if s.truth.finding == "spiculated")
    truth = series.truth
    again = make_phantom(
        truth.seed, truth.finding, truth.hospital, size=SIZE, slices=SLICES, cover_mm=COVER_MM, around_finding=True
    )
    assert series_uid(again) == series.uid
    hu, _ = read_zip(DEMO_FOLDER / series.file)
    assert np.percentile(np.abs(hu.astype(int) - again.volume.voxels), 99.9) <= 2
    assert (again.mask == demo_mask(series.uid)).mean() > 0.9999


def test_an_unknown_series_has_no_mask():
    with pytest.raises(KeyError):
        demo_mask("1.2.3")
