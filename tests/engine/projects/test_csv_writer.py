"""What a spreadsheet opens can't run, and nothing is lost on the way."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.projects.csv_writer import DANGEROUS, cell, write_csv


@pytest.mark.parametrize("start", DANGEROUS)
def test_a_text_that_starts_like_a_formula_is_quoted(start):
    assert str(cell(f"{start}cmd|' /C calc'!A0")).startswith("'")
    assert str(cell(f"  {start}1")).startswith("'")


@given(st.text())
def test_no_text_starts_like_a_formula(text):
    assert not str(cell(text)).lstrip(" ").startswith(DANGEROUS)


def test_numbers_stay_numbers(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(
        path, ["case", "p", "n", "u"], [["x", -0.25, 3, None], ["=y", np.float32(0.5), np.int64(-1234567890), True]]
    )
    rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    assert rows == [["case", "p", "n", "u"], ["x", "-0.25", "3", ""], ["'=y", "0.5", "-1234567890", "1"]]


def test_chinese_class_names_survive(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, ["病例", "p_毛刺结节"], [["患者 1，右肺", 0.9]])
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(path.read_text("utf-8-sig").splitlines()))[1] == ["患者 1，右肺", "0.9"]


def test_a_row_of_another_length_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="3 cells under 2 headings"):
        write_csv(tmp_path / "a.csv", ["a", "b"], [[1, 2, 3]])
    assert not (tmp_path / "a.csv").exists()
