"""The controls against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from engine.learners.logistic import C, Logistic
from engine.learners.nearest import Nearest
from engine.learners.protocol import spread
from tests.engine.learners.test_learners import make_query, make_support


def test_the_nearest_neighbour_is_scikit_learns():
    support = make_support((4, 7, 5), apart=1.0)
    query, _ = make_query(support)
    oracle = KNeighborsClassifier(1).fit(support.embeddings.numpy(), support.targets.numpy())
    answer = Nearest().adapt(support).probabilities(query).argmax(1)
    assert (answer.numpy() == oracle.predict(query.numpy())).all()


@pytest.mark.parametrize("counts", [(5, 5), (3, 9, 4)])
@pytest.mark.parametrize("dimensions", [8, 400])  # fewer and more numbers than cases
def test_logistic_regression_is_scikit_learns_balanced_one(counts, dimensions):
    support = make_support(counts, dimensions=dimensions, apart=1.5)
    query, _ = make_query(support)
    scale, shift = spread(support.embeddings), support.embeddings.mean(0)
    # scikit-learn's weights sum to n and its loss is C sum_i w_i CE_i + |W|^2 / 2: the same minimum as ours.
    oracle = LogisticRegression(C=C, class_weight="balanced", tol=1e-10, max_iter=10_000)
    oracle.fit(((support.embeddings - shift) / scale).double().numpy(), support.targets.numpy())
    expected = oracle.predict_proba(((query - shift) / scale).double().numpy())
    # Two classes: scikit-learn fits one row (sigmoid), as the softmax does whose rows are its halves; the penalty of
    # two half rows is half of the whole one's, hence C counts double there.
    c = C / 2 if len(counts) == 2 else C
    ours = Logistic(c=c).adapt(support).probabilities(query).numpy()
    assert np.abs(ours - expected).max() < 1e-4
