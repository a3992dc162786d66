"""The split never puts a patient on both sides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.projects import UNSURE, ProjectCase, split_cases
from tests.engine.projects.conftest import make_case

CLASSES = ("smooth", "spiculated")
each_case = st.tuples(st.integers(0, 5), st.sampled_from([*CLASSES, UNSURE, None, "a class that was removed"]))


def _cases(patients: list[str]) -> list[ProjectCase]:
    return [ProjectCase(make_case(n, patient), n + 1, n, 0.0, "") for n, patient in enumerate(patients)]


@given(st.lists(each_case, max_size=30))
def test_no_patient_teaches_and_is_predicted(drawn):
    cases = _cases([f"p{patient}" for patient, _ in drawn])
    labels = {case.id: label for case, (_, label) in zip(cases, drawn, strict=True) if label is not None}
    split = split_cases(cases, labels, CLASSES)
    patient = {case.id: case.patient for case in cases}
    taught = {patient[each] for each in split.support}
    assert taught.isdisjoint(patient[each] for each in split.query)
    assert taught.issuperset(patient[each] for each in split.same_patient)
    together = [*split.support, *split.query, *split.same_patient, *split.unsure]
    assert sorted(together) == sorted(case.id for case in cases)
    assert set(split.support) == {k for k, v in labels.items() if v in CLASSES}


def test_a_second_scan_of_a_labelled_patient_is_left_out():
    split = split_cases(_cases(["a", "a", "b", "c"]), {"case0": "smooth", "case2": "spiculated"}, CLASSES)
    assert split.support == ("case0", "case2")
    assert split.same_patient == ("case1",)
    assert split.query == ("case3",)
    assert split.counts == {"smooth": 1, "spiculated": 1}
    assert split.ready


def test_cases_without_a_patient_are_patients_of_their_own():
    split = split_cases(_cases(["", "", ""]), {"case0": "smooth"}, CLASSES)
    assert split.query == ("case1", "case2")
    assert not split.ready
