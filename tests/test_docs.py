"""The documentation says what is there: every command, option and setting, links that lead somewhere, names in code."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest

from engine.__main__ import parser
from engine.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LEARNERS = sorted((DOCS / "explanation" / "learners").glob("*.md"))
FIGURE_BYTES = 60_000
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands() -> dict[str, argparse.ArgumentParser]:
    top = parser()
    return next(a.choices for a in top._actions if isinstance(a, argparse._SubParsersAction))


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_and_option_stands_in_the_reference(command):
    text = (DOCS / "reference" / "command-line.md").read_text("utf-8")
    section = re.search(rf"^## {command}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert section, command
    for action in commands()[command]._actions:
        for option in action.option_strings:
            if option.startswith("--") and option != "--help":
                assert re.search(rf"`{option}[ `]", section[1]), option


def test_the_reference_names_no_option_that_is_gone():
    text = (DOCS / "reference" / "command-line.md").read_text("utf-8")
    there = {o for each in commands().values() for a in each._actions for o in a.option_strings} | {"--version"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= there


def test_every_setting_stands_in_the_reference_with_its_default():
    rows = {}
    for line in (DOCS / "reference" / "settings.md").read_text("utf-8").splitlines():
        if line.startswith("| `HANDFUL_"):
            cells = [cell.strip(" `") for cell in line.strip("|").split("|")]
            rows[cells[0]] = cells
    assert set(rows) == {"HANDFUL_" + field.name.upper() for field in fields(Settings)}
    for field in fields(Settings):
        _, in_file, default, what = rows["HANDFUL_" + field.name.upper()]
        assert in_file == field.name
        assert what
        if isinstance(field.default, (bool, int)):
            assert default == str(int(field.default))
        elif isinstance(field.default, str) and field.default:
            assert default == field.default


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_between_pages_leads_somewhere(page):
    for target in _LINK.findall(page.read_text("utf-8")):
        if not target.startswith(("http://", "https://", "#", "mailto:")):
            assert (page.parent / target.split("#")[0]).exists(), target


def test_every_page_stands_in_the_index():
    index = DOCS / "README.md"
    linked = {(DOCS / target.split("#")[0]).resolve() for target in _LINK.findall(index.read_text("utf-8"))}
    assert set(DOCS.rglob("*.md")) - {index} <= linked


@pytest.mark.parametrize("page", LEARNERS, ids=lambda page: page.stem)
def test_a_learners_page_names_code_that_is_there_and_shows_a_small_figure(page):
    text = page.read_text("utf-8")
    rows = [line for line in text.splitlines() if "`engine/learners/" in line]
    assert len(rows) >= 4
    for row in rows:
        file = re.search(r"`(engine/learners/\w+\.py)`", row)[1]
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        known = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        known |= {node.targets[0].id for node in tree.body
                  if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}  # fmt: skip
        said = row.split(file)[1]
        assert set(re.findall(r"`(\w{2,})`", said)) - {"start"} <= known, row
    figure = (page.parent / re.search(r"!\[[^\]]*\]\(([^)]+)\)", text)[1]).resolve()
    assert figure.stat().st_size < FIGURE_BYTES


def test_each_meta_learner_has_its_page():
    told = "".join(page.read_text("utf-8") for page in LEARNERS)
    meta = {"maml.py", "reptile.py", "protonet.py", "matching.py", "lstm_meta.py", "platipus.py"}
    assert all(f"engine/learners/{name}" in told for name in meta)


def test_the_python_reference_imports_what_it_says():
    text = (DOCS / "reference" / "python.md").read_text("utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), node.module
    for path in re.findall(r"`(engine\.[\w.]+)`", text):
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name), path
