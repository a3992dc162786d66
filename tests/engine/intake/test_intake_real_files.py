"""Real DICOM, NIfTI and NRRD files, against SimpleITK as an independent reader and through the real child process."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file

from engine.intake import load_case, load_volume, take_in
from engine.intake.dicom_pixels import AIR_HU
from tests.engine.intake.made_series import KEY, keys, warnings_of


def unpacked(archive: Path, folder: Path) -> Path:
    """Python's zipfile reads the LZMA of these archives; their names are plain."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder


def same_as_simpleitk(case_dir: Path, files: list[Path]) -> None:
    """Voxels equal (padding apart, which becomes air) and every slice's corners at the same place to 1e-6 mm."""
    volume = load_volume(case_dir)
    assert len(volume.voxels) == len(files)
    for i, file in enumerate(files):
        image = sitk.ReadImage(str(file))
        theirs = sitk.GetArrayFromImage(image)[0]
        assert np.array_equal(np.maximum(volume.voxels[i], AIR_HU), np.maximum(theirs, AIR_HU))
        for column, row in ((0, 0), (100, 0), (0, 100), (300, 200)):
            point = np.array(image.TransformIndexToPhysicalPoint((column, row, 0)))
            assert volume.geometry.to_voxel(point) == pytest.approx([i, row, column], abs=1e-6)


def test_a_tilted_head_ct_of_two_thicknesses_matches_simpleitk(data, tmp_path):
    folder = unpacked(data / "cases" / "head_ct_tilted_gantry_dicom.zip", tmp_path / "in")
    taken = take_in(folder, tmp_path / "cases", key=KEY)
    assert [c.shape for c in taken.cases] == [(14, 512, 512)] * 2
    assert not taken.refused
    for which, case in enumerate(taken.cases):
        assert warnings_of(taken, which) == ["two_thicknesses", "tilted", "face"]
        same_as_simpleitk(tmp_path / "cases" / case.id, [folder / f for f in taken.files[case.id]])


def test_a_jpeg_2000_body_ct_from_its_zip_matches_simpleitk(data, tmp_path):
    archive = data / "cases" / "body_ct_jpeg2000_dicom.zip"
    taken = take_in(archive, tmp_path / "cases", key=KEY)
    folder = unpacked(archive, tmp_path / "in")
    (case,) = taken.cases
    assert case.shape == (20, 512, 512)
    assert case.geometry.spacing_mm == pytest.approx((2.0, 0.9765625, 0.9765625))
    files = [folder / f.split("/", 1)[1] for f in taken.files[case.id]]
    same_as_simpleitk(tmp_path / "cases" / case.id, files)


def test_a_tilted_phantom_without_extensions_loses_its_survey_pictures(data, tmp_path):
    folder = unpacked(data / "dicom" / "ct_tilted_phantom_3_series_no_extension.zip", tmp_path / "in")
    taken = take_in(folder, tmp_path / "cases", key=KEY)
    assert [c.shape for c in taken.cases] == [(8, 512, 512)]
    assert keys(taken.refused) == ["localizer"] * 2
    case = taken.cases[0]
    same_as_simpleitk(tmp_path / "cases" / case.id, [folder / f for f in taken.files[case.id]])


def test_one_mr_slice_in_nine_syntaxes_is_one_picture(data, tmp_path):
    taken = take_in(data / "dicom" / "mr_same_slice_9_syntaxes.zip", tmp_path / "cases", key=KEY)
    assert [c.shape for c in taken.cases] == [(1, 384, 384)]
    assert keys(taken.ignored) == ["double"] * 8  # equal to the last bit, or they would be refused
    assert not taken.refused


def test_a_series_with_holes_is_refused_with_the_distances(data, tmp_path):
    taken = take_in(data / "dicom" / "series_gaps_and_duplicate_positions.zip", None, key=KEY)
    assert set(keys(taken.refused)) == {"uneven"}
    assert len(taken.refused) == 11


EXPECTED_OF_READER_FILES = {
    "broken/bad_sequence.dcm": "case",
    "broken/enhanced_mr_j2k_truncated.dcm": "refused",
    "broken/fo_GH220.dcm": "no_pixels",
    "broken/jpeg_lossless_bad.dcm": "implausible",
    "modality/cr_chest.dcm": "case",
    "modality/dx.dcm": "case",
    "modality/seg_ct.dcm": "segmentation",
    "modality/sm_tiled.dcm": "whole_slide",
    "modality/sr.dcm": "report",
    "multiframe/enhanced_ct.dcm": "case",
    "multiframe/enhanced_mr_10f.dcm": "case",
    "multiframe/enhanced_mr_10f_rle.dcm": "double",
    "multiframe/enhanced_mr_10f_j2k.dcm": "double",
    "multiframe/liver_seg_deflated.dcm": "segmentation",
    "noext/CR-MONO1-10-chest": "case",
    "noext/CT-MONO2-16-ankle": "screen_capture",
    "odd/cr_rg2_jpeg_extended.dcm": "jpeg_12_bit",
    "odd/ct_elscint_jp2_wrapped.dcm": "case",
    "odd/ct_rle_fragments.dcm": "case",
    "odd/ct_toshiba_j2k_sign_mismatch.dcm": "case",
    "odd/explicit_vr_un.dcm": "case",
    "odd/no_pixel_spacing.dcm": "case",
    "odd/rgb_planar.dcm": "case",
    "philips_phantom/DICOMDIR": "directory",
    "philips_phantom/S21570/S1000/I10": "localizer",
    "transfer_syntax/ct_1.2.840.10008.1.2.4.51.dcm": "jpeg_12_bit",
    "transfer_syntax/ct_1.2.840.10008.1.2.4.50.dcm": "same_place",
    "transfer_syntax/ct_1.2.840.10008.1.2.4.91.dcm": "same_place",
} | {
    f"transfer_syntax/ct_1.2.840.10008.1.2{ending}.dcm": "double"
    for ending in ("", ".2", ".5", ".4.57", ".4.70", ".4.80", ".4.90")
}


def test_the_zoo_of_odd_files_is_sorted_as_expected(data, tmp_path):
    taken = take_in(data / "dicom" / "reader_files.zip", tmp_path / "cases", key=KEY)
    outcome = {f: "case" for files in taken.files.values() for f in files}
    outcome |= {r.file: r.note.key.split(".")[1] for r in (*taken.refused, *taken.ignored)}
    for name, expected in EXPECTED_OF_READER_FILES.items():
        found = outcome[f"reader_files.zip/{name}"]
        assert found == expected or (expected == "refused" and found != "case"), name
    with zipfile.ZipFile(data / "dicom" / "reader_files.zip") as archive:
        assert len(outcome) == len([n for n in archive.namelist() if not n.endswith("/")])  # nothing lost


def test_a_jpeg_2000_whose_sign_the_header_denies_is_read_by_its_own_sign(data, tmp_path):
    with zipfile.ZipFile(data / "dicom" / "reader_files.zip") as archive:
        (tmp_path / "a").write_bytes(archive.read("odd/ct_toshiba_j2k_sign_mismatch.dcm"))
    taken = take_in(tmp_path / "a", tmp_path / "cases", key=KEY)
    voxels = load_volume(tmp_path / "cases" / taken.cases[0].id).voxels
    assert (int(voxels[0, 256, 250]), int(voxels[0, 256, 251])) == (65339 - 65536, 21)  # stored values, by SimpleITK
    assert voxels.max() < 3000


@pytest.mark.parametrize(
    "name",
    ["abdomen_ct_3mm.nii.gz", "chest_ct_contrast_crop.nii.gz", "brain_mr_lesion_image.nrrd"],
)
def test_nifti_and_nrrd_voxels_lie_where_simpleitk_puts_them(data, tmp_path, name):
    taken = take_in(data / "cases" / name, tmp_path / "cases", key=KEY)
    volume = load_volume(tmp_path / "cases" / taken.cases[0].id)
    image = sitk.ReadImage(str(data / "cases" / name))
    theirs = sitk.GetArrayFromImage(image)
    assert sorted(volume.voxels.shape) == sorted(theirs.shape)
    rng = np.random.default_rng(0)
    for z, y, x in rng.integers(0, theirs.shape, (300, 3)):
        point = np.array(image.TransformIndexToPhysicalPoint((int(x), int(y), int(z))))
        here = volume.geometry.to_voxel(point)
        assert here == pytest.approx(np.rint(here), abs=1e-4)
        assert volume.voxels[tuple(np.rint(here).astype(int))] == np.rint(theirs[z, y, x])
    assert taken.cases[0].is_hu == ("ct" in name)


def test_pydicoms_own_ct_has_the_hounsfield_units_of_its_header(tmp_path):
    path = Path(get_testdata_file("CT_small.dcm", download=False))
    taken = take_in(path, tmp_path / "cases", key=KEY)
    ds = pydicom.dcmread(path)
    stored = np.frombuffer(ds.PixelData, "<i2").reshape(ds.Rows, ds.Columns)
    case = load_case(tmp_path / "cases" / taken.cases[0].id)
    assert np.array_equal(load_volume(tmp_path / "cases" / case.id).voxels[0], stored - 1024)
    assert case.is_hu
    assert case.geometry.origin_mm == pytest.approx([float(v) for v in ds.ImagePositionPatient])


def test_every_file_that_pydicom_ships_is_a_case_or_refused(tmp_path):
    """Odd, broken and rare files, all at once, through the real child: nothing lost, nothing raised."""
    home = Path(pydicom.data.__file__).parent / "test_files"
    taken = take_in(home, None, key=KEY)
    named = {f for files in taken.files.values() for f in files}
    named |= {r.file for r in (*taken.refused, *taken.ignored)}
    files = {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()}
    zips = {p.relative_to(home).as_posix() for p in home.rglob("*.zip")}
    assert files - zips <= named
    assert not [r for r in taken.refused if r.note.key in ("refused.too_slow", "refused.memory")]
