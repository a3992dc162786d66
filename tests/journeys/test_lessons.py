"""Three lessons in a real browser: guess, answer, change, go on; no project, nothing asked of the internet."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.axe import grave
from tests.journeys.conftest import serve


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The product without the demo: lessons need no project."""
    with serve(tmp_path_factory.mktemp("lessons"), HANDFUL_DEMO="false") as running:
        yield running


def open_lesson(open_page, served, name: str, **how):
    page = open_page(f"{served.url}/?s=lessons&l={name}", **how)
    page.locator(f".st-key-guess-{name}-1 button").wait_for()
    return page


def guess(page, name: str, k: int) -> None:
    page.locator(f".st-key-guess-{name}-{k} button").click()
    page.locator(".hf-take").wait_for()


def told(page) -> str:
    return page.locator(".st-key-lesson-centre").inner_text()


def test_a_wave_is_guessed_told_and_stepped_through_by_keyboard(served, open_page, picture):
    page = open_page(served.url)
    page.locator("[data-step=lessons]").click()
    page.locator(".st-key-guess-wave-1 button").wait_for()
    assert not grave(page)
    guess(page, "wave", 1)
    assert not grave(page)
    slider = page.locator(".st-key-set-wave-step input")
    for step in (1, 2, 3):
        slider.focus()
        slider.press("ArrowRight")
        page.get_by_text(re.compile(f"After step {step}: practised")).wait_for()
    assert "step=3" in page.url
    picture(page, "lesson-wave")
    page.locator(".st-key-lesson-next button").click()
    page.locator(".st-key-guess-prototypes-1 button").wait_for()
    assert "l=prototypes" in page.url and "step=" not in page.url
    assert page.broke == []
    assert all(address.startswith((served.url, "data:", "blob:", "ws")) for address in page.asked)


def test_a_point_of_the_wave_is_pulled_by_hand_and_both_networks_follow(served, open_page):
    page = open_page(f"{served.url}/?s=lessons&l=wave&step=3")
    guess(page, "wave", 1)
    marks = page.locator(".st-key-figure-wave .scatterlayer .trace:last-child .points path")
    marks.nth(2).wait_for()
    drawn = page.locator(".st-key-figure-wave .scatterlayer path.js-line").nth(2)
    before, box = drawn.get_attribute("d"), marks.nth(2).bounding_box()
    across, down = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(across, down)
    page.mouse.down()
    page.mouse.move(across, down - 60, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile("moved=3.*by="))
    assert 2 <= float(re.search(r"by=([\d.]+)", page.url)[1]) <= 4
    expect(drawn).not_to_have_attribute("d", before)
    assert page.broke == []


def test_a_wrong_label_moves_the_star_and_a_link_shows_it_to_others(served, open_page, picture):
    page = open_lesson(open_page, served, "prototypes")
    guess(page, "prototypes", 2)
    before = page.url
    page.locator(".st-key-lesson-wrong button").click()
    page.wait_for_url(lambda url: url != before)
    assert "15a" in page.url
    page.get_by_text("Labelled: 6").wait_for()
    picture(page, "lesson-prototypes")
    assert not grave(page)
    other = open_page(page.url, theme="Light")
    other.get_by_text("Labelled: 6").wait_for()
    assert not grave(other)
    assert page.broke == other.broke == []


def test_the_shortcut_breaks_abroad_and_is_mended_by_labels_of_both_hospitals(served, open_page, picture):
    page = open_lesson(open_page, served, "shortcut")
    assert "12 of 12" in told(page)
    guess(page, "shortcut", 3)
    page.get_by_text(re.compile("in the other hospital: 6 of 12")).wait_for()
    page.locator(".st-key-figure-shortcut .js-plotly-plot").wait_for()
    picture(page, "lesson-shortcut")
    page.get_by_role("radio", name="both hospitals").click()
    page.get_by_text(re.compile("in the other hospital: 12 of 12")).wait_for()
    assert page.broke == []
