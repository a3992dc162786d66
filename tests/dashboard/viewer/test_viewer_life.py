"""Opening, changing, failing and leaving: nothing is lost, nothing is kept that should go."""

from __future__ import annotations

import pytest

from tests.dashboard.viewer import cases

SHOW = "async (query) => window.show(await (await fetch('/hf/data?' + query)).json())"
VOLUMES = "v => v.census()"


def test_the_wanted_slice_comes_first_and_the_rest_in_runs_around_it(open_viewer, address, context):
    page = context((), 1440, 900, 1.0).new_page()
    asked = []
    page.on("request", lambda r: asked.append(r.url.split("?")[1]) if "/voxels?" in r.url else None)
    page.goto(f'{address}/hf/bare?case=plain&start={{"slice":30}}')
    page.wait_for_selector(".viewer[data-complete=true]")
    page.close()
    assert asked[0] == "first=30&count=1"
    assert asked[1] == "first=24&count=8"
    assert {"first=32&count=8", "first=16&count=8"} == set(asked[2:4])
    assert len(asked) == 6


def test_the_count_of_slices_stands_on_the_image_until_all_are_there(open_viewer, address, context):
    page = context((), 1440, 900, 1.0).new_page()
    held = []
    page.route("**/voxels?first=0&count=8", lambda route: held.append(route))
    page.goto(f"{address}/hf/bare?case=plain")
    page.wait_for_selector(".viewer[data-loaded='32']")
    corner = page.locator(".corner.bl")
    assert "32 / 40 slices loaded" in corner.inner_text()
    held[0].continue_()
    page.wait_for_selector(".viewer[data-complete=true]")
    page.wait_for_timeout(300)
    assert "loaded" not in corner.inner_text()
    page.close()


def test_slices_that_fail_are_said_and_fetched_again_when_one_scrolls(open_viewer, address, context):
    page = context((), 1440, 900, 1.0).new_page()
    page.route("**/voxels?first=0&count=8", lambda route: route.fulfill(status=500, body="no"))
    page.goto(f"{address}/hf/bare?case=plain")
    page.wait_for_selector(".viewer[data-ready=true]")
    corner = page.locator(".corner.bl")
    corner.filter(has_text="could not be loaded").wait_for()
    page.unroute("**/voxels?first=0&count=8")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(".viewer[data-complete=true]")
    page.wait_for_timeout(300)
    assert "could not" not in corner.inner_text()
    page.close()


def test_going_to_another_case_shows_it_and_coming_back_fetches_nothing(open_viewer):
    screen = open_viewer("case=plain")
    screen.press("l", "Home")
    screen.page.evaluate(SHOW, "case=flipped")
    screen.wait(case="flipped", ready="true", complete="true")
    assert screen.state()["window"] == "1500,-600", "the person's window goes along"
    slice_ = int(screen.state()["slice"])
    assert slice_ == 19, "a new case opens in its middle"
    screen.run("(v, w) => v.windowing.set(w)", [300, cases.value_at(slice_, 30, 40)])
    assert screen.rgb((slice_, 30, 40))[0] == pytest.approx(127.5, abs=2)
    asked = []
    screen.page.on("request", lambda r: asked.append(r.url) if "/voxels" in r.url else None)
    screen.page.evaluate(SHOW, "case=plain")
    screen.wait(case="plain", ready="true", complete="true")
    assert asked == []


def test_volumes_beyond_the_budget_are_let_go(open_viewer):
    """Five volumes of 105 MB each would be half a gigabyte: the oldest go, from Cornerstone's cache too."""
    screen = open_viewer("case=big")
    for name in ("big1", "big2", "big3", "big4"):
        screen.page.evaluate(SHOW, f"case={name}")
        screen.wait(case=name, ready="true", complete="true")
    census = screen.run(VOLUMES)
    assert census["kept"] == ["big1", "big2", "big3", "big4"]
    assert census["volumes"] == 4
    assert census["viewports"] == 1


def test_leaving_frees_the_viewport_and_the_keyboard(open_viewer):
    screen = open_viewer("case=plain&overlay=1")
    screen.press("m")
    screen.page.wait_for_selector(".stage[data-panes='3']")
    viewer = screen.root.evaluate_handle("e => e.handful")
    assert viewer.evaluate(VOLUMES)["viewports"] == 3
    screen.page.evaluate("() => window.leave()")
    assert screen.page.locator(".viewer").count() == 0
    assert viewer.evaluate(VOLUMES)["viewports"] == 0
    screen.press("ArrowDown", "1")
    assert screen.seen(0) == []


def test_a_new_size_is_taken_over_and_stays_sharp(open_viewer):
    screen = open_viewer("case=plain")
    screen.page.set_viewport_size({"width": 1024, "height": 700})
    screen.page.evaluate(SHOW, "case=plain&height=480")
    screen.page.wait_for_timeout(600)
    box = screen.page.locator(".view").bounding_box()
    canvas = screen.run("v => [v.pane.viewport.getCanvas().width, v.pane.viewport.getCanvas().height]")
    assert canvas == [pytest.approx(box["width"], abs=1), pytest.approx(box["height"], abs=1)]
    assert box["width"] < 1024
    slice_ = int(screen.state()["slice"])
    screen.run("(v, w) => v.windowing.set(w)", [300, cases.value_at(slice_, 50, 90)])
    assert screen.rgb((slice_, 50, 90))[0] == pytest.approx(127.5, abs=2)


def test_a_window_of_another_size_shows_the_picture_without_being_touched(open_viewer):
    screen = open_viewer("case=plain")
    slice_ = int(screen.state()["slice"])
    screen.run("(v, w) => v.windowing.set(w)", [300, cases.value_at(slice_, 50, 90)])
    screen.press("m")
    screen.page.wait_for_selector(".stage[data-panes='3']")
    screen.press("m")
    screen.page.wait_for_selector(".stage[data-panes='1']")
    first = screen.page.viewport_size
    for size in ({"width": 1024, "height": 700}, first, {"width": 1500, "height": 900}, {"width": 900, "height": 900}):
        screen.page.set_viewport_size(size)
        screen.page.wait_for_timeout(600)
        box = screen.page.locator(".view").bounding_box()
        canvas = screen.run("v => [v.pane.viewport.getCanvas().width, v.pane.viewport.getCanvas().height]")
        assert canvas == [pytest.approx(box["width"], abs=1), pytest.approx(box["height"], abs=1)]
        assert screen.rgb((slice_, 50, 90))[0] == pytest.approx(127.5, abs=2)


def test_a_new_start_moves_and_the_same_start_leaves_a_person_where_they_are(open_viewer):
    screen = open_viewer('case=plain&start={"slice":5}')
    assert screen.state()["slice"] == "5"
    screen.press("ArrowDown", "ArrowDown")
    screen.wait(slice="7")
    screen.page.evaluate(SHOW, 'case=plain&start={"slice":5}&places=1')
    screen.page.wait_for_timeout(300)
    assert screen.state()["slice"] == "7"
    assert screen.page.locator(".mark").count() == 4
    screen.page.evaluate(SHOW, 'case=plain&start={"slice":12}')
    screen.wait(slice="12")


def test_what_was_just_drawn_stands_until_python_has_seen_it(open_viewer):
    """A run that is under way still carries the old places: they must not take the new one away."""
    screen = open_viewer("case=plain")
    slice_ = int(screen.state()["slice"])
    screen.press("p")
    screen.page.mouse.click(*screen.at((slice_, 40, 60)))
    assert screen.page.locator(".drawn .place").count() == 1
    screen.page.evaluate(SHOW, "case=plain")
    screen.page.wait_for_timeout(200)
    assert screen.page.locator(".drawn .place").count() == 1
    seen = screen.run("v => ({ mount: v.outbox.mount, n: 1 })")
    screen.page.evaluate(
        "async (seen) => window.show({ ...(await (await fetch('/hf/data?case=plain')).json()), seen })", seen
    )
    screen.page.wait_for_timeout(200)
    assert screen.page.locator(".drawn .place").count() == 0


def test_the_small_ones_scroll_together_follow_the_window_and_open_their_case(open_viewer):
    screen = open_viewer("case=plain&small=flipped,oblique", page="streamlit", height=1100)
    small = screen.page.locator(".small")
    screen.page.wait_for_selector(".small[data-slice='20'] >> nth=1")
    assert small.count() == 2
    assert small.nth(0).inner_text().split() == ["Case", "flipped", "21", "/", "40", "smooth", "0.2"]
    small.nth(0).hover()
    screen.page.mouse.wheel(0, 100)
    screen.page.wait_for_selector(".small[data-slice='21'] >> nth=1")
    grey = """(e) => { const c = e.querySelector('canvas');
      return c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data[0]; }"""
    # The middle of the picture lies between columns 63 and 64 and rows 47 and 48.
    value = (cases.value_at(21, 47, 63) + cases.value_at(21, 48, 64)) / 2
    screen.run("(v, w) => v.windowing.set(w)", [300, value])
    screen.page.wait_for_timeout(300)
    assert small.nth(0).evaluate(grey) == pytest.approx(127, abs=4)
    screen.run("(v, w) => v.windowing.set(w)", [300, value + 75])
    screen.page.wait_for_timeout(300)
    assert small.nth(0).evaluate(grey) == pytest.approx(64, abs=4)
    small.nth(1).click()
    assert screen.seen(1) == [{"kind": "pressed", "case": "oblique"}]
