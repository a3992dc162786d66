"""A report on rows has no pictures, so what the answer rests on stands in words: columns with amounts, rows like it."""

from __future__ import annotations

import html

import pandas as pd
import pytest

from engine.jobs.work.tables import open_table
from engine.reports.case_blocks import COLUMNS
from engine.reports.words import number
from engine.tables import propose
from tests.engine.jobs.made_tables_of_jobs import table_of_frame
from tests.engine.jobs.test_row_runs import adapt, opened, records, stays


def cases_of(home, run, language: str) -> dict[str, str]:
    """Heading -> the block of each case that the HTML shows one by one."""
    files = home.run("report", project=run.project_id, language=language)["files"]
    page = next(f for f in files if f["what"] == "html")
    text = (home.data / "downloads" / page["download"] / page["name"]).read_text("utf-8")
    blocks = text.split('<section class="case">')[1:]
    return {
        html.unescape(b.split("<h3>")[1].split("</h3>")[0]): html.unescape(b.split("</section>")[0]) for b in blocks
    }


def rests_on(home, run, language: str, column, row: str) -> None:
    """Every block tells its loudest columns with their amounts and its nearest labelled rows with their distances."""
    by_name = {row.format(each.case.name): each.id for each in home.store.cases(run.project_id)}
    predictions, blocks = home.store.predictions(run.id), cases_of(home, run, language)
    assert blocks
    for heading, block in blocks.items():
        case = by_name[heading.replace("：", ": ").split(": ")[0]]
        told = home.run("explain_row", run=run.id, case=case)
        for each in told["columns"][:COLUMNS]:
            assert f"<td>{column(each)}</td>" in block and f"<td>{each['amount']:+.3f}</td>" in block
        for near in predictions[case]["neighbours"][:3]:
            assert f"<td>{near['distance']:.2f}</td>" in block
            assert f"<td>{next(name for name, known in by_name.items() if known == near['case'])}</td>" in block
        assert "<img" not in block


@pytest.mark.parametrize(("language", "row"), [("en", "Row {}"), ("zh", "第 {} 行")])
def test_a_row_stands_with_its_columns_and_the_labelled_rows_most_like_it(home, language, row):
    run = adapt(home, opened(records()))
    rests_on(home, run, language, lambda each: each["column"], row)


def test_a_predicted_number_stands_with_its_columns_and_rows_too(home):
    run = adapt(home, opened(stays(), "target (days)", 20), "ridge")
    rests_on(home, run, "en", lambda each: each["column"], "Row {}")
    names = {each.id: f"Row {each.case.name}" for each in home.store.cases(run.project_id)}
    answers = {f"{names[c]}: {number(raw['value'])}" for c, raw in home.store.predictions(run.id).items()}
    assert all(any(heading.startswith(answer) for answer in answers) for heading in cases_of(home, run, "en"))


def test_of_a_molecule_the_structure_and_each_property_are_called_by_their_names(home):
    acids, others = (["C" * n + end for n in range(1, 13)] for end in ("C(=O)O", "CN"))
    table = table_of_frame(pd.DataFrame({"smiles": acids + others, "acid": ["yes"] * 12 + ["no"] * 12}))
    run = adapt(home, open_table("Acids", table, propose(table, label="acid", smiles="smiles"), teach=6))

    def column(each) -> str:
        return "smiles · structure" if each["part"] == "structure" else f"smiles · {each['part']}"

    rests_on(home, run, "en", column, "Molecule {}")
