"""Every page for people who read with a screen reader, a keyboard or weak eyes: axe-core finds nothing serious, in
both themes; the language is said; the main way can be gone without a mouse.

Scans' pages after a real run are looked at in tests/journeys/test_demo.py, a lesson in tests/journeys/test_lessons.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.login import PASSWORD_SETTING, hash_password
from engine.jobs.queue import LEARN
from engine.projects.store import Store
from engine.tables import propose
from tests.axe import grave
from tests.dashboard.conftest import eight_scans
from tests.dashboard.rows import molecules, numbers, patients, project_of
from tests.dashboard.serving import page_server
from tests.dashboard.test_rows_page import explained, with_run
from tests.dashboard.test_steps import adapted

PAGE = Path(__file__).resolve().parents[2] / "dashboard" / "asgi.py"
PATIENCE_MS = 60_000
CENTRE = ".st-key-centre"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for the module: a project of each kind, each with a run, and a table that waits."""
    data_dir = tmp_path_factory.mktemp("access") / "data"
    data_dir.mkdir()
    store = Store(data_dir / "handful.db")
    eight_scans(store, data_dir)
    with page_server(data_dir, PAGE) as running:
        yield running


@pytest.fixture(scope="module")
def projects(served) -> dict[str, str]:
    """Name -> project id: "patients", "molecules", "numbers" with a run that is explained, "table" waiting."""
    store, made = served.store, {}
    for name, table, label in (
        ("patients", patients(), "outcome"), ("molecules", molecules(), "active"), ("numbers", numbers(), "days"),
    ):  # fmt: skip
        unit = "days" if name == "numbers" else None
        made[name] = project_of(
            store, served.data_dir, table, label=label, unit=unit, taught=4 if name == "molecules" else 8, demo=True
        )
        asked = with_run(store, made[name], number=name == "numbers")
        run = store.latest_run(made[name]).id
        for case in asked:
            args = {"run": run, "case": case, "method": "ig", "target": None}
            job = served.queue.file("explain_row", args, lane=LEARN, project=made[name])
            served.queue.claim(job.lane, "test", 0)
            served.queue.end(job.id, "test", "done", result=explained(case, case))
    made["table"] = store.create_project("Table").id
    store.add_draft(made["table"], patients(), propose(patients(), label="outcome"))
    return made


@pytest.fixture(scope="module")
def at(browser, served):
    """at("Light", "/?s=projects", shown, language): a browser in that theme opens the address and waits for `shown`."""
    tabs = {}

    def go(theme: str, address: str, shown: str, language: str = "en"):
        if theme not in tabs:
            context = browser.new_context(
                viewport={"width": 1440, "height": 900}, locale="en-GB", color_scheme=theme.lower()
            )
            context.set_default_timeout(PATIENCE_MS)
            context.add_init_script(f"""localStorage.setItem('stActiveTheme-/-v2', '"{theme}"')""")
            tabs[theme] = context.new_page()
        page = tabs[theme]
        page.context.add_cookies([{"name": "handful_language", "value": language, "url": served.url}])
        page.goto(served.url + address)
        page.locator(shown).first.wait_for()
        page.wait_for_function("!document.querySelector('[data-test-script-state=running]')")
        return page

    yield go
    for page in tabs.values():
        page.context.close()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_no_page_has_a_serious_violation(at, served, projects, theme):
    p = projects
    addresses = {
        "projects": ("/?s=projects", ".st-key-gallery"),
        "gallery": ("/?s=projects&v=task-surgical-risk", ".st-key-open-task button"),
        "columns": (f"/?p={p['table']}&s=gather", ".columns[data-draft]"),
        "label a row": (f"/?p={p['patients']}&s=label", "article.card[data-ready=true]"),
        "label a molecule": (f"/?p={p['molecules']}&s=label", "article.card[data-ready=true] svg"),
        "label a number": (f"/?p={p['numbers']}&s=label", "article.card[data-ready=true]"),
        "adapt": (f"/?p={p['patients']}&s=adapt", ".hf-tiles"),
        "evidence of a row": (f"/?p={p['patients']}&s=evidence", ".hf-beside"),
        "evidence of a molecule": (f"/?p={p['molecules']}&s=evidence", ".hf-beside"),
        "evidence of a number": (f"/?p={p['numbers']}&s=evidence", ".hf-beside"),
        "report": (f"/?p={p['patients']}&s=report", f"{CENTRE} .hf-card"),
        "the tour": (f"/?p={p['patients']}&s=label&t=0", "#hf-tour .card"),
        "a presentation": (f"/?p={p['patients']}&s=label&t=1&show=1", "#hf-tour.show .card"),
    }
    for name, (address, shown) in addresses.items():
        found = grave(at(theme, address, shown))
        assert not found, f"{name}, {theme}:\n" + "\n".join(found)
    page = at(theme, f"/?p={p['patients']}&s=gather", ".st-key-pacs-open button")
    assert not grave(page)
    page.locator(".st-key-pacs-open button").click()
    page.locator("[role=dialog] input").first.wait_for()
    assert not grave(page)


def test_the_page_says_its_language_and_its_title(at, projects):
    address = f"/?p={projects['patients']}&s=label"
    for language, said, title in (("zh", "zh-CN", "标注 · Handful"), ("en", "en", "Label · Handful")):
        page = at("Dark", address, "article.card[data-ready=true]", language)
        page.wait_for_function("said => document.documentElement.lang === said", arg=said)
        assert page.title() == title
        assert page.locator("h1").count() == 1 and page.locator("h2").count() >= 2


# What has the keyboard, through shadow roots: its name, and whether one sees that it has it.
FOCUSED = """(inside) => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  const name = (at.getAttribute("aria-label") || at.textContent || at.placeholder || "").trim();
  const seen = [at, at.querySelector(".thumb"), at.parentElement, at.parentElement?.parentElement].filter(Boolean)
    .some((e) => { const s = getComputedStyle(e);
      return (s.outlineStyle !== "none" && s.outlineWidth !== "0px") || s.boxShadow !== "none"; });
  const writes = at.matches("input:not([type]), input[type=text], input[type=number], input[type=search], textarea");
  return { tag: at.tagName, name, seen: seen || writes, inside: Boolean(document.activeElement.closest(inside)) };
}"""
MOST_STOPS = 60


def focused(page, inside: str = "body") -> dict:
    return page.evaluate(FOCUSED, inside)


def tab_to(page, name: str, inside: str = "body") -> None:
    """Press Tab until something of that name has the keyboard; every stop on the way shows that it has it (a field to
    write in by its caret)."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        at = focused(page, inside)
        assert at["seen"] or at["tag"] == "BODY", f"nothing shows that {at['tag']} {at['name'][:60]!r} has the keyboard"
        if name in at["name"] and at["inside"]:
            return
    raise AssertionError(f"{name!r} is not reached by Tab")


def test_from_a_project_to_its_evidence_by_keyboard_alone(at, served):
    store = served.store
    project = next(p.id for p in store.projects() if p.name == "Nodules")
    page = at("Dark", "/?s=lessons", "nav")
    tab_to(page, "Projects: open")
    page.keyboard.press("Enter")
    page.locator(f".st-key-open-{project}").wait_for()
    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    tab_to(page, "Open", f".st-key-open-{project}")
    page.keyboard.press("Enter")
    page.locator(".st-key-viewer [data-ready='true'][data-case='case0']").wait_for()

    tab_to(page, "Case 01")  # one stop for the whole list; arrows walk in it
    page.keyboard.press("ArrowDown")
    assert focused(page)["name"].startswith("Case 02")
    page.keyboard.press("Enter")
    page.locator(".st-key-viewer [data-ready='true'][data-case='case1']").wait_for()
    assert focused(page)["name"].startswith("Case 02")  # drawn anew, the list keeps the keyboard
    for key, case in ("1", 1), ("2", 2), ("1", 3), ("2", 4):
        page.locator(f".st-key-viewer [data-ready='true'][data-case='case{case}']").wait_for()
        page.keyboard.press(key)
        page.locator(f"button.item[data-case='case{case}'] .tag", has_not_text="to label").wait_for()
    assert store.labels(project) == {"case1": "smooth", "case2": "spiculated", "case3": "smooth", "case4": "spiculated"}

    tab_to(page, "Adapt", ".st-key-adapt")
    page.keyboard.press("Enter")
    page.locator("nav [data-step=adapt][aria-current=step]").wait_for()
    (job,) = served.queue.jobs(project=project, kinds=("adapt",))
    served.queue.claim(job.lane, "test", 0)
    adapted(store, project)  # what the worker would file
    served.queue.end(job.id, "test", "done", result={})
    page.locator(".st-key-see button").wait_for()
    tab_to(page, "See the evidence")
    page.keyboard.press("Enter")
    viewer = page.locator(".st-key-viewer [data-ready='true']")
    page.locator(".st-key-neighbours [role=button]").first.wait_for()
    before = int(viewer.get_attribute("data-slice"))
    page.keyboard.press("ArrowDown" if before < 3 else "ArrowUp")
    page.locator(f".st-key-viewer .viewer[data-slice='{before + 1 if before < 3 else before - 1}']").wait_for()
    tab_to(page, "Open Case")
    page.keyboard.press("Enter")
    page.locator("nav [data-step=label][aria-current=step]").wait_for()


def test_the_sign_in_has_no_serious_violation(at, served):
    served.store.set_setting(PASSWORD_SETTING, hash_password("a long password"))
    for theme, language in (("Light", "zh"), ("Dark", "en")):
        page = at(theme, "/hf/login", "form", language)
        assert not grave(page)
