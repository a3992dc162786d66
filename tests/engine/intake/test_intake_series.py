"""Series of DICOM slices become volumes in Hounsfield units, with honest geometry, whatever lies between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import EnhancedCTImageStorage, generate_uid

from engine.intake import load_volume
from tests.engine.intake.made_series import keys, pattern, save, series, slice_of, warnings_of


def volume(taken, tmp_path: Path, which: int = 0):
    return load_volume(tmp_path / "cases" / taken.cases[which].id)


def test_slices_are_ordered_by_place_not_by_name_or_number(take, tmp_path):
    for n, index in enumerate([5, 0, 3, 1, 4, 2]):
        save(slice_of(index, InstanceNumber=100 - index), tmp_path / "in" / f"{n}")
    taken = take(tmp_path / "in")
    found = volume(taken, tmp_path)
    assert [int(s[0, 0]) for s in found.voxels] == [24 - 1024 + 7 * i for i in range(6)]
    assert taken.cases[0].geometry.spacing_mm == pytest.approx((2.0, 0.5, 0.75))
    assert found.geometry.to_mm(np.array([3, 4, 6])) == pytest.approx([-10 + 6 * 0.75, -20 + 4 * 0.5, 6.0])


def test_hounsfield_units_are_slope_times_stored_plus_intercept(take, tmp_path):
    series(tmp_path / "in", range(4), RescaleSlope="0.5", RescaleIntercept="-1000")
    taken = take(tmp_path / "in")
    expected = np.rint(np.stack([pattern(i) for i in range(4)]) * 0.5 - 1000)
    assert np.array_equal(volume(taken, tmp_path).voxels, expected)
    assert taken.stats[taken.cases[0].id] == pytest.approx(
        {"min": expected.min(), "max": expected.max(), "mean": expected.mean()}
    )


@pytest.mark.parametrize("missing", ["RescaleSlope", "RescaleIntercept"])
def test_a_ct_without_its_rescale_is_refused_never_assumed(take, tmp_path, missing):
    series(tmp_path / "in", range(4), **{missing: None})
    taken = take(tmp_path / "in")
    assert not taken.cases
    assert keys(taken.refused) == ["no_rescale"] * 4


def test_a_rescale_of_zero_is_refused(take, tmp_path):
    series(tmp_path / "in", range(2), RescaleSlope=0)
    assert keys(take(tmp_path / "in").refused) == ["bad_rescale"] * 2


def test_one_slice_without_rescale_costs_only_itself(take, tmp_path):
    series(tmp_path / "in", [0, 1, 2, 4, 5])
    save(slice_of(3, RescaleSlope=None), tmp_path / "in" / "broken")
    taken = take(tmp_path / "in")
    assert [(r.file, r.note.key) for r in taken.refused] == [("broken", "refused.no_rescale")]
    assert taken.cases[0].shape == (6, 16, 20)
    assert warnings_of(taken) == ["slices_missing"]


def test_a_missing_slice_is_named_and_filled_so_that_distances_stay_true(take, tmp_path):
    series(tmp_path / "in", [0, 1, 2, 4, 5, 6, 7])
    taken = take(tmp_path / "in")
    note = taken.cases[0].notes[0]
    assert (note.key, dict(note.values)) == ("warning.slices_missing", {"count": 1, "where": "3-5"})
    voxels = volume(taken, tmp_path).voxels
    assert len(voxels) == 8
    assert np.abs(voxels[3] - (pattern(3).astype(int) - 1024)).max() <= 1  # linear pattern: only rounding differs
    assert taken.cases[0].geometry.spacing_mm[0] == pytest.approx(2.0)


def test_a_large_hole_cuts_the_series_in_two(take, tmp_path):
    series(tmp_path / "in", [*range(6), *range(20, 26)])
    taken = take(tmp_path / "in")
    assert [c.shape[0] for c in taken.cases] == [6, 6]
    assert warnings_of(taken) == ["cut_at_gap"]
    assert taken.cases[1].geometry.origin_mm[2] == 40.0
    assert taken.cases[0].patient == taken.cases[1].patient


def test_two_spacings_become_two_series(take, tmp_path):
    for n, z in enumerate([*range(0, 12, 2), *range(15, 40, 5)]):
        save(slice_of(n, ImagePositionPatient=[0, 0, float(z)]), tmp_path / "in" / str(n))
    taken = take(tmp_path / "in")
    assert [round(c.geometry.spacing_mm[0]) for c in taken.cases] == [2, 5]
    assert not taken.refused


def test_slices_scattered_without_a_step_are_refused(take, tmp_path):
    for n, z in enumerate([0, 3, 40, 41, 99]):
        save(slice_of(n, ImagePositionPatient=[0, 0, float(z)]), tmp_path / "in" / str(n))
    assert set(keys(take(tmp_path / "in").refused)) == {"uneven"}


def test_one_slice_with_a_wrong_place_costs_only_itself(take, tmp_path):
    series(tmp_path / "in", range(12))
    save(slice_of(12, ImagePositionPatient=[-10, 300, 24.0]), tmp_path / "in" / "aside")
    save(slice_of(12, ImagePositionPatient=[-10, -20, 900.0]), tmp_path / "in" / "above")
    taken = take(tmp_path / "in")
    assert sorted((r.file, r.note.key) for r in taken.refused) == [
        ("above", "refused.stray"),
        ("aside", "refused.stray"),
    ]
    assert [c.shape[0] for c in taken.cases] == [12]


def test_rounded_places_are_no_gap(take, tmp_path):
    for n in range(20):
        save(slice_of(n, ImagePositionPatient=[0, 0, round(n * 0.625, 1)]), tmp_path / "in" / str(n))
    taken = take(tmp_path / "in")
    assert [c.shape[0] for c in taken.cases] == [20]
    assert warnings_of(taken) == []


def test_a_copied_file_is_counted_once(take, tmp_path):
    series(tmp_path / "in", range(5))
    (tmp_path / "in" / "copy").write_bytes(next((tmp_path / "in").iterdir()).read_bytes())
    taken = take(tmp_path / "in")
    assert keys(taken.ignored) == ["double"]
    assert [c.shape[0] for c in taken.cases] == [5]


def test_a_different_slice_at_the_same_place_is_refused_by_name(take, tmp_path):
    series(tmp_path / "in", range(5))
    save(slice_of(2, InstanceNumber=99, pixels=pattern(50)), tmp_path / "in" / "second")
    taken = take(tmp_path / "in")
    assert [(r.file, r.note.key) for r in taken.refused] == [("second", "refused.same_place")]
    assert int(volume(taken, tmp_path).voxels[2, 0, 0]) == 24 + 14 - 1024


def test_two_acquisitions_at_the_same_places_become_two_series(take, tmp_path):
    for phase in (1, 2):
        for i in range(4):
            changed = slice_of(i, AcquisitionNumber=phase, pixels=pattern(i + 10 * phase))
            save(changed, tmp_path / "in" / f"{phase}{i}")
    taken = take(tmp_path / "in")
    assert [c.shape[0] for c in taken.cases] == [4, 4]
    assert warnings_of(taken) == ["several_at_each_place"]


def test_two_slice_thicknesses_in_one_folder_are_two_series(take, tmp_path):
    series(tmp_path / "in", range(5), SliceThickness=2.0)
    series(tmp_path / "in" / "x", range(5, 10), SliceThickness=5.0)
    for f in (tmp_path / "in" / "x").iterdir():
        f.rename(tmp_path / "in" / f"x{f.name}")
    (tmp_path / "in" / "x").rmdir()
    taken = take(tmp_path / "in")
    assert [c.shape[0] for c in taken.cases] == [5, 5]
    assert warnings_of(taken, 0) == warnings_of(taken, 1) == ["two_thicknesses"]


def test_a_tilted_gantry_keeps_every_voxel_where_it_was_in_the_patient(take, tmp_path):
    lean = np.deg2rad(18.5)
    orientation = [1, 0, 0, 0, float(np.cos(lean)), float(-np.sin(lean))]
    series(tmp_path / "in", range(5), ImageOrientationPatient=orientation)
    taken = take(tmp_path / "in")
    case = taken.cases[0]
    assert dict(case.notes[0].values) == {"degrees": 18.5}
    assert case.geometry.spacing_mm[0] == pytest.approx(2.0)
    down = np.array(orientation[3:]) * 0.5
    expected = np.array([-10, -20, 6.0]) + 4 * down + np.array([6 * 0.75, 0, 0])
    assert case.geometry.to_mm(np.array([3, 4, 6])) == pytest.approx(expected)


def test_localizers_are_refused_whether_they_say_so_or_not(take, tmp_path):
    series(tmp_path / "in", range(12))
    save(slice_of(0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), tmp_path / "in" / "said")
    other = slice_of(0, ImageOrientationPatient=[0, 1, 0, 0, 0, -1], pixels=pattern(0, (30, 20)))
    save(other, tmp_path / "in" / "unsaid")
    taken = take(tmp_path / "in")
    assert sorted((r.file, r.note.key) for r in taken.refused) == [
        ("said", "refused.localizer"),
        ("unsaid", "refused.looks_like_scout"),
    ]
    assert [c.shape[0] for c in taken.cases] == [12]


def test_loose_slices_without_a_place_are_refused(take, tmp_path):
    series(tmp_path / "in", range(3), ImagePositionPatient=None)
    assert keys(take(tmp_path / "in").refused) == ["no_place"] * 3


def test_padding_becomes_air_and_the_files_own_range_is_told(take, tmp_path):
    pixels = pattern(0).astype(np.int16)
    pixels[:3] = -2000
    changes = {"PixelRepresentation": 1, "pixels": pixels}
    ds = slice_of(0, **changes)
    ds.add_new("PixelPaddingValue", "US", 63536)  # -2000, as some scanners write it
    save(ds, tmp_path / "in" / "a")
    taken = take(tmp_path / "in")
    assert volume(taken, tmp_path).voxels[0, 0, 0] == -1024
    assert taken.stats[taken.cases[0].id]["min"] == -3024


def test_padding_that_could_be_tissue_is_left_alone(take, tmp_path):
    save(slice_of(0, PixelPaddingValue=24), tmp_path / "in" / "a")
    assert volume(take(tmp_path / "in"), tmp_path).voxels[0, 0, 0] == 24 - 1024


def test_a_scale_that_puts_air_in_the_wrong_place_is_warned_of(take, tmp_path):
    series(tmp_path / "in", range(3), RescaleIntercept=0)
    assert "no_air" in warnings_of(take(tmp_path / "in"))


def test_values_beyond_any_tissue_are_refused(take, tmp_path):
    series(tmp_path / "in", range(3), RescaleSlope=100)
    assert set(keys(take(tmp_path / "in").refused)) == {"implausible"}


def test_an_enhanced_ct_is_sorted_by_the_places_of_its_frames(take, tmp_path):
    order = [2, 0, 3, 1]
    ds = slice_of(0, pixels=np.stack([pattern(i) for i in order])[0])
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    ds.NumberOfFrames, ds.PixelData = 4, np.stack([pattern(i) for i in order]).tobytes()
    for name in ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"]:
        delattr(ds, name)

    def one(**values):
        item = Dataset()
        for name, value in values.items():
            setattr(item, name, value)
        return DicomSequence([item])

    ds.SharedFunctionalGroupsSequence = one(
        PlaneOrientationSequence=one(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelMeasuresSequence=one(PixelSpacing=[0.5, 0.75], SliceThickness=2.0),
    )
    ds.PerFrameFunctionalGroupsSequence = DicomSequence(
        one(
            PlanePositionSequence=one(ImagePositionPatient=[0, 0, 2.0 * i]),
            PixelValueTransformationSequence=one(RescaleSlope=1, RescaleIntercept=-1024 + i, RescaleType="HU"),
        )[0]
        for i in order
    )
    save(ds, tmp_path / "in" / "enhanced")
    taken = take(tmp_path / "in")
    case = taken.cases[0]
    assert (case.shape, case.is_hu) == ((4, 16, 20), True)
    assert [int(s[0, 0]) for s in volume(taken, tmp_path).voxels] == [24 - 1024 + 8 * i for i in range(4)]


def test_mr_keeps_its_grey_values_and_is_not_called_hounsfield(take, tmp_path):
    series(tmp_path / "in", range(4), Modality="MR", RescaleSlope=None, RescaleIntercept=None)
    taken = take(tmp_path / "in")
    assert (taken.cases[0].is_hu, taken.cases[0].modality) == (False, "MR")
    assert np.array_equal(volume(taken, tmp_path).voxels[1], pattern(1))


def test_sixteen_bit_greys_past_int16_are_halved_and_it_is_said(take, tmp_path):
    bright = (pattern(0).astype(int) * 100).astype(np.uint16)
    save(slice_of(0, Modality="MR", pixels=bright), tmp_path / "in" / "a")
    taken = take(tmp_path / "in")
    assert "halved" in warnings_of(taken)
    found = volume(taken, tmp_path).voxels
    assert found.dtype == np.int16
    assert np.array_equal(found[0], bright >> 1)


def test_slices_with_scales_of_their_own_keep_their_proportions(take, tmp_path):
    for i in range(3):
        full_scale = (pattern(i).astype(int) * 150).astype(np.uint16)
        ds = slice_of(i, Modality="PT", RescaleSlope=i + 1, RescaleIntercept=0, pixels=full_scale)
        save(ds, tmp_path / "in" / str(i))
    taken = take(tmp_path / "in")
    found = volume(taken, tmp_path).voxels.astype(float)
    real = np.stack([pattern(i).astype(float) * (i + 1) for i in range(3)])
    assert np.corrcoef(found.ravel(), real.ravel())[0, 1] > 0.99999


def test_an_inverted_radiograph_is_turned_so_that_bone_is_bright(take, tmp_path):
    ds = slice_of(0, Modality="CR", PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    save(ds, tmp_path / "in" / "a")
    taken = take(tmp_path / "in")
    assert taken.cases[0].kind == "image"
    assert np.array_equal(volume(taken, tmp_path).voxels[0], 4095 - pattern(0).astype(int))


def test_the_same_series_gets_the_same_ids_however_it_is_packed(take, tmp_path):
    series(tmp_path / "in", range(4))
    first = take(tmp_path / "in").cases[0]
    for n, f in enumerate(sorted((tmp_path / "in").iterdir())):
        f.rename(tmp_path / "in" / f"renamed {n}.dcm")
    second = take(tmp_path / "in").cases[0]
    assert (first.id, first.patient, first.site) == (second.id, second.patient, second.site)


def test_patients_are_told_apart_by_number_and_issuer_and_grouped_by_them(take, tmp_path):
    for n, (number, issuer) in enumerate([("7", "A"), ("7", "A"), ("7", "B"), ("8", "A")]):
        changes = {"PatientID": number, "IssuerOfPatientID": issuer, "SeriesInstanceUID": generate_uid()}
        series(tmp_path / "in" / str(n), [n], **changes)
    patients = [c.patient for c in take(tmp_path / "in").cases]
    assert patients[0] == patients[1]
    assert len(set(patients)) == 3


def test_slices_at_one_place_whose_directions_differ_by_rounding_are_doubles(take, tmp_path):
    """Measured in the fuzz: each slice's own normal put them apart and made a stack of no height."""
    place = [-10.0, -900.0, 0.0]
    save(slice_of(0, ImagePositionPatient=place), tmp_path / "in" / "a")
    turned = [1, 0, 0, 0, 1, 0.0005]
    save(slice_of(1, ImagePositionPatient=place, ImageOrientationPatient=turned), tmp_path / "in" / "b")
    taken = take(tmp_path / "in")
    assert [(r.file, r.note.key) for r in taken.refused] == [("b", "refused.same_place")]
    assert np.isfinite(taken.cases[0].geometry.matrix()).all()


def test_two_patients_with_one_series_number_never_meet_in_a_volume(take, tmp_path):
    for n, patient in enumerate(["P1", "P2"]):
        for i in range(4):
            save(slice_of(2 * i + n, PatientID=patient), tmp_path / "in" / f"{patient}{i}")
    taken = take(tmp_path / "in")
    assert [c.shape[0] for c in taken.cases] == [4, 4]
    assert len({c.patient for c in taken.cases}) == 2
