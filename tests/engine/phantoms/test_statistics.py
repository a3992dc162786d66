"""Phantoms against real chest CT: tissue by tissue, within what was measured on real slices (docs/phantoms.md)."""

import numpy as np
import pytest
from scipy import ndimage

from engine.phantoms import make_phantom
from engine.phantoms.person import FAT_HU


def lung_of(hu, pixel_mm):
    """Lung by threshold inside the body, 4 mm in from its edge: the way the real slices were measured."""
    lung = []
    for image in hu:
        inside = ndimage.binary_fill_holes(image > -400) & (image < -400)
        labels, count = ndimage.label(inside)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        sizes[0] = 0
        large = np.isin(labels, np.flatnonzero(sizes > 0.15 * sizes.max()))
        large = ndimage.binary_closing(large, iterations=2)
        lung.append(ndimage.binary_erosion(large, iterations=max(1, round(4 / pixel_mm))))
    return np.stack(lung)


@pytest.fixture(scope="module", params=["A", "B"])
def chest(request):
    phantom = make_phantom(31, "normal", request.param, size=256, slices=5, cover_mm=60, around_finding=True)
    hu = np.maximum(phantom.volume.voxels, -1024).astype(float)
    return hu, lung_of(hu, phantom.volume.geometry.spacing_mm[1])


def test_lung_is_as_dense_as_real_lung(chest):
    hu, lung = chest
    p5, p50, p95 = np.percentile(hu[lung], [5, 50, 95])
    assert -920 < p5 < -840
    assert -860 < p50 < -780
    assert -700 < p95 < -350


def test_lung_is_denser_at_the_back(chest):
    hu, lung = chest
    rows = np.broadcast_to(np.arange(hu.shape[1])[None, :, None], hu.shape)
    front, back = np.percentile(rows[lung], [25, 75])
    step = np.median(hu[lung & (rows > back)]) - np.median(hu[lung & (rows < front)])
    assert 10 < step < 90


def test_vessels_take_the_share_of_the_lung_that_they_take_in_real_ct(chest):
    hu, lung = chest
    assert 0.02 < (hu[lung] > -500).mean() < 0.08


def test_fat_has_the_density_of_fat_and_is_not_flat(chest):
    hu, _ = chest
    fat = ndimage.binary_erosion((hu > -150) & (hu < -50), np.ones((1, 3, 3)), iterations=2)
    assert fat.sum() > 500
    assert hu[fat].mean() == pytest.approx(FAT_HU, abs=10)
    assert hu[fat].std() > 8


def test_without_noise_a_solid_nodule_has_the_density_its_truth_says():
    phantom = make_phantom(31, "smooth", "B", size=256, slices=8, cover_mm=40, around_finding=True, noise=0.0)
    core = ndimage.binary_erosion(phantom.mask, np.ones((1, 3, 3)))
    assert np.median(phantom.volume.voxels[core]) == pytest.approx(phantom.truth.level_hu, abs=25)


def test_ground_glass_is_between_lung_and_tissue_and_lets_vessels_show():
    phantom = make_phantom(31, "ground_glass", "A", size=192, slices=8, cover_mm=40, around_finding=True)
    inside = phantom.volume.voxels[phantom.mask]
    assert -760 < np.median(inside) < -500
    assert np.percentile(inside, 99) > -400


def test_a_cavity_holds_air_in_a_wall():
    phantom = make_phantom(7, "cavity", "B", size=192, slices=8, cover_mm=40, around_finding=True)
    inside = phantom.volume.voxels[phantom.mask]
    assert np.percentile(inside, 10) < -700
    assert np.percentile(inside, 90) > -50


def test_contrast_medium_brightens_blood_and_spares_fat():
    plain, bright = (
        make_phantom(31, "normal", "C", size=128, slices=2, cover_mm=20, contrast=share, noise=0.0) for share in (0, 1)
    )
    assert not plain.truth.contrast
    assert bright.truth.contrast
    change = bright.volume.voxels.astype(int) - plain.volume.voxels
    aorta_like = change > 100
    assert aorta_like.sum() > 50
    fat = (plain.volume.voxels > -125) & (plain.volume.voxels < -85)
    assert np.median(np.abs(change[fat])) < 5


def test_noise_has_the_hospitals_strength():
    """Oracle: the difference to the same scan without noise has the protocol's standard deviation in soft tissue."""
    where = {"size": 192, "slices": 2, "cover_mm": 10}
    for hospital, sd in (("A", 11), ("B", 26)):
        noisy, clean = (make_phantom(31, "normal", hospital, **where, noise=level) for level in (sd, 0.0))
        tissue = clean.volume.voxels > -300
        measured = (noisy.volume.voxels.astype(int) - clean.volume.voxels)[tissue].std()
        assert measured == pytest.approx(sd, rel=0.35)
