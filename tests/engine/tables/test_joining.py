"""Labels in a file of their own find their patients; what does not fit is refused or named."""

from __future__ import annotations

import numpy as np
import pytest

from engine.projects.csv_writer import write_csv
from engine.sentences import Refusal, say
from engine.tables import first_table, propose, read_tables
from engine.tables.joining import joined
from tests.engine.tables.made_tables import notes_of, read_text, table_of


def test_labels_find_their_patients_whatever_their_order_and_type():
    table = table_of(patient=["1", "2", "3", "2"], age=[50.0, 60, 70, 60])
    labels = table_of(id=[3.0, 1, 2, 9], label=["c", "a", "b", "z"], age=[1.0, 1, 1, 1])
    both = joined(table, labels, "patient", "id")
    assert both.frame["label"].tolist() == ["a", "b", "c", "b"] and both.frame["age"].tolist() == [50, 60, 70, 60]


def test_a_row_without_a_partner_is_named_and_two_answers_for_one_patient_are_refused():
    table = table_of(patient=["1", "2", "3"], age=[50.0, 60, 70])
    both = joined(table, table_of(patient=["1", "2"], label=["a", "b"]), "patient")
    assert notes_of(both, "join_alone") == [{"count": 1, "rows": "4"}] and both.frame["label"].isna()[2]
    for other, key in (
        (table_of(patient=["1", "1", "2"], label=["a", "b", "c"]), "refused.join_twice"),
        (table_of(patient=["7", "8"], label=["a", "b"]), "refused.join_apart"),
    ):
        with pytest.raises(Refusal) as caught:
            joined(table, other, "patient")
        assert caught.value.note.key == key and say(caught.value.note, "zh")


def test_fhir_patients_get_their_labels_from_a_file(in_process, data):
    folder = data / "records" / "fhir"
    (table,) = read_tables(folder / "synthea_r4_bundles.zip").tables
    labels = first_table(folder / "labels.csv")
    both = joined(table, labels, "patient")
    assert len(both) == 42 and both.frame["diabetes"].notna().all()
    dictionary = propose(both, label="diabetes", patient="patient")
    assert dictionary.one("label") == "diabetes" and "condition: Diabetes" in dictionary.named("leak")


def test_what_was_read_can_be_written_so_that_excel_runs_nothing(in_process, tmp_path):
    table = read_text(tmp_path, "finding,dose\n=1+1,5\n@SUM(A1),-3\nplain,+4\n=cmd,1\n")
    write_csv(tmp_path / "out.csv", table.columns, table.frame.itertuples(index=False))
    written = (tmp_path / "out.csv").read_text("utf-8-sig").splitlines()
    assert written == ["finding,dose", "'=1+1,5", "'@SUM(A1),-3", "plain,4", "'=cmd,1"]
    assert np.array_equal(table.frame["dose"], [5, -3, 4, 1])
