"""Excel, Parquet and ARFF: the same table; formulas are never evaluated."""

from __future__ import annotations

import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.tables import TableLimits, first_table, read_tables
from tests.engine.tables.made_tables import formula, notes_of, text, value, workbook

HEAD = [text("age"), text("glucose"), text("mmol")]


def test_a_stored_result_is_read_and_a_formula_without_one_is_missing_and_named(in_process, tmp_path):
    rows = [[value(50 + i), value(90.5 + i), formula(f"B{i + 2}/18", 5.5 if i < 3 else None)] for i in range(6)]
    table = first_table(workbook(tmp_path / "in.xlsx", {"Patients": [HEAD, *rows]}))
    assert table.frame["glucose"].tolist() == [90.5 + i for i in range(6)]
    assert table.frame["mmol"].tolist()[:3] == [5.5] * 3 and table.frame["mmol"].isna().sum() == 3
    assert notes_of(table, "formulas") == [{"column": "mmol", "count": 3, "rows": "5, 6, 7"}]


def test_a_formula_that_would_run_a_program_is_no_more_than_an_empty_cell(in_process, tmp_path):
    rows = [
        [value(1), value(2), formula('cmd|" /C calc"!A0')],
        [value(3), value(4), formula('HYPERLINK("http://a.b")')],
    ]
    table = first_table(workbook(tmp_path / "in.xlsx", {"S": [HEAD, *rows]}))
    assert table.frame["mmol"].isna().all()


def test_a_title_row_an_empty_row_and_a_mean_row_are_left_out(in_process, tmp_path):
    rows = [
        [text("Table 1")],
        [],
        HEAD,
        [value(1), value(2), value(3)],
        [value(4), value(5), value(6)],
        [text("mean"), value(3)],
    ]
    table = first_table(workbook(tmp_path / "in.xlsx", {"S": rows}))
    assert table.columns == ["age", "glucose", "mmol"] and table.lines.tolist() == [4, 5]
    assert notes_of(table, "heading_below") == [{"row": 3}] and notes_of(table, "summary_rows") == [
        {"count": 1, "rows": "6"}
    ]


def test_each_visible_sheet_is_a_table_and_hidden_ones_are_said(in_process, tmp_path):
    rows = [HEAD, [value(1), value(2), value(3)], [value(3), value(2), value(3)]]
    path = workbook(tmp_path / "in.xlsx", {"A": rows, "B": rows, "C": rows, "Empty": []}, hidden=("C",))
    read = read_tables(path)
    assert sorted(t.name for t in read.tables) == ["in.xlsx [A]", "in.xlsx [B]"]
    assert sum((notes_of(t, "hidden_sheets") for t in read.tables), []) == [{"count": 1}]


def test_a_damaged_or_empty_workbook_is_refused(in_process, tmp_path):
    path = workbook(tmp_path / "in.xlsx", {"S": [HEAD, [value(1), value(2), value(3)]]})
    raw = path.read_bytes()
    (tmp_path / "empty.xlsx").write_bytes(workbook(tmp_path / "e.xlsx", {"S": [HEAD]}).read_bytes())
    assert [r.note.key for r in read_tables(tmp_path / "empty.xlsx").refused] == ["refused.table_empty"]
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + raw[:900])
    assert [r.note.key for r in read_tables(tmp_path / "old.xls").refused] == ["refused.workbook_broken"]


def test_parquet_keeps_its_numbers_dates_and_categories_and_names_what_it_leaves_out(in_process, tmp_path):
    when = pd.to_datetime(["2020-01-02", None, "2021-03-04"])
    plain = pa.table({"x": [1.1, None, float("nan")], "n": [1, 2, 3], "when": pa.array(when), "ok": [True, False, None],
                      "cat": pa.array(["a", "b", "a"]).dictionary_encode(), "list": [[1], [2], [3]]})  # fmt: skip
    pq.write_table(plain, tmp_path / "in.parquet")
    table = first_table(tmp_path / "in.parquet")
    assert table.frame["x"].isna().tolist() == [False, True, True] and table.frame["x"][0] == 1.1
    assert table.frame["when"].dtype == np.dtype("datetime64[s]") and str(table.frame["when"][2])[:10] == "2021-03-04"
    assert table.frame["cat"].tolist() == ["a", "b", "a"] and "list" not in table.columns
    assert notes_of(table, "nested_columns") == [{"count": 1, "columns": "list"}]


def test_a_cut_parquet_file_is_refused(in_process, tmp_path):
    pq.write_table(pa.table({"x": list(range(1000))}), tmp_path / "whole.parquet")
    (tmp_path / "in.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:-20])
    assert [r.note.key for r in read_tables(tmp_path / "in.parquet").refused] == ["refused.parquet_broken"]


def test_arff_gives_names_and_rows_and_a_sparse_one_is_refused(in_process, tmp_path):
    head = "% a remark\n@relation r\n@attribute 'AGE at entry' integer\n@attribute class {yes, 'not sure'}\n@data\n"
    (tmp_path / "in.arff").write_text(head + "30,yes\n?,'not sure'\n50,yes\n")
    table = first_table(tmp_path / "in.arff")
    assert table.columns == ["AGE at entry", "class"] and table.frame["class"].tolist() == ["yes", "not sure", "yes"]
    assert table.frame["AGE at entry"].isna().tolist() == [False, True, False] and table.lines.tolist() == [6, 7, 8]
    (tmp_path / "sparse.arff").write_text(head + "{0 30, 1 yes}\n")
    assert [r.note.key for r in read_tables(tmp_path / "sparse.arff").refused] == ["refused.table_sparse"]


def test_a_workbook_that_would_unpack_to_too_much_is_refused_before_it_is_opened(in_process, tmp_path):
    rows = [HEAD, [value(1), value(2), value(3)]]
    path = workbook(tmp_path / "in.xlsx", {"S": rows})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/media/air.bin", b"\0" * (2 << 20))
    (refused,) = read_tables(path, limits=TableLimits(workbook_bytes=1 << 20)).refused
    assert refused.note.key == "refused.table_bytes"


def test_damaged_workbooks_and_parquet_files_are_refused_and_a_crash_costs_one_file(tmp_path):
    rng = np.random.default_rng(0)
    rows = [HEAD, *[[value(i), value(2 * i), formula("A1", i)] for i in range(40)]]
    pq.write_table(pa.table({"x": rng.normal(size=300), "t": ["a", "b", "c"] * 100}), tmp_path / "p")
    good = [workbook(tmp_path / "w", {"S": rows}).read_bytes(), (tmp_path / "p").read_bytes()]
    folder = tmp_path / "in"
    folder.mkdir()
    for turn in range(80):
        raw = bytearray(good[turn % 2])
        for _ in range(rng.integers(1, 20)):
            raw[rng.integers(8, len(raw))] = rng.integers(256)
        (folder / f"{turn:03d}").write_bytes(bytes(raw[: rng.integers(40, len(raw))]) if turn % 3 == 0 else bytes(raw))
    (folder / "whole").write_bytes(good[0])
    read = read_tables(folder)
    assert len(read.files) + len(read.refused) == 81 and "whole" in read.files
