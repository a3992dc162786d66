"""What to label next: what is unclear and stands for many, never the same patient twice, with a reason in words."""

from __future__ import annotations

import torch

from engine.evidence.teach_next import teach_next
from engine.sentences import say

CLASSES = ("cyst", "tumour")


def crowd(centre: tuple[float, float], count: int, seed: int) -> torch.Tensor:
    return torch.tensor(centre) + 0.1 * torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))


def test_a_crowd_that_nothing_labelled_is_near_to_is_asked_about_first():
    query = torch.cat([crowd((0, 0), 5, 1), crowd((9, 9), 12, 2), crowd((-9, 4), 2, 3)])
    unsure = torch.full((19, 2), 0.5)
    found = teach_next(unsure, CLASSES, query, [str(i) for i in range(19)], torch.zeros(1, 2))
    assert [5 <= found[0].index < 17, found[1].index >= 17] == [True, True]


def test_between_equal_crowds_the_unclear_one_is_asked_about():
    query = torch.cat([crowd((5, 0), 6, 1), crowd((-5, 0), 6, 1)])
    sure = torch.tensor([[0.95, 0.05]]).expand(6, 2)
    unsure = torch.tensor([[0.45, 0.55]]).expand(6, 2)
    groups = [str(i) for i in range(12)]
    first = teach_next(torch.cat([sure, unsure]), CLASSES, query, groups, torch.zeros(1, 2))[0]
    assert first.index >= 6
    assert say(first.reason, "en") == "The method is torn between tumour and cyst."
    assert teach_next(torch.cat([unsure, sure]), CLASSES, query, groups, torch.zeros(1, 2))[0].index < 6


def test_no_patient_is_proposed_twice_and_there_may_be_fewer_than_three():
    query = crowd((3, 3), 6, 4)
    found = teach_next(torch.full((6, 2), 0.5), CLASSES, query, ["a", "a", "a", "b", "b", "b"], torch.zeros(1, 2))
    assert len(found) == 2 and {p.index < 3 for p in found} == {True, False}
    assert teach_next(torch.empty(0, 2), CLASSES, torch.empty(0, 2), [], torch.zeros(1, 2)) == ()


def test_what_is_unlike_anything_labelled_is_said_to_be():
    strange = teach_next(
        torch.full((3, 2), 0.5), CLASSES, crowd((3, 3), 3, 4), list("abc"), torch.zeros(1, 2), strange=[True] * 3
    )
    assert say(strange[0].reason, "en") == "Unlike anything labelled so far."
    sure = torch.tensor([[0.99, 0.01]]).expand(8, 2)
    typical = teach_next(sure, CLASSES, crowd((3, 3), 8, 4), list("abcdefgh"), torch.zeros(1, 2))
    assert say(typical[0].reason, "en") == "Stands for 7 more cases that are close to nothing labelled."
