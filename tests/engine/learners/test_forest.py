"""The small forest: as good as scikit-learn's, no row guesses itself, no order matters, it finds the one threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from engine.learners.cells import standardised
from engine.learners.forest import KINDS, fit, grow
from engine.learners.places import read_places


def table(rows: int = 300, columns: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes +1 and -1 by two columns' thresholds, either of which is enough; the other columns say nothing."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=draw)
    return x, torch.where((x[:, 3] > 0.8) | (x[:, 7] > 0.8), 1.0, -1.0)


def ready(labelled: int = 40, **made) -> tuple[torch.Tensor, ...]:
    """(1, n, d) places, (1, n), (1, m, d) places, (m,) and (1, d) what each column says."""
    x, y = table(**made)
    cells, asked = standardised(x[None, :labelled], x[None, labelled:])
    known = y[None, :labelled] - y[:labelled].mean()
    columns, near = read_places(cells, known / known.std(correction=0))
    says = (near * known.unsqueeze(-1)).mean(1)
    return columns.places, y[None, :labelled], columns.of(asked), y[labelled:], says


def forest_guesses(support, targets, query, says) -> tuple[torch.Tensor, torch.Tensor]:
    left_out, forests = grow(support, targets, says)
    return left_out, forests(query)


def test_it_is_as_good_as_scikit_learns_where_thresholds_decide():
    ours, theirs = [], []
    for seed in range(6):
        support, targets, query, wanted, says = ready(seed=seed)
        _, asked = forest_guesses(support, targets, query, says)
        made = RandomForestClassifier(100, random_state=0).fit(support[0], targets[0])
        ours.append([roc_auc_score(wanted, asked[0, :, kind]) for kind in range(len(KINDS))])
        theirs.append(roc_auc_score(wanted, made.predict_proba(query[0])[:, 1]))
    assert np.max(np.mean(ours, 0)) > np.mean(theirs) - 0.02
    assert np.mean(theirs) > 0.8


def test_a_labelled_rows_guess_does_not_rest_on_its_own_target():
    """Trees whose bag lacks the row are the same whatever its target is."""
    support, targets, *_ = ready(20)
    turned = targets.clone()
    turned[0, 4] *= -1
    first, second = (fit(support, each, 4, 48, 0) for each in (targets, turned))
    without = first.bags[:, 4] == 0
    assert 5 < int(without.sum()) < len(without)
    apart = (first.trees(support) - second.trees(support)).abs()[0, :, 4]
    assert apart[without].max() < 1e-5 < apart[~without].max()


def test_a_tables_guesses_do_not_depend_on_the_other_tables_of_its_batch():
    made = [ready(24, seed=seed) for seed in (1, 2)]
    joined = (torch.cat([each[i] for each in made]) for i in (0, 1, 2, 4))
    both = forest_guesses(*joined)
    for i, (support, targets, query, _, says) in enumerate(made):
        alone = forest_guesses(support, targets, query, says)
        assert all(torch.allclose(a[0], b[i], atol=1e-5) for a, b in zip(alone, both, strict=True))


@pytest.mark.parametrize("labelled", [2, 5, 40])
def test_neither_the_order_of_rows_nor_of_columns_matters_and_signs_turn_with_the_targets(labelled):
    support, targets, query, _, says = ready(labelled)
    left_out, asked = forest_guesses(support, targets, query, says)
    draw = torch.Generator().manual_seed(3)
    rows, columns = torch.randperm(labelled, generator=draw), torch.randperm(support.shape[2], generator=draw)
    again = forest_guesses(support[:, rows][:, :, columns], targets[:, rows], query[:, :, columns], says[:, columns])
    assert torch.allclose(again[0], left_out[:, rows], atol=1e-5) and torch.allclose(again[1], asked, atol=1e-5)
    turned = forest_guesses(support, -targets, query, says)
    assert torch.allclose(turned[1], -asked, atol=1e-5)


def test_answers_have_a_gradient_across_a_threshold():
    support, targets, query, _, says = ready()
    query = query[:, :5].clone().requires_grad_(True)
    forest_guesses(support, targets, query, says)[1].sum().backward()
    assert torch.isfinite(query.grad).all() and query.grad.abs().max() > 0
