"""axe-core in a page: what a person who can't see it well, or can't use a mouse, would run into.

axe-core 4.12 (MPL-2.0) comes with axe-playwright-python (MIT); it is put into the page for the test and ships nowhere.
Shadow roots (our bar, lists, viewer) are looked through as well.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import axe_playwright_python

GRAVE = ("critical", "serious")
REST_MS = 2500
# (rule, part of the element's selector, why it stands). What is ours is mended, not listed.
EXCEPTIONS = (
    (
        "scrollable-region-focusable",
        ".st-key-centre",
        "Streamlit's column, to which no tabindex can be given; Chromium and Firefox let the keyboard into a scroller",
    ),
)


@cache
def _source() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")


def grave(page) -> list[str]:
    """Violations of impact serious or critical, a line each: rule, element, what is wrong.

    What is only passing, while a part of the page is drawn anew and Streamlit fades the old one, is no violation: what
    is found is looked at again when the page has come to rest.
    """
    return _look(page) and (page.wait_for_timeout(REST_MS) or _look(page))


def _look(page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(_source())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"[{each['impact']}] {each['id']} {_at(node)}: {node['html'][:120]} ({node.get('failureSummary')})"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
        if not any(rule == each["id"] and part in _at(node) for rule, part, _ in EXCEPTIONS)
    ]


def _at(node: dict) -> str:
    return " ".join(str(part) for part in node["target"])
