"""Lesson 7: a coin can't be learned from a scan; slices of one patient on both sides make it look learned."""

from __future__ import annotations

import pytest
import torch

from engine.lessons import patients
from engine.lessons.run import compute


@pytest.fixture(scope="module")
def told():
    return compute("patients", {})


def test_split_by_slice_a_coin_seems_to_be_learned(told):
    assert told["slice"]["mean"] >= 0.95


def test_split_by_patient_it_is_what_it_is(told):
    assert 0.35 <= told["patient"]["mean"] <= 0.6


def test_the_coin_falls_evenly_and_otherwise_at_the_next_seed():
    for seed in range(5):
        assert int(patients.lot(seed).sum()) == patients.PATIENTS // 2
    assert not torch.equal(patients.lot(0), patients.lot(1))
