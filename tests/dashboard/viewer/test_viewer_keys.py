"""Keys and mouse do what the help sheet says, and labelling keys reach the page, each once."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from dashboard.viewer.component import Event, counted

WORDS = Path(__file__).resolve().parents[3] / "dashboard" / "words"


def test_arrows_pages_and_ends_move_through_the_slices_without_a_click_first(open_viewer):
    screen = open_viewer("case=plain")  # 40 slices
    start = int(screen.state()["slice"])
    for key, expected in (
        ("ArrowDown", start + 1),
        ("ArrowUp", start),
        ("ArrowRight", start + 1),
        ("ArrowLeft", start),
        ("PageDown", start + 10),
        ("PageUp", start),
        ("Home", 0),
        ("ArrowUp", 0),
        ("End", 39),
        ("ArrowDown", 39),
    ):
        screen.press(key)
        screen.wait(slice=str(expected))
    assert "slice 40 / 40" in screen.corner("tl")


def test_the_wheel_scrolls_a_slice_a_notch(open_viewer):
    screen = open_viewer("case=plain")
    start = int(screen.state()["slice"])
    screen.page.mouse.move(*screen.at((start, 40, 60)))
    for _ in range(3):
        screen.page.mouse.wheel(0, 100)
    screen.wait(slice=str(start + 3))
    screen.page.mouse.wheel(0, -100)
    screen.wait(slice=str(start + 2))


def test_presets_set_their_window_and_show_their_name(open_viewer):
    screen = open_viewer("case=plain")
    for key, window, name in (
        ("l", "1500,-600", "Lung W 1500 L −600"),
        ("s", "400,50", "Soft tissue W 400 L 50"),
        ("b", "1800,400", "Bone W 1800 L 400"),
        ("h", "80,40", "Brain W 80 L 40"),
    ):
        screen.press(key)
        screen.wait(window=window)
        assert name in screen.corner("tr")
    screen.page.locator("[data-act=lung]").click()
    screen.wait(window="1500,-600")
    assert screen.page.locator("[data-act=lung]").get_attribute("aria-pressed") == "true"


def test_dragging_changes_width_and_level_and_w_takes_it_back(open_viewer):
    screen = open_viewer("case=plain")
    before = screen.state()["window"]
    x, y = screen.at((int(screen.state()["slice"]), 40, 60))
    screen.page.mouse.move(x, y)
    screen.page.mouse.down()
    screen.page.mouse.move(x + 80, y + 40, steps=5)
    screen.page.mouse.up()
    width, level = (int(v) for v in screen.state()["window"].split(","))
    old_width, old_level = (int(v) for v in before.split(","))
    assert width > old_width
    assert level > old_level
    screen.press("w")
    screen.wait(window=before)


def test_inverting_turns_black_white(open_viewer):
    screen = open_viewer("case=plain")
    voxel = (int(screen.state()["slice"]), 30, 40)
    before = screen.rgb(voxel)[0]
    screen.press("i")
    screen.page.wait_for_timeout(300)
    assert screen.rgb(voxel)[0] == pytest.approx(255 - before, abs=2)
    assert "inverted" in screen.corner("tr")


def test_labelling_keys_reach_the_page_each_once_and_in_order(open_viewer):
    screen = open_viewer("case=plain", page="streamlit")
    screen.press("1", "2", "0", "u", "Control+z", "j", "k", "n")
    seen = screen.seen(8)
    assert [e["key"] for e in seen] == ["1", "2", "0", "u", "ctrl+z", "j", "k", "n"]
    assert {e["case"] for e in seen} == {"plain"}
    screen.press("3")
    assert len(screen.seen(9)) == 9


def test_a_label_pressed_for_a_case_that_has_gone_is_not_given_to_the_next(open_viewer):
    screen = open_viewer("case=plain&then=flipped", page="streamlit")
    screen.press_at_once("j", "1", "1", "1")
    screen.wait(case="flipped", ready="true", complete="true")
    screen.page.wait_for_timeout(1500)
    assert all(e["case"] == "plain" for e in screen.seen(1))
    screen.press("2")
    screen.page.wait_for_function(
        "() => JSON.parse(document.querySelector('.st-key-seen').innerText).some(e => e.key === '2')"
    )
    assert [e["case"] for e in screen.seen(1) if e["key"] == "2"] == ["flipped"]


def test_a_labelling_key_counts_only_while_its_case_is_drawn_and_everything_else_always():
    late = [Event("key", "gone", "1"), Event("key", "gone", "u"), Event("key", "shown", "2")]
    always = [Event("key", "gone", "j"), Event("key", "gone", "ctrl+z"), Event("clear_place", "gone")]
    assert counted([*late, *always], "shown") == [late[2], *always]


def test_keys_are_left_alone_while_somebody_writes(open_viewer):
    screen = open_viewer("case=plain", page="streamlit")
    before = screen.state()
    field = screen.page.locator("input[type=text]")
    field.click()
    screen.page.keyboard.type("sb1u?")
    screen.press("ArrowDown")
    assert field.input_value() == "sb1u?"
    assert screen.state() == before
    assert screen.seen(0) == []


def test_a_held_key_labels_once(open_viewer):
    screen = open_viewer("case=plain")
    for _ in range(4):
        screen.page.keyboard.down("1")
    screen.page.keyboard.up("1")
    screen.seen(1)
    screen.page.wait_for_timeout(800)
    assert len(screen.seen(1)) == 1


def test_the_help_sheet_opens_and_closes(open_viewer):
    screen = open_viewer("case=plain")
    sheet = screen.page.locator(".sheet")
    screen.press("?")
    assert sheet.is_visible()
    assert "fit to the window" in sheet.inner_text()
    screen.press("Escape")
    assert sheet.is_hidden()


def test_three_planes_cut_where_a_press_lands(open_viewer):
    screen = open_viewer("case=plain")
    screen.press("m")
    screen.page.wait_for_selector(".stage[data-panes='3'] .pane[data-plane=sagittal]")
    slice_ = int(screen.state()["slice"])
    screen.page.mouse.click(*screen.at((slice_, 25, 90)))
    screen.page.wait_for_timeout(300)
    slices = {
        pane.get_attribute("data-plane"): int(pane.get_attribute("data-slice"))
        for pane in screen.page.locator(".pane").all()
    }
    assert slices == {"axial": slice_, "coronal": 25, "sagittal": 90}
    screen.press("m")
    screen.page.wait_for_selector(".stage[data-panes='1']")


def test_the_slider_follows_and_leads(open_viewer):
    screen = open_viewer("case=plain")
    track = screen.page.locator(".track").bounding_box()
    y = track["y"] + track["height"] / 2
    screen.page.mouse.move(track["x"] + track["width"] / 2, y)
    screen.page.mouse.down()
    screen.page.mouse.move(track["x"] + track["width"], y, steps=4)
    screen.page.mouse.up()
    screen.wait(slice="39")
    screen.press("Home")
    screen.wait(slice="0")
    thumb = screen.page.locator(".thumb").bounding_box()
    assert thumb["x"] + thumb["width"] / 2 == pytest.approx(track["x"], abs=1)


def test_both_languages_have_the_same_texts_with_the_same_places():
    english, chinese = (tomllib.loads((WORDS / f"viewer.{lang}.toml").read_text("utf-8")) for lang in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        for place in ("{n}", "{of}", "{value}", "{percent}", "{case}"):
            assert (place in text) == (place in chinese[key]), key


def test_the_chinese_page_shows_chinese(open_viewer):
    screen = open_viewer("case=plain&lang=zh")
    assert "横断面" in screen.corner("tl")
    assert "第 20 / 40 层" in screen.corner("tl")
    assert json.dumps(screen.page.locator(".toolbar").inner_text(), ensure_ascii=False).count("肺窗") == 1


def test_a_change_of_language_is_taken_over_without_opening_the_case_anew(open_viewer):
    screen = open_viewer("case=plain")
    screen.press("ArrowDown")
    slice_ = screen.state()["slice"]
    screen.page.evaluate(
        "async () => window.show(await (await fetch('/hf/data?case=plain&lang=zh')).json())",
    )
    assert "肺窗" in screen.page.locator(".toolbar").inner_text()
    assert "横断面" in screen.corner("tl")
    assert screen.state()["slice"] == slice_
    assert screen.page.locator(".toolbar").count() == 1
