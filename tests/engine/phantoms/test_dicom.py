"""Phantoms as DICOM: valid, lossless, the same bytes again, and plainly nobody."""

import io
import shutil
import subprocess
import zipfile

import numpy as np
import pydicom
import pytest

from engine.__main__ import main
from engine.phantoms import make_phantom
from engine.phantoms.dicom import dicom_files, series_uid, stored_hu, write_series, write_zip


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(5, "smooth", "A", size=64, slices=4, cover_mm=20, around_finding=True)


@pytest.fixture(scope="module")
def series(phantom):
    return [(name, pydicom.dcmread(io.BytesIO(content))) for name, content in dicom_files(phantom, 7)]


def test_the_files_decode_to_the_hu_that_were_made(phantom, series):
    by_height = sorted((ds for _, ds in series), key=lambda ds: float(ds.ImagePositionPatient[2]))
    hu = np.stack([ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in by_height])
    np.testing.assert_array_equal(hu, stored_hu(phantom))
    assert np.abs(hu - phantom.volume.voxels).max() <= 1


def test_the_files_say_where_the_voxels_lie(phantom, series):
    geometry = phantom.volume.geometry
    heights = sorted(float(ds.ImagePositionPatient[2]) for _, ds in series)
    np.testing.assert_allclose(heights, geometry.to_mm([(k, 0, 0) for k in range(4)])[:, 2], atol=1e-3)
    first = series[0][1]
    assert [float(v) for v in first.PixelSpacing] == pytest.approx(geometry.spacing_mm[1:], rel=1e-5)
    assert list(first.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    assert float(first.ImagePositionPatient[2]) == max(heights), "numbered head first, as scanners do"


def test_padding_is_named_by_its_stored_value(series):
    ds = series[0][1]
    assert ds.pixel_array[0, 0] == ds.PixelPaddingValue
    assert ds.PixelPaddingValue * ds.RescaleSlope + ds.RescaleIntercept == -2000


def test_the_files_say_that_they_show_nobody_and_not_what_they_show(series):
    for _, ds in series:
        assert ds.PatientName == "Phantom^007"
        assert "not a real patient" in ds.SeriesDescription
        assert ds.InstitutionName == "Synthetic hospital A"
        assert ds.StudyDescription == "Synthetic chest CT"
        assert "shows nobody" in ds.ImageComments
        assert ds.PatientID.startswith("PHANTOM")
        assert "smooth" not in str(ds).lower(), "the class must not stand in the header"


def test_all_uids_differ_and_come_again(phantom, series):
    uids = [ds.SOPInstanceUID for _, ds in series]
    assert len(set(uids)) == len(uids)
    assert {ds.SeriesInstanceUID for _, ds in series} == {series_uid(phantom)}
    again = make_phantom(5, "smooth", "A", size=64, slices=4, cover_mm=20, around_finding=True)
    assert series_uid(again) == series_uid(phantom)
    other = make_phantom(5, "normal", "A", size=64, slices=4, cover_mm=20, around_finding=True)
    assert series_uid(other) != series_uid(phantom)


def test_the_same_phantom_gives_the_same_zip(phantom, tmp_path):
    again = make_phantom(5, "smooth", "A", size=64, slices=4, cover_mm=20, around_finding=True)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    write_zip(phantom, tmp_path / "one" / "a.zip", 7)
    write_zip(again, tmp_path / "two" / "a.zip", 7)
    assert (tmp_path / "one" / "a.zip").read_bytes() == (tmp_path / "two" / "a.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one" / "a.zip") as archive:
        assert archive.namelist() == [f"a/IM{i:04d}.dcm" for i in range(1, 5)]


@pytest.mark.parametrize("hospital", ["B", "C"])
def test_dciodvfy_finds_no_fault(hospital, tmp_path):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    phantom = make_phantom(5, "cavity", hospital, size=64, slices=1, cover_mm=5, contrast=1)
    path = write_series(phantom, tmp_path)[0]
    told = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, timeout=60, check=False)
    assert (told.stdout + told.stderr).strip() == "CTImage"


def test_the_command_writes_a_series_with_its_truth(tmp_path, capsys):
    size = ["--size", "64", "--slices", "2", "--cover-mm", "10", "--around-finding"]
    status = main(
        ["phantoms", "--seed", "5", "--finding", "spiculated", "--hospital", "B", "--out", str(tmp_path), *size]
    )
    assert status == 0
    assert len(list(tmp_path.glob("*.dcm"))) == 2
    assert '"finding": "spiculated"' in (tmp_path / "truth.json").read_text("utf-8")
    assert "2 slices of a synthetic chest" in capsys.readouterr().out


def test_the_command_refuses_what_can_not_be_made_in_a_sentence(tmp_path, capsys):
    assert main(["phantoms", "--out", str(tmp_path), "--slices", "0"]) == 2
    assert "at least 32 rows, one slice" in capsys.readouterr().err
