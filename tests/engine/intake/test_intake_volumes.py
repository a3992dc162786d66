"""NIfTI and NRRD: one file is one volume, turned upright without touching a voxel."""

from __future__ import annotations

import gzip

import nibabel
import nrrd
import numpy as np
import pytest

from engine.intake import Limits, load_volume
from tests.engine.intake.made_series import keys, warnings_of

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def ct_like(shape=(5, 6, 7)):
    return (np.arange(np.prod(shape)).reshape(shape) * 5 - 1000).astype(np.int16)


def nifti(path, array, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


@pytest.mark.parametrize(
    "columns",
    [((1, 0, 0), (0, 1, 0), (0, 0, 3)), ((0, 0, 3), (1, 0, 0), (0, -1, 0)), ((-1, 0, 0.1), (0, 0, -1), (0.1, 3, 0))],
)
def test_every_voxel_of_a_nifti_stays_at_its_place_in_the_patient(take, tmp_path, columns):
    array, affine = ct_like(), np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.array(columns).T, (10, 20, 30)
    (case,) = take(nifti(tmp_path / "a.nii.gz", array, affine)).cases
    volume = load_volume(tmp_path / "cases" / case.id)
    for index in np.ndindex(array.shape):
        point = RAS_TO_LPS @ (affine[:3, :3] @ index + affine[:3, 3])
        here = np.rint(volume.geometry.to_voxel(point)).astype(int)
        assert volume.voxels[tuple(here)] == array[index]
    assert volume.geometry.spacing_mm[0] == pytest.approx(max(np.linalg.norm(affine[:3, :3], axis=0)))


def test_a_range_like_ct_is_taken_as_hounsfield_and_it_is_said(take, tmp_path):
    taken = take(nifti(tmp_path / "a.nii.gz", ct_like()))
    assert (taken.cases[0].is_hu, warnings_of(taken)[0]) == (True, "hu_guessed")


def test_other_greys_are_not_called_hounsfield(take, tmp_path):
    taken = take(nifti(tmp_path / "a.nii", np.abs(ct_like())))
    assert (taken.cases[0].is_hu, warnings_of(taken)) == (False, ["grey_scale_unknown"])


def test_fractions_are_stretched_instead_of_rounded_away(take, tmp_path):
    taken = take(nifti(tmp_path / "a.nii", np.linspace(0, 1, 210, dtype=np.float32).reshape(5, 6, 7)))
    voxels = load_volume(tmp_path / "cases" / taken.cases[0].id).voxels
    assert (len(np.unique(voxels)), "stretched" in warnings_of(taken)) == (210, True)


def test_slope_and_intercept_of_a_nifti_are_applied(take, tmp_path):
    image = nibabel.Nifti1Image(ct_like(), np.eye(4))
    image.header.set_slope_inter(2, -100)
    image.to_filename(tmp_path / "a.nii")
    expected = np.asanyarray(nibabel.load(tmp_path / "a.nii").dataobj)
    taken = take(tmp_path / "a.nii")
    assert taken.stats[taken.cases[0].id]["max"] == expected.max()


def test_several_volumes_not_numbers_and_colours_are_refused(take, tmp_path):
    nifti(tmp_path / "in" / "four.nii", np.zeros((4, 4, 4, 3), np.int16))
    nifti(tmp_path / "in" / "nan.nii", np.full((4, 4, 4), np.nan, np.float32))
    colour = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nifti(tmp_path / "in" / "rgb.nii", colour)
    assert keys(take(tmp_path / "in").refused) == ["four_d", "not_finite", "not_grey"]


def test_a_gzip_bomb_and_a_cut_gzip_are_refused(take, tmp_path):
    (tmp_path / "in").mkdir()
    whole = nifti(tmp_path / "whole.nii", np.zeros((64, 64, 64), np.int16)).read_bytes()
    with gzip.open(tmp_path / "in" / "bomb.nii.gz", "wb") as file:
        file.write(whole + bytes(3 << 20))
    packed = gzip.compress(whole)
    (tmp_path / "in" / "cut.nii.gz").write_bytes(packed[: len(packed) // 2])
    refused = take(tmp_path / "in", limits=Limits(volume_bytes=4 << 20)).refused
    assert keys(refused) == ["inflates", "unreadable"]


def test_a_header_that_promises_too_much_is_refused_before_it_is_read(take, tmp_path):
    raw = bytearray(nifti(tmp_path / "a.nii", ct_like()).read_bytes())
    raw[42:48] = np.array([9000, 9000, 9000], "<i2").tobytes()
    (tmp_path / "a.nii").write_bytes(raw)
    assert keys(take(tmp_path / "a.nii").refused) == ["volume_too_large"]


def test_half_a_nifti_pair_is_refused_with_what_to_do(take, tmp_path):
    pair = nibabel.Nifti1Pair(ct_like(), np.eye(4))
    (tmp_path / "in").mkdir()
    pair.to_filename(tmp_path / "in" / "a.hdr")
    assert keys(take(tmp_path / "in").refused)[0] == "analyze"


@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior"])
def test_every_voxel_of_an_nrrd_stays_at_its_place_in_the_patient(take, tmp_path, space):
    array = ct_like()
    directions, origin = np.array([[0.5, 0, 0], [0, -0.5, 0], [0, 0, 4.0]]), np.array([1.0, 2, 3])
    header = {"space": space, "space directions": directions, "space origin": origin}
    nrrd.write(str(tmp_path / "a.nrrd"), array, header)
    (case,) = take(tmp_path / "a.nrrd").cases
    volume = load_volume(tmp_path / "cases" / case.id)
    signs = np.eye(3) if space.startswith("left") else RAS_TO_LPS
    for index in ((0, 0, 0), (4, 5, 6), (1, 2, 3)):
        point = signs @ (np.array(index) @ directions + origin)
        assert volume.voxels[tuple(np.rint(volume.geometry.to_voxel(point)).astype(int))] == array[index]


def test_an_nrrd_that_points_at_another_file_is_refused(take, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(1000))
    text = "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nendian: little\nencoding: raw\ndata file: secret\n\n"
    (tmp_path / "a.nrrd").write_text(text)
    assert keys(take(tmp_path / "a.nrrd").refused) == ["nrrd_detached"]
