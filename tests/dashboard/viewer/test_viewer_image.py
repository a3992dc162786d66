"""What stands on the screen is what lies in the voxels: place, value, orientation and length."""

from __future__ import annotations

import itertools

import pytest

from tests.browser import NO_WEBGL
from tests.dashboard.viewer import cases

# The letters at the left, right, top and bottom of the plane a series was taken in, worked out by hand: the radiologist
# looks from the feet (right on the left), from the front, or from the left.
LETTERS = {
    "plain": ("axial", "RLAP"),
    "flipped": ("axial", "RLAP"),
    "oblique": ("axial", "RLAP"),
    "coronal": ("coronal", "RLHF"),
    "sagittal": ("sagittal", "APHF"),
}


def grey(value: float, width: float, level: float) -> float:
    return min(255.0, max(0.0, (value - level + width / 2) * 255 / width))


@pytest.mark.parametrize("name", LETTERS)
def test_the_letters_say_how_the_patient_lies(open_viewer, name):
    screen = open_viewer(f"case={name}")
    plane, letters = LETTERS[name]
    assert screen.state()["plane"] == plane
    assert screen.letters() == letters
    for key, expected in (("a", "RLAP"), ("f", "RLHF"), ("t", "APHF")):
        screen.press(key)
        screen.wait(plane={"a": "axial", "f": "coronal", "t": "sagittal"}[key])
        assert screen.letters() == expected


@pytest.mark.parametrize(("name", "scale"), [("plain", 1.0), ("flipped", 2.0), ("sagittal", 1.0)])
def test_every_plane_shows_each_voxel_where_it_lies(open_viewer, name, scale):
    """The values are a linear field, so that interpolation is exact and half a voxel's shift is 3 grey levels."""
    screen = open_viewer(f"case={name}", scale=scale)
    width = 300
    for key in "aft":
        screen.press(key)
        screen.page.wait_for_timeout(300)
        here = screen.run("v => [v.scene.point[2], v.scene.point[1], v.scene.point[0]]")
        axis = screen.run("v => v.pane.axis")  # 0 column, 1 row, 2 slice
        for step in itertools.product((-7, 6), repeat=3):
            voxel = [h + s for h, s in zip(here, step, strict=True)]
            voxel[2 - axis] = here[2 - axis]
            value = cases.value_at(*voxel)
            level = value + 30
            screen.run("(v, w) => v.windowing.set(w)", [width, level])
            shown = screen.rgb(voxel)
            assert shown[0] == shown[1] == shown[2]
            # One grey level for rounding, and up to half a screen pixel's worth of the field's slope.
            assert abs(shown[0] - grey(value, width, level)) <= 3, (key, voxel, shown)


def test_zoomed_and_moved_the_image_still_fits_its_coordinates(open_viewer):
    screen = open_viewer("case=plain")
    slice_ = int(screen.state()["slice"])
    x, y = screen.at((slice_, 30, 40))
    screen.page.mouse.move(x, y)
    screen.page.keyboard.down("Control")
    screen.page.mouse.wheel(0, -400)
    screen.page.keyboard.up("Control")
    screen.page.mouse.move(x, y)
    screen.page.mouse.down(button="middle")
    screen.page.mouse.move(x + 60, y + 35, steps=4)
    screen.page.mouse.up(button="middle")
    screen.page.wait_for_timeout(400)
    assert float(screen.root.locator(".pane").get_attribute("data-zoom")) == pytest.approx(2.718, abs=0.01)
    x2, y2 = screen.at((slice_, 30, 40))
    # The mouse is told in whole pixels, so that the point it zooms around is up to one off: times the zoom.
    assert (x2, y2) == (pytest.approx(x + 60, abs=2.5), pytest.approx(y + 35, abs=2.5))
    value = cases.value_at(slice_, 30, 40)
    screen.run("(v, w) => v.windowing.set(w)", [300, value])
    assert screen.rgb((slice_, 30, 40))[0] == pytest.approx(127.5, abs=2)
    screen.press("v")
    screen.page.wait_for_timeout(300)
    assert float(screen.root.locator(".pane").get_attribute("data-zoom")) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", ["plain", "flipped", "oblique"])
def test_the_value_under_the_cursor_is_the_voxels(open_viewer, name):
    screen = open_viewer(f"case={name}")
    slice_ = int(screen.state()["slice"])
    for row, column in ((20, 30), (70, 100), (1, 1)):
        screen.page.mouse.move(*screen.at((slice_, row, column)))
        value = cases.value_at(slice_, row, column)
        assert f"{value} HU at cursor".replace("-", "−") in screen.corner("tr")


def test_nothing_is_read_out_beside_the_image(open_viewer):
    screen = open_viewer("case=plain")
    box = screen.page.locator(".view").bounding_box()
    screen.page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    assert "HU" not in screen.corner("tr")


def test_the_ruler_measures_mm(open_viewer):
    """60 columns of 0.8 mm and 40 rows of 0.8 mm: 57.7 mm."""
    screen = open_viewer("case=plain")
    slice_ = int(screen.state()["slice"])
    screen.press("d")
    screen.wait(mode="ruler")
    drag(screen, (slice_, 20, 30), (slice_, 60, 90))
    assert measured(screen) == (pytest.approx(57.7, abs=0.3), "mm")
    screen.press("Delete")
    screen.page.wait_for_timeout(300)
    assert measured(screen) is None


def test_the_ruler_measures_across_slices_in_a_coronal_plane(open_viewer):
    """20 slices of 2.5 mm."""
    screen = open_viewer("case=plain")
    screen.press("f")
    screen.wait(plane="coronal")
    row = int(screen.state()["slice"])
    screen.press("d")
    drag(screen, (5, row, 60), (25, row, 60))
    assert measured(screen) == (pytest.approx(50.0, abs=0.3), "mm")


def test_without_spacing_the_ruler_counts_pixels(open_viewer):
    screen = open_viewer("case=grey")
    screen.press("d")
    drag(screen, (0, 100, 100), (0, 100, 300))
    assert measured(screen) == (pytest.approx(200.0, abs=1), "px")
    assert "px" in screen.page.locator(".scale text").text_content()


def measured(screen) -> tuple[float, str] | None:
    """What the ruler's text says; the mouse is told in whole pixels, so that a length is up to one of them off."""
    words = screen.page.locator(".svg-layer").first.text_content().split()
    return (float(words[0]), words[1]) if words else None


def drag(screen, start, end) -> None:
    """Drags from one voxel (slice, row, column) to another."""
    (x1, y1), (x2, y2) = screen.at(start), screen.at(end)
    screen.page.mouse.move(x1, y1)
    screen.page.mouse.down()
    screen.page.mouse.move((x1 + x2) / 2, (y1 + y2) / 2, steps=3)
    screen.page.mouse.move(x2, y2, steps=3)
    screen.page.mouse.up()
    screen.page.wait_for_timeout(400)


def test_the_scale_bar_is_as_long_as_it_says(open_viewer):
    screen = open_viewer("case=plain")
    length = float(screen.page.locator(".scale text").text_content().split()[0])
    path = screen.page.locator(".scale path").get_attribute("d")
    drawn = float(path.rsplit("h", 1)[1])
    x1, _ = screen.at((0, 0, 0))
    x2, _ = screen.at((0, 0, 100))
    assert drawn == pytest.approx(length * (x2 - x1) / 80.0, rel=0.01)


def test_it_works_with_webgl_switched_off(open_viewer):
    screen = open_viewer("case=plain&overlay=1", switches=NO_WEBGL)
    assert screen.page.evaluate("() => document.createElement('canvas').getContext('webgl2') === null")
    slice_ = int(screen.state()["slice"])
    screen.run("(v, w) => v.windowing.set(w)", [300, cases.value_at(slice_, 10, 100)])
    assert screen.rgb((slice_, 10, 100))[0] == pytest.approx(127.5, abs=3)
    screen.press("m")
    screen.page.wait_for_selector(".stage[data-panes='3'] .pane[data-plane=sagittal]")
    screen.press("m", "ArrowDown")
    screen.wait(slice=str(slice_ + 1))


def test_the_page_keeps_its_own_webgl(open_viewer):
    """The stand-in context is for the viewer's canvases only: plots may want the real one."""
    screen = open_viewer("case=plain", switches=("--enable-unsafe-swiftshader", "--use-gl=angle"))
    probe = (
        "() => { const g = document.createElement('canvas').getContext('webgl2'); return g && g.getParameter(7937); }"
    )
    answer = screen.page.evaluate(probe)
    if answer is None:
        pytest.skip("this browser has no WebGL to keep")
    assert answer != 1


def test_a_colour_picture_keeps_its_colours(open_viewer):
    screen = open_viewer("case=colour")
    for row, column in ((30, 40), (150, 200), (280, 380)):
        expected = cases.known("colour").volume.voxels[0, row, column]
        assert screen.rgb((0, row, column)) == pytest.approx([int(v) for v in expected], abs=3)
    screen.page.mouse.move(*screen.at((0, 150, 200)))
    assert "RGB 127 127 40" in screen.corner("tr")
    assert screen.letters() == ""
    assert screen.page.locator("[data-act=planes]").is_hidden()


def test_a_grey_picture_opens_with_all_its_greys(open_viewer):
    screen = open_viewer("case=grey")
    assert screen.state()["window"] == "255,128"
    assert screen.rgb((0, 100, 200))[0] == pytest.approx(int(cases.known("grey").volume.voxels[0, 100, 200]), abs=3)
