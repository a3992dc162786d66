"""Rows of a table as embeddings: nothing of other queries, differentiable, never less than the table says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from engine.encoders import tabular
from engine.tables import Table, propose

N, SUPPORT, QUERY = 50, np.arange(16), np.arange(16, 50)


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(60, 9, N),
            "crp": np.where(np.arange(N) % 4 == 0, np.nan, rng.lognormal(1, 1, N)),
            "drug": np.array(["A", "B", "C"])[np.arange(N) % 3],
            "label": np.where(rng.random(N) < 0.5, "ill", "well"),
        }
    )
    return Table("made", frame, np.arange(2, N + 2))


@pytest.fixture(scope="module")
def prepared(table) -> tabular.Prepared:
    return tabular.prepare(table, propose(table, label="label"), SUPPORT)


def test_an_embedding_of_a_row_does_not_depend_on_which_others_are_asked(prepared):
    together = prepared.embeddings(QUERY)
    for position, row in enumerate(QUERY):
        assert np.allclose(prepared.embeddings(np.array([row]))[0], together[position], atol=1e-5)


def test_no_query_and_no_label_changes_what_is_prepared(table, prepared):
    frame = table.frame.copy()
    frame.loc[QUERY[1:], "age"] = 1e6
    frame["label"] = frame["label"].map({"ill": "well", "well": "ill"})
    other = Table("made", frame, table.lines)
    again = tabular.prepare(other, propose(table, label="label"), SUPPORT)
    rows = np.append(SUPPORT, QUERY[0])
    assert np.array_equal(again.embeddings(rows), prepared.embeddings(rows))


def test_an_embedding_ends_with_the_numbers_of_the_row_itself(prepared):
    flat = prepared.rows(QUERY).flat()
    assert np.allclose(prepared.embeddings(QUERY)[:, -flat.shape[1] :], flat)


def test_the_gradient_of_an_embedding_is_the_one_of_small_changes(prepared):
    rows = prepared.rows(QUERY[:2])
    values, missing = torch.from_numpy(rows.values), torch.from_numpy(rows.missing)
    direction = torch.linspace(-1, 1, values.numel()).reshape(values.shape)
    weights = torch.linspace(-1, 1, prepared.embed(values, missing).shape[1])
    asked = values.clone().requires_grad_(True)
    (prepared.embed(asked, missing) @ weights).sum().backward()
    step = 1e-2
    with torch.no_grad():
        up = (prepared.embed(values + step * direction, missing) @ weights).sum()
        down = (prepared.embed(values - step * direction, missing) @ weights).sum()
    assert float((asked.grad * direction).sum()) == pytest.approx(float(up - down) / (2 * step), rel=2e-2, abs=2e-3)


def test_the_identity_is_the_same_each_time():
    assert tabular.identity() == tabular.identity() and len(tabular.identity()) > 8
