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
from tests.dashboard.rows import molecules, numbers, patients, project_of
from tests.dashboard.serving import page_server
from tests.dashboard.test_rows_page import explained, with_run

PAGE = Path(__file__).resolve().parents[2] / "dashboard" / "asgi.py"
PATIENCE_MS = 60_000
CENTRE = ".st-key-centre"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for the module: a project of each kind, each with a run, and a table that waits."""
    data_dir = tmp_path_factory.mktemp("access") / "data"
    data_dir.mkdir()
    store = Store(data_dir / "handful.db")
    store.create_project("Nodules", ["smooth", "spiculated"], demo=True)
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


def test_the_sign_in_has_no_serious_violation(at, served):
    served.store.set_setting(PASSWORD_SETTING, hash_password("a long password"))
    for theme, language in (("Light", "zh"), ("Dark", "en")):
        page = at(theme, "/hf/login", "form", language)
        assert not grave(page)
