"""Rows of tables start elsewhere than images: the labelled cases show which they are."""

from __future__ import annotations

import pytest
import torch

from engine.encoders.record import columns_of
from engine.learners import NumberSupport, Support, adapt_number, learner
from engine.learners.by_kind import ByKind
from engine.learners.maml import MAML
from engine.learners.starts import RECORDS, WEIGHTS, shipped_start

STARTED = sorted(path.stem.removeprefix(RECORDS) for path in WEIGHTS.glob(f"{RECORDS}*.safetensors"))


def records(rows: int = 12) -> torch.Tensor:
    own = torch.randn(rows, 6, generator=torch.Generator().manual_seed(1))
    return torch.cat([columns_of(own).embed(own), own], 1)


def support_of(embeddings: torch.Tensor) -> Support:
    targets = torch.arange(len(embeddings)) % 2
    return Support(embeddings, targets, ("a", "b"), tuple(f"p{i}" for i in range(len(targets))))


def images(rows: int = 12) -> torch.Tensor:
    return torch.randn(rows, 40, generator=torch.Generator().manual_seed(2))


def test_all_methods_but_reptile_have_a_start_for_records():
    assert STARTED == ["anil", "lstm", "maml", "maml-first-order", "matching", "platipus"]


def test_a_method_without_a_start_for_records_takes_the_one_for_images():
    method = learner("reptile")
    assert method.records.start is method.images.start is not None


@pytest.mark.parametrize("name", STARTED)
def test_records_adapt_from_their_own_start_and_images_from_theirs(name):
    method = learner(name)
    assert isinstance(method, ByKind) and method.about.key == f"learners.line_{name}"
    for cases, own in ((records(), method.records), (images(), method.images)):
        support = support_of(cases)
        assert torch.equal(method.adapt(support).logits(cases), own.adapt(support).logits(cases))
    both = [each.adapt(support_of(records())).logits(records()) for each in (method.images, method.records)]
    assert not torch.allclose(*both, atol=1e-3)
    assert method.records.adapt(support_of(records())).notes == ()  # no word of a plain start


def test_the_logistic_control_is_held_back_more_on_rows_than_on_images():
    method = learner("logistic")
    assert (method.images.c, method.records.c) == (10.0, 3.0)


def test_a_number_of_records_is_learned_from_their_start_too():
    cases = records()
    support = NumberSupport(cases, cases[:, -1] + 3, "days", tuple(f"p{i}" for i in range(len(cases))))
    said = [adapt_number(each, support).mean(cases) for each in (learner("maml"), MAML(shipped_start("maml", True)))]
    assert torch.equal(*said)
