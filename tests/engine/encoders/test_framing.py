"""The encoder looks at the body and not at the table, and at the place that was pointed at, in mm."""

import numpy as np
import pytest

from engine.encoders.framing import Frame, body_mask, evenly, frame
from engine.encoders.views import make_views, windowed
from engine.nouns import Geometry, Place, Volume


def disc_scan(slices=10, size=200, spacing=(3.0, 1.5, 1.5), radius=40, centre=(90, 110)):
    """A body of water with a thin table below it, in air."""
    y, x = np.mgrid[:size, :size]
    one = np.full((size, size), -1000, np.int16)
    one[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2] = 0
    one[150:152] = 100
    return Volume(np.repeat(one[None], slices, 0), Geometry(spacing_mm=spacing), True)


def test_the_frame_holds_the_body_and_not_the_table():
    at = frame(disc_scan())
    assert 40 <= at.row0 <= 50 and 130 <= at.row1 <= 140
    assert 60 <= at.col0 <= 70 and 150 <= at.col1 <= 160


def test_the_table_is_turned_to_air_in_the_views_of_a_whole_case():
    scan = disc_scan()
    wide = Frame((0,), 0, 200, 0, 200)
    assert make_views(scan, wide)[0, 1, 96].max() > 0.5
    assert make_views(scan, wide, bare=True)[0, 1, 96].max() == 0


def test_a_frame_is_square_in_mm_also_where_pixels_are_not():
    at = frame(disc_scan(spacing=(3.0, 1.0, 2.0)))
    assert (at.row1 - at.row0) * 1.0 == pytest.approx((at.col1 - at.col0) * 2.0)


def test_all_slices_of_a_short_scan_and_evenly_chosen_ones_of_a_long_one():
    assert evenly(0, 24, 28) == tuple(range(24))
    many = evenly(0, 200, 28)
    assert len(many) == 28 and set(np.diff(many)) <= {7, 8}
    assert many[0] == 199 - many[-1]


def test_a_point_becomes_forty_mm_around_it_whatever_the_spacing():
    for spacing in ((1.0, 0.5, 0.5), (5.0, 0.9, 0.9)):
        scan = disc_scan(slices=40, spacing=spacing)
        centre = scan.geometry.to_mm(np.array([20, 90, 110]))
        at = frame(scan, Place(tuple(centre)))
        assert (at.row1 - at.row0) * spacing[1] == pytest.approx(40)
        assert (at.row0 + at.row1) / 2 == pytest.approx(90.5)
        assert 20 in at.slices and max(abs(s - 20) * spacing[0] for s in at.slices) <= 2.5


def test_a_box_sets_the_slices_and_the_side():
    scan = disc_scan(slices=40)
    centre = tuple(scan.geometry.to_mm(np.array([20, 90, 110])))
    at = frame(scan, Place(centre, (36.0, 60.0, 90.0), "box"))
    assert at.slices == (18, 19, 20, 21, 22)  # the middle third
    assert (at.row1 - at.row0) * 1.5 == pytest.approx(90)


def test_a_region_outside_the_scan_is_refused_and_one_at_its_edge_is_padded_with_air():
    scan = disc_scan()
    with pytest.raises(ValueError, match="outside"):
        frame(scan, Place((9999.0, 0.0, 0.0)))
    views = make_views(scan, frame(scan, Place(tuple(scan.geometry.to_mm(np.array([0, 0, 0]))))))
    assert views.shape[1:] == (3, 128, 128) and views[:, 1].max() == 0


def test_windows_are_the_usual_ones():
    import torch

    lung, soft, bone = windowed(torch.tensor([[-1350.0, 150.0, -160.0, 240.0, -500.0, 1300.0, 40.0]]))[:, 0]
    assert lung[:2].tolist() == [0, 1] and soft[2:4].tolist() == [0, 1] and bone[4:6].tolist() == [0, 1]
    assert soft[6] == pytest.approx(0.5)


def test_a_map_over_the_views_returns_to_the_voxels_it_came_from():
    scan = disc_scan()
    at = frame(scan)
    lit = np.zeros((10, 128, 128), np.float32)
    lit[4, 20, 100] = 1
    back = at.paste(lit, scan.voxels.shape)
    s, r, c = np.unravel_index(np.nanargmax(back), back.shape)
    mm = at.view_to_mm(scan.geometry, 4, 20, 100, 128)
    assert s == 4 and np.abs(scan.geometry.to_mm(np.array([s, r, c])) - mm).max() <= 1.5
    assert np.isnan(back[0, 0, 0])


def test_views_show_what_the_frame_says_they_show():
    voxels = np.full((3, 100, 100), -1000, np.int16)
    voxels[1, 30:50, 60:80] = 40
    scan = Volume(voxels, Geometry(), True)
    at = Frame((1,), 20, 84, 40, 104)
    views = make_views(scan, at)
    back = at.paste(views[:, 1].numpy(), voxels.shape)[1]
    assert np.nanmin(back[32:48, 62:78]) > 0.45 and np.nanmax(back[52:80, 42:58]) < 0.05


def test_lungs_stay_inside_the_body():
    y, x = np.mgrid[:100, :100]
    chest = np.where((y - 50) ** 2 + (x - 50) ** 2 < 40**2, 30, -1000)
    chest[(y - 50) ** 2 + (x - 35) ** 2 < 12**2] = -850
    assert body_mask(chest)[50, 35] and not body_mask(chest)[2, 2]


def test_real_scans_are_cut_to_the_patient(data):
    import nibabel

    raw = np.asarray(nibabel.load(data / "cases" / "abdomen_ct_3mm.nii.gz").dataobj).transpose(2, 1, 0)
    scan = Volume(raw.astype(np.int16), Geometry(spacing_mm=(3.0, 3.0, 3.0)), True)
    at = frame(scan)
    fat_or_more = scan.voxels[list(at.slices)] > -200
    rows = np.arange(scan.voxels.shape[1])
    inside = fat_or_more[:, (rows >= at.row0) & (rows < at.row1)]
    assert inside.sum() / fat_or_more.sum() > 0.97
