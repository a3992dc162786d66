"""Warnings come when they should and stay away when they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.evidence.checks import contradicted_labels, few_cases, shortcuts
from engine.evidence.uncertainty import leave_one_patient_out
from engine.learners import Support, learner
from engine.sentences import LANGUAGES, say, table
from tests.engine.learners.test_learners import make_support


def keys(notes):
    return [note.key for note in notes]


def test_a_planted_site_is_found():
    support = make_support((5, 5))
    assert keys(shortcuts(support, {"site": ["A"] * 5 + ["B"] * 5})) == ["evidence.shortcut_site"]
    note = shortcuts(support, {"site": ["A"] * 5 + ["B"] * 5})[0]
    assert "10 of 10 patients" in say(note)


def test_a_planted_slice_count_is_found_at_its_threshold():
    support = make_support((6, 6))
    slices = [30, 31, 33, 35, 38, 40, 60, 64, 70, 72, 80, 90]
    assert keys(shortcuts(support, {"slices": slices})) == ["evidence.shortcut_slices"]


def test_a_planted_scanner_among_three_classes_is_found():
    support = make_support((6, 6, 6))
    scanner = ["S1"] * 6 + ["S2"] * 3 + ["S3"] * 3 + ["S2"] * 3 + ["S3"] * 3
    assert keys(shortcuts(support, {"scanner": scanner})) == []  # tells one class of three: 12 of 18
    assert keys(shortcuts(support, {"scanner": ["S1"] * 6 + ["S2"] * 6 + ["S3"] * 6})) == ["evidence.shortcut_scanner"]


def test_two_against_two_is_never_called_a_shortcut():
    """Two sites that split four patients perfectly do so by luck one time in three."""
    assert shortcuts(make_support((2, 2)), {"site": ["A", "A", "B", "B"]}) == []


def test_many_scans_of_one_patient_are_one_vote():
    support = make_support((5, 5))
    one_each = Support(support.embeddings, support.targets, support.classes, ("p",) * 5 + ("q",) * 5)
    assert shortcuts(one_each, {"site": ["A"] * 5 + ["B"] * 5}) == []


def test_unknown_values_say_nothing():
    assert shortcuts(make_support((5, 5)), {"site": [""] * 10, "slices": [None] * 10}) == []


@pytest.mark.parametrize("name", ["site", "slices"])
def test_false_alarms_stay_under_five_in_a_hundred(name):
    rng = np.random.default_rng(0)
    alarms = 0
    for seed in range(300):
        support = make_support((6, 6), seed=seed, dimensions=2)
        values = rng.choice(["A", "B"], 12).tolist() if name == "site" else rng.integers(20, 90, 12).tolist()
        alarms += bool(shortcuts(support, {name: values}))
    assert alarms / 300 < 0.05


def test_a_wrong_label_is_questioned_and_right_ones_are_not():
    support = make_support((8, 8), apart=8.0)
    targets = support.targets.clone()
    targets[3] = 1
    wrong = Support(support.embeddings, targets, support.classes, support.groups)
    tested = leave_one_patient_out(learner("protonet"), wrong).tested(wrong.classes)
    notes = contradicted_labels(wrong, [f"case {i}" for i in range(16)], tested)
    assert [note.values["case"] for note in notes] == ["case 3"]


def test_thin_classes_and_one_patient_classes_are_said():
    support = make_support((3, 4))
    one = Support(support.embeddings, support.targets, support.classes, ("a", "b", "c", "d", "d", "d", "d"))
    tested = leave_one_patient_out(learner("protonet"), one).tested(one.classes)
    found = keys(few_cases(one, tested))
    assert "evidence.few_patients" in found and "evidence.one_patient" in found


def test_a_model_no_better_than_guessing_is_called_so():
    draw = torch.Generator().manual_seed(0)
    support = Support(
        torch.randn(12, 20, generator=draw), torch.tensor([0, 1] * 6), ("a", "b"), tuple(map(str, range(12)))
    )
    tested = leave_one_patient_out(learner("protonet"), support).tested(support.classes)
    assert "evidence.no_better_than_guessing" in keys(few_cases(support, tested))
    clear = make_support((8, 8), apart=8.0)
    tested = leave_one_patient_out(learner("protonet"), clear).tested(clear.classes)
    assert "evidence.no_better_than_guessing" not in keys(few_cases(clear, tested))


def test_every_warning_stands_in_both_languages_with_the_same_blanks():
    import string

    english, chinese = (table(language) for language in LANGUAGES)
    for key, text in english.items():
        if key.startswith(("evidence.", "learners.")):
            blanks = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert blanks == {name for _, name, _, _ in string.Formatter().parse(chinese[key]) if name}, key
