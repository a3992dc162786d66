"""Prototypical networks against numbers worked out by hand and against scikit-learn."""

from __future__ import annotations

import torch
from sklearn.neighbors import NearestCentroid

from engine.learners import Support
from engine.learners.protonet import ProtoNet
from tests.engine.learners.test_learners import make_query, make_support


def test_the_plain_method_is_the_papers_equations_by_hand():
    support = Support(
        torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 1.0]]), torch.tensor([0, 0, 1]), ("a", "b"), ("1", "2", "3")
    )
    adapted = ProtoNet(plain=True).adapt(support)
    assert torch.equal(adapted.prototypes, torch.tensor([[0.0, 1.0], [4.0, 1.0]]))  # eq. 1
    expected = torch.softmax(torch.tensor([[-1.0, -9.0]]), 1)  # eq. 2 at (1, 1): squared distances 1 and 9
    assert torch.allclose(adapted.probabilities(torch.tensor([[1.0, 1.0]])), expected)


def test_with_equal_counts_it_names_the_class_of_scikit_learns_nearest_centroid():
    support = make_support((6, 6, 6), apart=1.0)
    query, _ = make_query(support)
    oracle = NearestCentroid().fit(support.embeddings.numpy(), support.targets.numpy())
    answer = ProtoNet().adapt(support).probabilities(query).argmax(1)
    assert (answer.numpy() == oracle.predict(query.numpy())).all()


def test_a_class_with_few_cases_is_not_put_at_a_disadvantage():
    """Two classes alike but for their counts (2 and 20): new cases go to each about as often, unlike in eq. 2."""
    rates = {True: [], False: []}
    for seed in range(60):
        support = make_support((2, 20), dimensions=60, apart=0.0, seed=seed)
        query = torch.randn(100, 60, generator=torch.Generator().manual_seed(1000 + seed))
        for plain in rates:
            answer = ProtoNet(plain=plain).adapt(support).probabilities(query).argmax(1)
            rates[plain].append(float((answer == 0).float().mean()))
    assert sum(rates[True]) / 60 < 0.15  # eq. 2 all but forgets the small class
    assert 0.35 < sum(rates[False]) / 60 < 0.65
