"""The first start: the demo is there, a few clicks lead to predictions, maps at the finding, and a correction."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from dashboard.tour.scenes import SCENES
from dashboard.words import table
from engine.intake import load_case, load_volume
from engine.phantoms.demo import match_demo
from engine.projects.store import Store
from tests.axe import grave
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
    assert not grave(page)
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
    assert not grave(page)
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
        found = grave(page)
        assert not found, step + ":\n" + "\n".join(found)
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


def test_the_tour_is_walked_from_24_studies_to_a_project_of_ones_own_and_the_demo_is_as_new_again(
    served, store, open_page, picture
):
    """Every mark points at something on the real page, Adapt really runs; then one click, and nothing of it is left."""
    wait_until_idle(served)
    demo = store.projects()[1].id
    store.reset_project(demo)
    first = store.labels(demo)
    page = open_page(served.url)
    page.locator("[data-step=tour]").click()
    words = table("en")
    for number, scene in enumerate(SCENES, start=1):
        page.get_by_text(f"{number} of {len(SCENES)}", exact=True).wait_for()
        title = words[f"tour.{scene.id}_title"].format(count=24)
        page.locator("#hf-tour h2", has_text=title).wait_for()
        page.locator(", ".join(scene.targets)).first.wait_for()
        page.locator("#hf-tour .ring").wait_for(state="visible")
        outside = page.locator("#hf-tour .card").evaluate(
            "c => { const b = c.getBoundingClientRect();"
            " return b.left < 0 || b.top < 0 || b.right > innerWidth || b.bottom > innerHeight; }"
        )
        assert not outside, scene.id
        if scene.needs_run and scene.step == "evidence":
            page.get_by_text("The check in figures").wait_for()
        picture(page, f"tour-{number:02d}-{scene.id}")
        if scene.id == "viewer":
            page.locator("#hf-tour [data-move=back]").click()
            page.get_by_text(f"{number - 1} of {len(SCENES)}", exact=True).wait_for()
            page.locator("#hf-tour .go").click()
            page.get_by_text(f"{number} of {len(SCENES)}", exact=True).wait_for()
        page.locator("#hf-tour .go").click()
    page.locator("#hf-tour").wait_for(state="detached")
    run = store.latest_run(demo)
    assert len(store.predictions(run.id)) == 24 - len([v for v in first.values() if v])
    assert any(p["unlike_flag"] for p in store.predictions(run.id).values())  # the scene about it has its case
    page.keyboard.type("Ours")  # the last scene leaves the keyboard in the name of a new project
    page.locator(".st-key-make-project button").click()
    page.locator("nav [data-step=gather][aria-current=step]").wait_for()
    assert store.projects()[-1].name == "Ours"

    store.set_label(demo, next(c.id for c in store.cases(demo) if c.id not in first), "nodule")
    store.set_project_settings(demo, learner="maml")
    page.locator("[data-step=projects]").click()
    page.locator(f".st-key-project-{demo}").get_by_text("10 labelled").wait_for()
    page.locator(f".st-key-reset-{demo} button").click()
    page.locator(f".st-key-project-{demo}").get_by_text("9 labelled").wait_for()
    assert {c: v for c, v in store.labels(demo).items() if v} == {c: v for c, v in first.items() if v}
    assert store.latest_run(demo) is None
    assert store.project(demo).settings == {}
    assert not page.broke


def test_a_tour_that_has_gone_astray_begins_again_or_ends(served, open_page):
    page = open_page(served.url)
    page.locator("[data-step=tour]").click()
    page.locator("#hf-tour .go").click()
    page.get_by_text(f"2 of {len(SCENES)}", exact=True).wait_for()
    page.reload()
    page.get_by_text(f"2 of {len(SCENES)}", exact=True).wait_for()
    page.keyboard.press("Escape")
    page.locator("#hf-tour").wait_for(state="detached")
    page.goto(page.url + f"&t={len(SCENES) - 1}")
    page.locator("#hf-tour [data-move=restart]").click()
    page.get_by_text(f"1 of {len(SCENES)}", exact=True).wait_for()
    assert not page.broke
