"""Sets that hold at the level they say, excluded classes only where the patients allow it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.evidence.conformal import fewest_patients, p_values, prediction_sets, strangeness
from engine.evidence.folds import judge_folds, leave_out
from engine.learners import Support, learner


def one_task(seed: int, patients_a_class: int, apart: float, query: int = 40):
    """Two overlapping Gaussian classes; fresh cases of the same source to ask about."""
    draw = torch.Generator().manual_seed(seed)
    n = 2 * patients_a_class
    targets = torch.arange(2).repeat(patients_a_class)
    asked = torch.arange(2).repeat(query // 2)
    embeddings = torch.randn(n + query, 8, generator=draw)
    embeddings[:, 0] += apart * (torch.cat([targets, asked]).float() - 0.5)
    support = Support(embeddings[:n], targets, ("a", "b"), tuple(map(str, range(n))))
    return support, embeddings[n:], asked


def sets_of(support, query, level, name="protonet"):
    left_out = judge_folds(learner(name), support, leave_out(support), query=query)
    return prediction_sets(left_out, support, level)


def test_nothing_is_promised_below_four_and_nine_patients_a_class():
    assert [fewest_patients(level) for level in (0.8, 0.9, 0.95)] == [4, 9, 19]
    for count, excluded in ((8, False), (9, True)):
        support, query, _ = one_task(0, count, apart=20.0)
        found = sets_of(support, query, 0.9)
        assert found.promises == (("a", "b") if excluded else ())
        assert {len(each) for each in found.sets} == ({1} if excluded else {2})


@pytest.mark.parametrize("name", ["protonet", "nearest"])
@pytest.mark.parametrize(("level", "count"), [(0.8, 6), (0.9, 12)])
def test_each_class_is_covered_as_often_as_the_level_says(name, level, count):
    """80 tasks of two overlapping classes; within 4 standard errors over tasks, class by class."""
    covered = {0: [], 1: []}
    for seed in range(80):
        support, query, targets = one_task(seed, count, apart=1.5)
        found = sets_of(support, query, level, name)
        hit = np.array([support.classes[t] in s for t, s in zip(targets.tolist(), found.sets, strict=True)])
        for k in covered:
            covered[k].append(hit[targets.numpy() == k].mean())
    for each in covered.values():
        assert np.mean(each) > level - 4 * np.std(each) / len(each) ** 0.5


def test_clear_classes_give_small_sets_and_unclear_ones_large():
    sizes = []
    for apart in (0.0, 6.0):
        support, query, _ = one_task(1, 12, apart=apart)
        sizes.append(np.mean([len(each) for each in sets_of(support, query, 0.9).sets]))
    assert sizes[1] < 1.2 < sizes[0]


def test_a_patients_cases_share_one_vote():
    """Nine scans of one patient and one of another count as two patients, which can't exclude anything."""
    support, query, _ = one_task(2, 10, apart=20.0)
    groups = ["same" if t == 0 and i < 18 else str(i) for i, t in enumerate(support.targets.tolist())]
    grouped = Support(support.embeddings, support.targets, support.classes, tuple(groups))
    left_out = judge_folds(learner("protonet"), grouped, leave_out(grouped), query=query)
    p, count = p_values(left_out, grouped, 0)
    assert count == 2 and float(p.min()) == pytest.approx(1 / 3)
    assert "a" not in prediction_sets(left_out, grouped, 0.9).promises


def test_strangeness_is_how_far_the_best_other_class_is_ahead():
    scores = torch.tensor([[3.0, 1.0, 2.0], [0.0, 4.0, 1.0]])
    assert strangeness(scores, 0).tolist() == [-1.0, 4.0]


def test_nobody_asked_about_is_an_error_and_not_an_empty_set():
    support, _, _ = one_task(0, 5, apart=1.0)
    with pytest.raises(ValueError, match="query"):
        prediction_sets(judge_folds(learner("protonet"), support, leave_out(support)), support, 0.9)
