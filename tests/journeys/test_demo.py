"""The first start: the demo is there, a few clicks lead to predictions, maps at the finding, and a correction."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from engine.intake import load_case, load_volume
from engine.phantoms.demo import match_demo
from engine.projects.store import Store
from tests.journeys.conftest import serve
from tests.journeys.walking import VIEWER_READY, adapt, draw_map, go, label, wait_until_idle


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("demo"), HANDFUL_DEMO="1") as running:
        yield running


@pytest.fixture(scope="module")
def store(served):
    return Store(served.data_dir / "handful.db")


def test_the_first_start_has_a_demo_project_with_a_few_labels(served, store, open_page, picture):
    page = open_page(served.url)
    page.locator("button.item:has-text('Case 12')").wait_for()
    go(page, "gather")
    wait_until_idle(served)
    page.get_by_text("Preparing for the model").wait_for(state="detached")
    picture(page, "gather")
    first, second = store.projects()
    assert first.demo and second.demo
    assert len(store.cases(first.id)) == 12
    assert len(store.cases(second.id)) == 24
    assert sum(1 for v in store.labels(first.id).values() if v) == 6
    assert len(store.places(first.id)) == 6
    case = store.cases(first.id)[0]
    assert load_case(served.data_dir / "cases" / case.id).synthetic
    assert not page.broke


def test_from_a_labelled_demo_to_maps_and_a_correction(served, store, open_page, picture):
    project = store.projects()[0].id
    truth = {c.id: match_demo(load_volume(served.data_dir / "cases" / c.id)).truth for c in store.cases(project)}
    page = open_page(served.url)
    page.locator(VIEWER_READY).wait_for()
    picture(page, "label")
    adapt(page)
    page.get_by_text("At the finding: right for").wait_for()
    picture(page, "adapt")
    draw_map(page)
    picture(page, "evidence")
    run = store.latest_run(project)
    predictions = store.predictions(run.id)
    assert run.record["look"] == "place"
    assert {t["right"] <= t["count"] for t in run.record["tests"].values()} == {True}
    # The finder was taught by six clicks; most findings of the others must be where it looks first.
    away = [
        np.linalg.norm(np.array(p["places"][0]["centre_mm"]) - np.array(truth[c].centre_mm))
        for c, p in predictions.items()
    ]
    assert np.mean(np.array(away) <= 15) >= 0.5

    wrong = next((c for c, p in predictions.items() if p["predicted"] != truth[c].finding), next(iter(predictions)))
    number = next(c.number for c in store.cases(project) if c.id == wrong)
    page.locator(f"button.item:has-text('Case {number:02d}')").click()
    page.locator(f"button.item[aria-selected=true]:has-text('Case {number:02d}')").wait_for()
    name = truth[wrong].finding
    page.locator(".st-key-correct button", has_text=name).click()
    page.locator(f"button.item:has-text('Case {number:02d}')", has_text=f"Labelled {name}").wait_for()
    assert store.labels(project)[wrong] == name
    page.locator(".st-key-adapt button").click()
    page.get_by_text("Since the last run").wait_for()
    page.wait_for_function("document.body.innerText.includes('5 predicted in')")
    assert store.latest_run(project).id != run.id


def test_all_methods_are_compared_one_is_chosen_and_its_steps_are_walked_through(
    served, store, open_page, picture, tmp_path
):
    project = store.projects()[0].id
    page = open_page(f"{served.url}/?p={project}&s=adapt&v=compare")
    page.locator(".st-key-compare-all button:not([disabled])").click()
    page.locator(".st-key-stop-compare button").wait_for()
    page.reload()  # a comparison goes on without the page, and is found again
    page.locator(".hf-squares").wait_for()
    picture(page, "compare")
    found = store.latest_run(project).record["comparison"]
    assert {"protonet", "maml", "nearest", "logistic"} <= {row["name"] for row in found["methods"]}
    own = store.latest_run(project).record
    row = next(each for each in found["methods"] if each["name"] == own["learner"])
    assert row["tested"]["right"] == own["tests"][own["look"]]["right"]  # the same test as the page's own
    page.locator(".st-key-make-comparison button").click()
    with page.expect_download() as got:
        page.locator(".st-key-after-comparing a").click()
    got.value.save_as(tmp_path / "methods.csv")
    rows = list(csv.DictReader((tmp_path / "methods.csv").read_text("utf-8-sig").splitlines()))
    assert [r["method"] for r in rows] == [each["name"] for each in found["methods"]]
    assert {int(r["tested"]) for r in rows} == {each["tested"]["count"] for each in found["methods"]}

    page.locator(".st-key-use-maml button").first.click()
    page.get_by_text("predicted in").wait_for()
    assert store.latest_run(project).record["learner"] == "maml"
    page.get_by_text("Step by step").click()
    slider = page.locator("[data-testid=stSlider] input")
    slider.wait_for()
    steps = store.latest_run(project).record["trace"][-1][0]
    page.get_by_text(f"After step {steps}: loss").wait_for()
    slider.focus()
    page.keyboard.press("Home")
    page.get_by_text("After step 0: loss").wait_for()
    page.keyboard.press("ArrowRight")
    page.get_by_text("After step 1: loss").wait_for()
    picture(page, "steps")
    assert not page.broke


def test_a_click_on_the_finding_is_kept_in_patient_mm(served, store, open_page):
    project = store.projects()[0].id
    page = open_page(f"{served.url}/?p={project}&s=label")
    page.locator(VIEWER_READY).wait_for()
    number = next(c.number for c in store.cases(project) if c.id not in store.places(project))
    case = next(c for c in store.cases(project) if c.number == number)
    page.locator(f"button.item:has-text('Case {number:02d}')").click()
    page.locator(f"button.item[aria-selected=true]:has-text('Case {number:02d}')").wait_for()
    page.locator(f"{VIEWER_READY}[data-case='{case.id}']").wait_for()
    box = page.locator(".st-key-viewer .view").first.bounding_box()
    page.keyboard.press("p")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_role("button", name="Forget the point").wait_for()
    place = store.places(project)[case.id][0]
    middle = case.case.geometry.to_mm((np.array(case.case.shape) - 1) / 2)
    # The middle of the picture is the middle of the slice; slices are 5 mm apart.
    assert np.abs(np.array(place.centre_mm) - middle)[:2].max() < 4
    assert abs(place.centre_mm[2] - middle[2]) <= 5


@pytest.mark.parametrize(
    ("width", "height", "theme", "language"),
    [(1024, 768, "Light", "zh"), (1440, 900, "Dark", "zh"), (1920, 1080, "Light", "en")],
)
def test_every_step_fits_its_window_without_scrolling(
    served, store, open_page, picture, width, height, theme, language
):
    project = store.projects()[0].id
    for step in ("gather", "label", "adapt", "evidence", "report", "projects"):
        page = open_page(
            f"{served.url}/?p={project}&s={step}", width=width, height=height, theme=theme, language=language
        )
        page.locator("[aria-current=step]").wait_for()
        page.locator(".st-key-footer").wait_for()
        picture(page, f"{step}-{width}-{theme.lower()}-{language}")
        across, down = page.evaluate(
            "[document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
        )
        assert across <= 0 and down <= 0, f"{step} scrolls by {across} x {down}"
        assert not page.broke, page.broke


def test_language_and_theme_stay_chosen(served, store, open_page):
    page = open_page(served.url)
    page.locator("[data-testid=language]").click()
    page.get_by_text("标注").first.wait_for()
    page.locator("[data-testid=theme]").click()
    page.get_by_text("标注").first.wait_for()
    page.reload()
    page.get_by_text("标注").first.wait_for()
    assert page.evaluate("localStorage.getItem('stActiveTheme-/-v2')") == '"Light"'
    go(page, "gather")


def test_a_label_given_by_key_survives_a_second_tab(served, store, open_page):
    project = store.projects()[1].id
    number = next(c.number for c in store.cases(project) if c.id not in store.labels(project))
    page = open_page(f"{served.url}/?p={project}&s=label")
    page.locator(VIEWER_READY).wait_for()
    label(page, number, "1", "nodule")
    other = open_page(f"{served.url}/?p={project}&s=label")
    other.locator(f"button.item:has-text('Case {number:02d}') .tag:has-text('nodule')").wait_for()
