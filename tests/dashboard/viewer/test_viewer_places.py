"""Places, regions and overlays stand where they are in mm, and come back in mm."""

from __future__ import annotations

import math

import pytest

from tests.dashboard.viewer import cases

PLANES = {"a": "axial", "f": "coronal", "t": "sagittal"}


def mm(name: str, voxel) -> list[float]:
    return [float(v) for v in cases.known(name).volume.geometry.to_mm(voxel)]


def drag(screen, start, end) -> None:
    screen.page.mouse.move(*screen.at(start))
    screen.page.mouse.down()
    screen.page.mouse.move(*screen.at([(a + b) / 2 for a, b in zip(start, end, strict=True)]), steps=3)
    screen.page.mouse.move(*screen.at(end), steps=3)
    screen.page.mouse.up()


@pytest.mark.parametrize("name", ["plain", "flipped", "sagittal", "oblique", "tilted"])
def test_a_click_on_the_finding_comes_back_in_patient_mm(open_viewer, name):
    screen = open_viewer(f"case={name}")
    for count, (key, plane) in enumerate(PLANES.items(), 1):
        screen.press(key)
        screen.wait(plane=plane)
        voxel = screen.run("v => [v.scene.point[2], v.scene.point[1], v.scene.point[0]]")
        axis = 2 - screen.run("v => v.pane.axis")
        voxel = [v if i == axis else v + 5 for i, v in enumerate(voxel)]
        screen.press("p")
        screen.wait(mode="point")
        screen.page.mouse.click(*screen.at(voxel))
        event = screen.seen(count)[-1]
        assert (event["kind"], event["case"], event["place"]["shape"]) == ("place", name, "point")
        assert event["place"]["by"] == "person"
        # The mouse is told in whole pixels of the screen, less than a quarter mm here.
        assert math.dist(event["place"]["centre_mm"], mm(name, voxel)) < 0.3
        assert screen.state()["mode"] == "window"


def test_a_box_around_the_finding_comes_back_with_its_size(open_viewer):
    screen = open_viewer("case=plain", page="streamlit")
    slice_ = int(screen.state()["slice"])
    screen.press("p")
    drag(screen, (slice_, 30, 40), (slice_, 50, 80))
    place = screen.seen(1)[0]["place"]
    assert place["shape"] == "box"
    assert math.dist(place["centre_mm"], mm("plain", (slice_, 40, 60))) < 0.4
    # 20 rows and 40 columns of 0.8 mm; as deep as the mean of its sides.
    assert place["size_mm"] == pytest.approx([22.6, 16.0, 32.0], abs=0.4)


def test_a_region_is_narrowed_to_slices_and_cleared(open_viewer):
    screen = open_viewer("case=plain")
    screen.press("g")
    drag(screen, (19, 20, 30), (19, 70, 100))
    first = screen.seen(1)[0]
    assert (first["kind"], first["place"]["shape"]) == ("region", "box")
    screen.press("Home")
    screen.press("PageDown", "[", "PageDown", "]")
    place = screen.seen(3)[2]["place"]
    # Slices 10 to 20, each 2.5 mm thick.
    assert place["size_mm"] == pytest.approx([27.5, 40.0, 56.0], abs=0.5)
    assert math.dist(place["centre_mm"], mm("plain", (15, 45, 65))) < 0.5
    screen.press("Delete")
    assert screen.seen(4)[3]["kind"] == "clear_region"
    assert screen.page.locator(".place.region").count() == 0


def test_a_sphere_is_round_in_mm(open_viewer):
    screen = open_viewer("case=plain")
    slice_ = int(screen.state()["slice"])
    screen.press("g")
    screen.page.locator("[data-act=shape]").click()
    drag(screen, (slice_, 40, 60), (slice_, 40, 85))
    place = screen.seen(1)[0]["place"]
    assert place["shape"] == "sphere"
    assert place["size_mm"] == pytest.approx([40.0] * 3, abs=0.5)
    assert math.dist(place["centre_mm"], mm("plain", (slice_, 40, 60))) < 0.4


@pytest.mark.parametrize("name", ["plain", "flipped", "oblique"])
def test_a_place_is_drawn_where_it_is_and_only_on_the_slices_it_crosses(open_viewer, name):
    """The page's found place is a sphere 24 mm across (20 along the slices) at row 38.4, column 76.8, slice 20."""
    screen = open_viewer(f"case={name}&places=1")
    screen.run("v => v.goTo(20)")
    screen.wait(slice="20")
    ring = screen.page.locator(".place.finder ellipse").bounding_box()
    x, y = screen.at((20, 38.4, 76.8))
    assert (ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2) == pytest.approx((x, y), abs=1.5)
    x2, _ = screen.at((20, 38.4, 106.8))
    assert ring["width"] == pytest.approx(abs(x2 - x), abs=4)  # 24 mm are 30 columns; the line has a width
    screen.run("v => v.goTo(25)")
    screen.wait(slice="25")
    assert screen.page.locator(".place.finder").count() == 0


def test_marks_on_the_slider_jump(open_viewer):
    screen = open_viewer("case=plain&places=1")
    kinds = [m.get_attribute("class") for m in screen.page.locator(".mark").all()]
    assert sorted(kinds) == ["mark found", "mark label", "mark overlay", "mark place"]
    screen.press("Home")
    screen.page.locator(".mark.label").click()
    screen.wait(slice="10")
    assert screen.page.locator(".mark.label").get_attribute("title") == "labelled"


def test_a_start_place_opens_its_slice(open_viewer):
    at = mm("flipped", (31, 10, 10))
    screen = open_viewer(f'case=flipped&start={{"place_mm":{at},"window":[1500,-600]}}')
    assert screen.state()["slice"] == "31"
    assert screen.state()["window"] == "1500,-600"


@pytest.mark.parametrize("name", ["plain", "flipped", "sagittal"])
def test_the_overlay_lies_over_its_place_in_every_plane(open_viewer, name):
    """Its warm spot sits at half the slices, half the rows, 0.3 of the columns; far from it nothing is painted."""
    known = cases.known(name)
    values, grid = cases.overlay(known)
    warmest = [part * n for part, n in zip((0.5, 0.5, 0.3), values.shape, strict=True)]
    spot = known.volume.geometry.to_voxel(grid.to_mm(warmest))
    screen = open_viewer(f"case={name}&overlay=1")
    screen.wait(overlay="on")
    for key, plane in PLANES.items():
        screen.press(key)
        screen.wait(plane=plane)
        fixed = 2 - screen.run("v => v.pane.axis")
        here = [float(v) for v in spot]
        here[fixed] = round(spot[fixed])
        screen.run("(v, k) => v.goTo(k)", here[fixed])
        screen.wait(slice=str(int(here[fixed])))
        screen.page.wait_for_timeout(500)
        red, _, blue = screen.rgb(tuple(here))
        assert red > blue + 40, plane  # inferno's warm end, laid over grey
        far = [3, 3, 120]
        far[fixed] = here[fixed]
        assert len(set(screen.rgb(tuple(far)))) == 1, plane
        # It is centred on the spot: as warm 6 mm to one side as to the other.
        along = next(i for i in (2, 1, 0) if i != fixed)
        warmth = []
        for sign in (1, -1):
            side = list(here)
            side[along] += sign * 6.0 / known.volume.geometry.spacing_mm[along]
            red, _, blue = screen.rgb(tuple(side))
            warmth.append(red - blue)
        assert warmth[0] == pytest.approx(warmth[1], abs=25), plane


def test_the_overlay_can_be_switched_off_and_faded(open_viewer):
    screen = open_viewer("case=plain&overlay=1")
    screen.wait(overlay="on")
    spot = (20, 48, 38)
    screen.run("v => v.goTo(20)")
    screen.page.wait_for_timeout(500)
    warm = screen.rgb(spot)
    screen.press("o")
    screen.wait(overlay="off")
    screen.page.wait_for_timeout(300)
    assert len(set(screen.rgb(spot))) == 1
    screen.press("o")
    screen.wait(overlay="on")
    screen.page.locator(".overlay input").fill("20")
    screen.page.wait_for_timeout(300)
    faint = screen.rgb(spot)
    assert 0 < faint[0] - faint[2] < warm[0] - warm[2]
    assert "overlay 20 %" in screen.corner("tr")
