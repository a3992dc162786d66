"""Phantoms: geometry, truth, and random streams that don't disturb each other."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from engine.phantoms import FINDINGS, HOSPITALS, Truth, make_phantom, plan_phantom

SMALL = {"size": 96, "slices": 10, "cover_mm": 100}


@pytest.fixture(scope="module")
def slabs():
    """One small slab a finding, same patient, hospital B (thin slices, sharp kernel)."""
    return {finding: make_phantom(7, finding, "B", around_finding=True, **SMALL) for finding in FINDINGS}


def test_a_volume_is_int16_hu_with_the_feet_first_and_lps_axes(slabs):
    volume = slabs["smooth"].volume
    assert volume.voxels.dtype == np.int16
    assert volume.voxels.shape == (10, 96, 96)
    assert volume.is_hu
    assert volume.geometry.axes == ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    assert volume.geometry.spacing_mm == pytest.approx((10.0, 340 / 96, 340 / 96))
    assert volume.geometry.measured


def test_the_patient_lies_on_the_back_with_the_liver_on_the_right_and_the_heart_on_the_left():
    phantom = make_phantom(7, "normal", "A", size=96, slices=12, cover_mm=240)
    hu, to_mm = phantom.volume.voxels.astype(int), phantom.volume.geometry.to_mm
    lung = (hu > -950) & (hu < -600)
    by_level = lung.sum((1, 2))
    assert by_level[0] < by_level[4] / 2, "the abdomen is at index 0"
    bone = to_mm(np.argwhere(hu > 250))
    body = to_mm(np.argwhere(hu > -200))
    assert np.median(bone[:, 1]) > np.median(body[:, 1]), "the spine is at the back, where y grows"
    right, left = _lung_by_side(lung)
    assert right > left, "the heart takes from the left lung"


def _lung_by_side(lung):
    half = lung.shape[2] // 2
    return lung[:, :, :half].sum(), lung[:, :, half:].sum()


@pytest.mark.parametrize("finding", [f for f in FINDINGS if f != "normal"])
def test_the_truth_points_into_the_finding(slabs, finding):
    phantom = slabs[finding]
    truth, geometry = phantom.truth, phantom.volume.geometry
    assert phantom.mask.any()
    np.testing.assert_allclose(truth.centre_mm, geometry.to_mm(np.argwhere(phantom.mask).mean(0)), atol=0.01)
    distance = ndimage.distance_transform_edt(~phantom.mask, sampling=geometry.spacing_mm)
    nearest = distance[tuple(np.round(geometry.to_voxel(truth.centre_mm)).astype(int))]
    assert nearest <= truth.radius_mm
    assert truth.finding == finding
    assert (truth.radius_mm, truth.side) == (
        plan_phantom(7, finding, "B").radius_mm,
        plan_phantom(7, finding, "B").side,
    )


def test_a_normal_phantom_has_no_finding(slabs):
    truth = slabs["normal"].truth
    assert not slabs["normal"].mask.any()
    assert truth.centre_mm is None
    assert (truth.side, truth.lobe, truth.radius_mm, truth.level_hu) == ("", "", 0.0, None)


def test_the_mask_is_where_the_finding_was_painted():
    """Oracle: the same patient with and without the finding differs inside the mask and hardly elsewhere."""
    where = {"size": 96, "slices": 24, "cover_mm": 240, "noise": 0.0}
    for finding in ("spiculated", "cavity"):
        sick, healthy = make_phantom(7, finding, "B", **where), make_phantom(7, "normal", "B", **where)
        change = np.abs(sick.volume.voxels.astype(int) - healthy.volume.voxels)
        assert change[sick.mask].mean() > 300
        far = ndimage.distance_transform_edt(~sick.mask, sampling=sick.volume.geometry.spacing_mm) > 35
        assert change[far].max() <= 6, "beam hardening may move a few HU"


def test_the_same_seed_gives_the_same_voxels_and_another_seed_does_not():
    again = [make_phantom(seed, "spiculated", "screening", **SMALL) for seed in (7, 7, 5)]
    np.testing.assert_array_equal(again[0].volume.voxels, again[1].volume.voxels)
    np.testing.assert_array_equal(again[0].mask, again[1].mask)
    assert again[0].truth == again[1].truth
    assert (again[0].volume.voxels != again[2].volume.voxels).any()


def test_the_same_patient_goes_to_every_hospital():
    """Oracle: with one scanner's settings forced on all hospitals, the noise-free voxels are equal."""
    one = {"fov": 360, "thick": 4.0, "kernel": "soft", "noise": 0.0, "pad": -1024, "table": 0, "contrast": 0.0}
    first, *others = (make_phantom(5, "ground_glass", hospital, **SMALL, **one) for hospital in HOSPITALS)
    inside = first.volume.voxels > -900  # the gown is the hospital's own
    for other in others:
        change = np.abs(first.volume.voxels.astype(int) - other.volume.voxels)[inside]
        assert np.percentile(change, 99.9) <= 1
        np.testing.assert_array_equal(first.mask, other.mask)
        same = dataclasses.replace(other.truth, hospital="A")
        assert same == first.truth


def test_hospitals_differ_in_noise_and_grid():
    soft, sharp = (make_phantom(7, "normal", hospital, size=128, slices=3, cover_mm=30) for hospital in "AB")
    assert soft.volume.geometry.spacing_mm[1] != sharp.volume.geometry.spacing_mm[1]
    grain = []
    for phantom in (soft, sharp):
        hu = phantom.volume.voxels.astype(int)
        step, tissue = np.diff(hu, axis=2), (hu > 0) & (hu < 120)
        grain.append(step[tissue[:, :, 1:] & tissue[:, :, :-1]].std())
    assert grain[1] > 1.3 * grain[0]


def test_a_slab_holds_the_finding_but_not_always_in_its_middle():
    offsets = []
    for seed in (7, 9, 5, 31):
        phantom = make_phantom(seed, "smooth", "A", size=48, slices=12, cover_mm=120, around_finding=True)
        levels = np.nonzero(phantom.mask)[0]
        assert len(levels)
        assert 0 < levels.min() <= levels.max() < 11
        offsets.append(levels.mean() - 5.5)
    assert np.std(offsets) > 0.5


def test_truth_survives_json(slabs):
    truth = slabs["cavity"].truth
    assert Truth.from_json(truth.to_json()) == truth


@pytest.mark.parametrize(
    ("args", "change", "word"),
    [(("tumour", "A"), {}, "tumour"), (("smooth", "Z"), {}, "'Z'"), (("smooth", "A"), {"colour": 1}, "colour")],
)
def test_what_can_not_be_made_is_named(args, change, word):
    with pytest.raises(ValueError, match=word):
        make_phantom(1, *args, **change)
