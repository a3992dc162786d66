"""Pictures: a folder is one case in natural order, loose ones a case each; metadata stays outside."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import SecondaryCaptureImageStorage, UltrasoundImageStorage

from engine.intake import load_volume
from engine.sentences import say
from tests.engine.intake.made_series import keys, save, slice_of, warnings_of


def picture(path, value=0, size=(30, 20), mode="RGB", **options):
    rng = np.random.default_rng(0)  # alike but for one value, as neighbouring slices are
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    array = rng.integers(0, 256, shape).astype(np.uint8)
    array.reshape(-1)[0] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array, mode).save(path, **options)
    return array


def voxels(tmp_path, case):
    return load_volume(tmp_path / "cases" / case.id).voxels


def test_a_folder_of_pictures_is_one_case_in_natural_order(take, tmp_path):
    for n in (1, 2, 10, 9):
        picture(tmp_path / "in" / "scan" / f"slice {n}.png", n, mode="L")
    taken = take(tmp_path / "in")
    (case,) = taken.cases
    assert (case.kind, case.shape) == ("volume", (4, 20, 30))
    assert [int(v) for v in voxels(tmp_path, case)[:, 0, 0]] == [1, 2, 9, 10]


def test_loose_pictures_are_a_case_each_unless_the_folder_is_the_case(take, tmp_path):
    for n in range(3):
        picture(tmp_path / "in" / f"{n}.png", n)
    assert [c.shape for c in take(tmp_path / "in").cases] == [(1, 20, 30, 3)] * 3
    assert [c.shape for c in take(tmp_path / "in", top_is_case=True).cases] == [(3, 20, 30, 3)]


def test_pictures_of_different_sizes_in_a_folder_are_a_case_each_and_it_is_said(take, tmp_path):
    picture(tmp_path / "in" / "a" / "1.png")
    picture(tmp_path / "in" / "a" / "2.png", size=(31, 20))
    taken = take(tmp_path / "in")
    assert len(taken.cases) == 2
    assert warnings_of(taken) == ["sizes_differ"]


def test_each_picture_is_a_patient_of_its_own_and_has_no_measure(take, tmp_path):
    picture(tmp_path / "in" / "1.png", 1)
    picture(tmp_path / "in" / "2.png", 2)
    one, two = take(tmp_path / "in").cases
    assert one.patient != two.patient
    assert not one.geometry.measured


def test_the_same_picture_twice_is_one_case(take, tmp_path):
    picture(tmp_path / "in" / "1.png", 1)
    picture(tmp_path / "in" / "copy.png", 1)
    taken = take(tmp_path / "in")
    assert (len(taken.cases), keys(taken.ignored)) == (1, ["double"])


def test_a_grey_picture_saved_as_colour_is_grey_again(take, tmp_path):
    array = picture(tmp_path / "x.png", 1, mode="L")
    (tmp_path / "in").mkdir()
    Image.fromarray(array).convert("RGB").save(tmp_path / "in" / "a.png")
    (case,) = take(tmp_path / "in").cases
    assert case.shape == (1, 20, 30)
    assert np.array_equal(voxels(tmp_path, case)[0], array)


def test_a_picture_lying_on_its_side_is_turned_as_its_exif_says(take, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    array = picture(tmp_path / "in" / "a.png", 1, exif=exif)
    (case,) = take(tmp_path / "in").cases
    assert np.array_equal(voxels(tmp_path, case)[0], np.rot90(array, -1))


def test_a_see_through_picture_lies_on_black(take, tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (8, 8), (200, 100, 50, 0)).save(tmp_path / "in" / "a.png")
    (case,) = take(tmp_path / "in").cases
    assert voxels(tmp_path, case).max() == 0


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_sixteen_bit_pictures_keep_their_depth(take, tmp_path, ending):
    array = (np.arange(600).reshape(20, 30) * 100).astype(np.uint16)
    (tmp_path / "in").mkdir()
    Image.fromarray(array).save(tmp_path / "in" / f"a.{ending}")
    taken = take(tmp_path / "in")
    assert np.array_equal(voxels(tmp_path, taken.cases[0])[0], array >> 1)
    assert warnings_of(taken) == ["halved"]


def test_the_pages_of_a_tiff_are_slices(take, tmp_path):
    (tmp_path / "in").mkdir()
    pages = [Image.new("L", (9, 7), v) for v in (10, 20, 30)]
    pages[0].save(tmp_path / "in" / "a.tif", save_all=True, append_images=pages[1:])
    (case,) = take(tmp_path / "in").cases
    assert case.shape == (3, 7, 9)
    assert voxels(tmp_path, case)[:, 0, 0].tolist() == [10, 20, 30]


def test_a_truncated_picture_costs_only_itself(take, tmp_path):
    for n in range(3):
        picture(tmp_path / "in" / "scan" / f"{n}.png", n)
    whole = (tmp_path / "in" / "scan" / "0.png").read_bytes()
    (tmp_path / "in" / "scan" / "9.png").write_bytes(whole[: len(whole) // 2])
    taken = take(tmp_path / "in")
    assert [r.file for r in taken.refused] == ["scan/9.png"]
    assert [c.shape for c in taken.cases] == [(3, 20, 30, 3)]


def test_more_than_forty_megapixels_are_refused_from_the_header(take, tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("1", (8000, 5001)).save(tmp_path / "in" / "a.png")
    assert keys(take(tmp_path / "in").refused) == ["megapixels"]


def test_pictures_of_other_kinds_are_refused_with_what_to_do(take, tmp_path):
    (tmp_path / "in").mkdir()
    for ending in ("gif", "bmp", "webp"):
        Image.new("RGB", (8, 8)).save(tmp_path / "in" / f"a.{ending}")
    assert keys(take(tmp_path / "in").refused) == ["other_picture"] * 3


def test_colour_ultrasound_is_a_colour_picture_with_a_warning_of_text(take, tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    changes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "Modality": "US"}
    save(slice_of(0, SOPClassUID=UltrasoundImageStorage, pixels=rgb, **changes), tmp_path / "in" / "a")
    taken = take(tmp_path / "in")
    assert np.array_equal(voxels(tmp_path, taken.cases[0])[0], rgb)
    assert "may_show_text" in warnings_of(taken)


def test_a_screen_capture_is_refused(take, tmp_path):
    save(slice_of(0, SOPClassUID=SecondaryCaptureImageStorage, Modality="OT"), tmp_path / "in" / "a")
    assert keys(take(tmp_path / "in").refused) == ["screen_capture"]


def test_a_ct_that_says_text_is_burned_in_is_warned_of(take, tmp_path):
    save(slice_of(0, BurnedInAnnotation="YES"), tmp_path / "in" / "a")
    assert "burned_in" in warnings_of(take(tmp_path / "in"))


def test_sixteen_bit_slices_of_one_folder_share_one_scale(take, tmp_path):
    (tmp_path / "in" / "scan").mkdir(parents=True)
    for n, top in enumerate((1000, 60_000)):
        alike = np.arange(0, 60_000, 2000, np.uint16).reshape(5, 6)
        alike[0, 0] = top
        Image.fromarray(alike).save(tmp_path / "in" / "scan" / f"{n}.png")
    taken = take(tmp_path / "in")
    assert voxels(tmp_path, taken.cases[0])[:, 0, 0].tolist() == [500, 30_000]


def test_a_name_of_many_digits_is_still_sorted(take, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("9" * 5000 + ".png", "10.png", "9.png"):
            picture(tmp_path / "x.png", len(name) % 251)
            archive.writestr(name, (tmp_path / "x.png").read_bytes())
    (case,) = (taken := take(tmp_path / "a.zip")).cases
    assert [f.split("/")[1][:3] for f in taken.files[case.id]] == ["9.p", "10.", "999"]


def slices(count: int, of: int = 0, size: int = 64) -> list[np.ndarray]:
    """(size, size) uint8 each: a disc that grows and wanders a little from slice to slice, in noise."""
    rng, (y, x) = np.random.default_rng(of), np.mgrid[:size, :size]
    at = rng.uniform(0.35, 0.65, 2) * size
    found = []
    for i in range(count):
        disc = np.hypot(y - at[0] - i / 2, x - at[1]) < size * (0.2 + 0.01 * i)
        found.append((60 + 120 * disc + rng.normal(0, 6, (size, size))).clip(0, 255).astype(np.uint8))
    return found


def keep(folder, pictures) -> None:
    folder.mkdir(parents=True)
    for i, each in enumerate(pictures):
        Image.fromarray(each).save(folder / f"{i}.png")


@pytest.mark.parametrize("count", [3, 5, 20])
def test_a_folder_of_unlike_pictures_is_a_case_each_and_one_of_slices_a_scan_that_says_so(take, tmp_path, count):
    rng = np.random.default_rng(5)
    keep(tmp_path / "in" / "scan", slices(count))
    keep(tmp_path / "in" / "cells", rng.integers(0, 255, (count, 8, 8)).repeat(8, 1).repeat(8, 2).astype(np.uint8))
    taken = take(tmp_path / "in")
    assert sorted(c.shape[0] for c in taken.cases) == [1] * count + [count]
    assert len({c.patient for c in taken.cases}) == (2 if count < 5 else count + 1)
    (scan,) = (c for c in taken.cases if c.kind == "volume")
    assert [(n.key, n.values) for n in scan.notes] == [("warning.read_as_scan", {"count": count})]
    assert not taken.refused


def test_a_folder_that_is_named_as_the_case_is_believed(take, tmp_path):
    rng = np.random.default_rng(5)
    keep(tmp_path / "in", rng.integers(0, 255, (4, 64, 64)).astype(np.uint8))
    (case,) = take(tmp_path / "in", top_is_case=True).cases
    assert case.shape[0] == 4
    assert warnings_of(take(tmp_path / "in", top_is_case=True)) == []


def test_scans_in_folders_of_one_name_are_different_patients_and_laid_out_folders_are_believed(take, tmp_path):
    for i in range(2):
        keep(tmp_path / str(i) / "scan", slices(4, of=i))
    one, other = (take(tmp_path / str(i)).cases[0] for i in range(2))
    assert one.shape[0] == other.shape[0] == 4
    assert one.patient != other.patient
    rng = np.random.default_rng(5)
    keep(tmp_path / "laid" / "entry", rng.integers(0, 255, (3, 8, 8)).repeat(8, 1).repeat(8, 2).astype(np.uint8))
    assert [c.shape[0] for c in take(tmp_path / "laid", folders_are_cases=True).cases] == [3]


def test_a_zip_with_a_folder_a_class_gives_a_case_a_picture(take, tmp_path):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(1)
    with zipfile.ZipFile(tmp_path / "in" / "set.zip", "w") as made:
        for name in ("left", "right"):
            for i in range(6):
                picture = Image.fromarray(rng.integers(0, 255, (8, 8, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8))
                with made.open(f"{name}/{i}.png", "w") as out:
                    picture.save(out, "PNG")
    taken = take(tmp_path / "in")
    assert [c.shape for c in taken.cases] == [(1, 64, 64, 3)] * 12
    assert sorted(taken.folders.values()) == ["left"] * 6 + ["right"] * 6
    assert all(taken.files[case][0].split("/")[1] == name for case, name in taken.folders.items())


@pytest.mark.parametrize(("folders", "each", "patients"), [(9, 5, 45), (10, 5, 10), (3, 4, 3)])
def test_many_or_small_folders_of_unlike_pictures_are_patients_and_others_are_not(
    take, tmp_path, folders, each, patients
):
    rng = np.random.default_rng(2)
    for i in range(folders):
        keep(tmp_path / "in" / f"f{i}", rng.integers(0, 255, (each, 8, 8)).repeat(8, 1).repeat(8, 2).astype(np.uint8))
    taken = take(tmp_path / "in")
    assert len(taken.cases) == each * folders
    assert len({c.patient for c in taken.cases}) == patients
    (said,) = taken.notes
    assert said.key == f"warning.{'pictures_apart' if patients == 45 else 'folders_are_patients'}"
    assert said.values == {"count": each * folders, "folders": folders}
    assert len(taken.folders) == (45 if patients == 45 else 0)  # a patient's folder is never kept by name
    assert say(said) and say(said, "zh")
