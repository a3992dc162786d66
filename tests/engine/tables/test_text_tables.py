"""Separated text: whatever the encoding, the separator and the decimal sign, the same table comes out."""

from __future__ import annotations

import gzip
import zipfile

import numpy as np
import pytest

from engine.sentences import say
from engine.tables import TableLimits, first_table, read_tables
from tests.engine.tables.made_tables import notes_of, read_text

GERMAN = ["männlich", "weiblich", "männlich", "weiblich"]
CHINESE = ["男", "女", "男", "女"]
WEIGHT = [71.5, 64.25, 80.0, 55.125]


def written(separator: str, decimal: str, sex: list[str], heading: tuple[str, str, str]) -> str:
    rows = [separator.join(heading)]
    for i, (weight, each) in enumerate(zip(WEIGHT, sex, strict=True)):
        number = str(weight).replace(".", decimal)
        rows.append(separator.join([str(20 + i), f'"{number}"' if decimal == separator else number, each]))
    return "\r\n".join(rows) + "\r\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "gb18030"])
def test_the_same_table_comes_out_of_every_way_to_write_it(in_process, tmp_path, separator, decimal, encoding):
    chinese = encoding == "gb18030"
    sex, heading = (CHINESE, ("年龄", "体重", "性别")) if chinese else (GERMAN, ("Alter", "Größe", "Geschlecht"))
    table = read_text(tmp_path, written(separator, decimal, sex, heading), encoding)
    assert table.columns == list(heading)
    assert table.frame[heading[0]].tolist() == [20, 21, 22, 23]
    assert table.frame[heading[1]].tolist() == WEIGHT
    assert table.frame[heading[2]].tolist() == sex
    assert table.lines.tolist() == [2, 3, 4, 5]


def test_a_quoted_line_break_stays_in_its_cell_and_lines_are_counted_on(in_process, tmp_path):
    table = read_text(tmp_path, 'age,remark\n50,"first\nsecond"\n60,plain\nxx,y\n70,z\n71,z\n72,z\n')
    assert table.frame["remark"].tolist()[:2] == ["first\nsecond", "plain"]
    assert table.lines.tolist()[:3] == [2, 4, 5]
    (said,) = notes_of(table, "not_numbers")
    assert said == {"column": "age", "count": 1, "rows": "5"}


def test_text_among_numbers_is_told_by_row_and_column_and_counts_as_missing(in_process, tmp_path):
    rows = "\n".join(f"{i},{'haemolysed' if i in (7, 9) else i * 0.5}" for i in range(30))
    table = read_text(tmp_path, "id,potassium\n" + rows)
    assert table.frame["potassium"].isna().sum() == 2
    assert notes_of(table, "not_numbers") == [{"column": "potassium", "count": 2, "rows": "9, 11"}]
    assert "rows 9, 11" in " ".join(say(note) for note in table.notes)


def test_a_title_above_the_heading_and_a_mean_below_are_left_out_and_said(in_process, tmp_path):
    table = read_text(tmp_path, "Ward 3,,\n,,\nage,weight,sex\n50,70,m\n60,71,f\n61,72,f\nmean,71,\n")
    assert (table.columns, len(table)) == (["age", "weight", "sex"], 3)
    assert notes_of(table, "heading_below") == [{"row": 3}]
    assert notes_of(table, "summary_rows") == [{"count": 1, "rows": "7"}]


def test_a_file_without_heading_gets_numbered_columns(in_process, tmp_path):
    table = read_text(tmp_path, "40-49,yes,3\n50-59,no,2\n40-49,yes,1\n50-59,no,2\n")
    assert table.columns == ["column 1", "column 2", "column 3"]
    assert len(table) == 4 and notes_of(table, "no_heading") == [{"count": 3}]


def test_rows_of_another_length_are_named_and_padded(in_process, tmp_path):
    table = read_text(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8,9\n1,2,3\n1,2,3\n1,2,3\n")
    assert np.isnan(table.frame["c"][1]) and table.frame["c"][2] == 8
    assert notes_of(table, "short_rows") == [{"count": 1, "rows": "3", "width": 3}]
    assert notes_of(table, "long_rows") == [{"count": 1, "rows": "4", "width": 3}]


def test_headings_that_are_empty_or_twice_stay_apart(in_process, tmp_path):
    table = read_text(tmp_path, "age,,age,b\tx\n1,2,3,4\n2,3,4,5\n")
    assert table.columns == ["age", "column 2", "age (2)", "b x"]


def test_an_error_text_of_excel_is_missing_and_long_numbers_keep_their_digits(in_process, tmp_path):
    table = read_text(tmp_path, "no,v\n110101199003071234,#N/A\n110101199003071235,1.5\n110101199003071236,#DIV/0!\n")
    assert table.frame["no"].tolist()[0] == "110101199003071234"
    assert table.frame["v"].isna().tolist() == [True, False, True]


def test_a_bound_is_taken_as_the_value_and_said_but_not_where_bounds_are_the_answers(in_process, tmp_path):
    rows = "\n".join(f"{'<0.5' if i == 4 else i},{('>7', '>8', 'normal')[i % 3]}" for i in range(20))
    table = read_text(tmp_path, "crp,hba1c\n" + rows)
    assert table.frame["crp"][4] == 0.5
    assert notes_of(table, "bounds") == [{"column": "crp", "count": 1, "rows": "6"}]
    assert set(table.frame["hba1c"]) == {">7", ">8", "normal"}


@pytest.mark.parametrize(
    "encoding, words",
    [
        ("big5", "姓名,年齡,結局\n王小明,50,死亡\n李大華,60,存活\n陳美玲,61,存活\n"),
        ("gb18030", "姓名,年龄,结局\n王小明,50,死亡\n李大华,60,存活\n陈美玲,61,存活\n"),
        ("cp1251", "возраст,пол,исход\n50,муж,умер\n60,жен,жив\n61,жен,жив\n"),
        ("cp1254", "yaş,cinsiyet,sonuç\n50,erkek,öldü\n60,kadın,iyileşti\n61,kadın,iyileşti\n"),
        ("cp1252", "âge,sexe,décès\n50,garçon,là\n60,fille,non\n61,fille,non\n"),
    ],
)
def test_each_script_is_read_in_its_own_encoding_and_a_guess_is_said(in_process, tmp_path, encoding, words):
    table = read_text(tmp_path, words, encoding)
    assert table.columns == words.splitlines()[0].split(",")
    assert bool(notes_of(table, "encoding_guessed")) == (encoding != "gb18030")


def test_a_person_corrects_the_encoding(in_process, tmp_path):
    (tmp_path / "in.csv").write_bytes("年齢,性別,転帰\n50,男,死亡\n60,女,生存\n".encode("shift_jis"))
    assert first_table(tmp_path / "in.csv", encoding="shift_jis").columns == ["年齢", "性別", "転帰"]
    with pytest.raises(LookupError):
        read_tables(tmp_path / "in.csv", encoding="no such")


def test_a_row_of_units_below_the_heading_gives_units(in_process, tmp_path):
    table = read_text(tmp_path, "age,glucose,label\nyears,mg/dL,\n50,100,a\n60,110,b\n61,112,a\n")
    assert table.units == {"age": "years", "glucose": "mg/dL"}
    assert table.frame["age"].tolist() == [50, 60, 61] and table.lines.tolist() == [3, 4, 5]


def test_columns_held_apart_by_blanks_remarks_on_top_and_a_separator_line_are_understood(in_process, tmp_path):
    printed = read_text(
        tmp_path, "age  body weight  label\n50   70.5         ill\n60   80.2         very well\n61   77.7         ill\n"
    )
    assert printed.columns == ["age", "body weight", "label"] and printed.frame["label"][1] == "very well"
    remarks = read_text(tmp_path, "# exported by LIS\n# site A\nage,crp,label\n50,1.5,a\n60,2.5,b\n")
    assert remarks.columns == ["age", "crp", "label"] and len(remarks) == 2
    said = read_text(tmp_path, "sep=;\nAlter;Gewicht\n50;70,5\n60;80,25\n")
    assert said.frame["Gewicht"].tolist() == [70.5, 80.25]
    old = read_text(tmp_path, "a,b\r1,2\r3,4\r")
    assert old.frame["b"].tolist() == [2, 4]


REFUSALS = [
    ("", "refused.table_empty"),
    ("age,sex\n", "refused.table_empty"),
    ("age,sex\n\n\n", "refused.table_empty"),
    ("%PDF-1.7 not a table", "refused.no_table"),
    ("<html><body>", "refused.no_table"),
    ('a,b\n1,"never closed' + "x" * 40_000 + "\n", "refused.table_long_cell"),
]


@pytest.mark.parametrize("content, key", REFUSALS)
def test_what_is_no_table_is_refused_with_a_sentence_and_what_to_do(in_process, tmp_path, content, key):
    (tmp_path / "in.csv").write_text(content)
    read = read_tables(tmp_path / "in.csv")
    assert [r.note.key for r in read.refused] == [key] and not read.tables
    for language in ("en", "zh"):
        assert say(read.refused[0].note, language)


@pytest.mark.parametrize(
    "limits, key",
    [({"rows": 100}, "table_rows"), ({"columns": 3}, "table_columns"), ({"cells": 300}, "table_cells")],
)
def test_a_table_past_a_limit_is_refused_and_the_limit_is_named(in_process, tmp_path, limits, key):
    (tmp_path / "in.csv").write_text("a,b,c,d\n" + "1,2,3,4\n" * 200)
    (refused,) = read_tables(tmp_path / "in.csv", limits=TableLimits(**limits)).refused
    assert refused.note.key == f"refused.{key}"
    assert str(next(iter(limits.values()))) in say(refused.note)


def test_five_million_rows_are_refused_by_the_real_process_before_memory_runs_out(tmp_path):
    with (tmp_path / "in.csv").open("wb") as out:
        out.write(b"age,label\n")
        for _ in range(500):
            out.write(b"71,1\n" * 10_000)
    read = read_tables(tmp_path / "in.csv")
    (refused,) = read.refused
    assert refused.note.key == "refused.table_rows"
    assert "500,000 rows" in say(refused.note)


def test_a_gzip_and_a_zip_of_several_files_are_opened_and_a_zip_in_a_zip_is_not(in_process, tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wt") as out:
        out.write("x,y\n1,2\n3,4\n")
    (tmp_path / "inner.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        archive.writestr("deep.csv", "x,y\n1,2\n")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("b.csv", "p,q\n1,2\n3,4\n")
        archive.write(tmp_path / "a.csv.gz", "a.csv.gz")
        archive.write(tmp_path / "inner.zip", "inner.zip")
    read = read_tables(tmp_path / "all.zip")
    assert sorted(t.columns for t in read.tables) == [["p", "q"], ["x", "y"]]
    assert [(r.file, r.note.key) for r in read.refused] == [("all.zip/inner.zip", "refused.zip_nested")]


def test_six_hundred_columns_with_constant_and_empty_ones_are_read(in_process, tmp_path):
    names = [f"gene {i}" for i in range(540)] + [f"same {i}" for i in range(40)] + [f"none {i}" for i in range(20)]
    rng = np.random.default_rng(0)
    rows = [",".join([*(f"{v:.3f}" for v in rng.normal(size=540)), *["7"] * 40, *[""] * 20]) for _ in range(30)]
    table = read_text(tmp_path, ",".join(names) + "\n" + "\n".join(rows))
    assert table.frame.shape == (30, 600)
    assert (table.frame["same 3"] == 7).all() and table.frame["none 3"].isna().all()


def test_damaged_text_never_ends_the_reader(in_process, tmp_path):
    rng = np.random.default_rng(1)
    good = written(";", ",", GERMAN, ("Alter", "Gewicht", "Geschlecht")).encode("cp1252") * 5
    for turn in range(300):
        raw = bytearray(good)
        for _ in range(rng.integers(1, 12)):
            raw[rng.integers(len(raw))] = rng.integers(256)
        (tmp_path / "in.csv").write_bytes(bytes(raw[: rng.integers(1, len(raw))]) if turn % 2 else bytes(raw))
        read = read_tables(tmp_path / "in.csv")
        assert len(read.tables) + len(read.refused) == 1
        assert not [r for r in read.refused if r.note.key == "refused.unreadable"], raw
