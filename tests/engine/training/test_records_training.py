"""Training of the records' networks: tasks that keep rows and groups apart, a loss that falls, a run that goes on."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from engine.encoders.record import columns_of
from engine.learners.cells import CellNet
from engine.learners.matching import SCALE
from engine.learners.rows import ROW_NUMBERS, are_records
from engine.learners.starts import load_start
from engine.training import record_tasks
from engine.training.record_prior import MAKERS, draw_table
from engine.training.record_real import families, prepare
from engine.training.record_rows import Rows, ridge
from engine.training.record_starts import draw_tasks
from engine.training.record_starts import train as train_starts
from engine.training.record_tasks import QUERIES, Batch, RealTable, draw_batch, read_tables
from engine.training.records import cells_loss, train

TINY = {"width": 16, "heads": 2, "hidden": 16, "layers": 1}


@pytest.mark.parametrize("maker", MAKERS)
def test_every_maker_gives_a_target_that_its_columns_say_something_of(maker):
    """Rank correlation of the best column with the score: by chance about 0.1 for 8 columns of 300 rows."""
    best = []
    for seed in range(20):
        x, score = maker(np.random.default_rng(seed), 300, 8)
        assert x.shape == (300, 8) and np.isfinite(x).all() and np.isfinite(score).all()
        ranks = np.argsort(np.argsort(np.column_stack([x, score]), axis=0), axis=0)
        best.append(np.abs(np.corrcoef(ranks.T)[-1, :-1]).max())
    assert np.mean(best) > 0.3


def test_tables_have_gaps_yes_no_columns_and_the_asked_shape():
    tables = [draw_table(np.random.default_rng(seed), 200, 10) for seed in range(20)]
    assert all(t.x.shape == (200, 10) and np.isfinite(t.score).all() for t in tables)
    assert any(np.isnan(t.x).any() for t in tables) and not all(np.isnan(t.x).any() for t in tables)
    assert any(len(np.unique(column[np.isfinite(column)])) == 2 for t in tables for column in t.x.T)


def real_table(grouped: bool = False, number: bool = False) -> RealTable:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    x[:, 5] = np.arange(400) // (20 if grouped else 1)  # tells the group, or the row
    label = x[:, 0] * 1.0 if number else (x[:, 0] > 0).astype(int)
    return RealTable("made", "none", x, np.arange(6), label, np.arange(400) // (20 if grouped else 1), number)


def test_no_group_of_a_real_table_is_on_both_sides(monkeypatch):
    monkeypatch.setattr(record_tasks, "OWN_TARGET", 1.0)
    table, seen = real_table(grouped=True), 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        made = record_tasks._task(rng, table.x, table.label.astype(float), table.group, 12, 6, False)
        support, _, query, _ = made
        own, asked = set(np.unique(support[:, 5])), set(np.unique(query[:, 5]))
        assert not own & asked
        seen += 1
    assert seen == 40


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_batch_is_standard_on_its_labelled_rows_and_has_both_classes(share):
    real = [real_table(), real_table(number=True)]
    kinds = set()
    for seed in range(6):
        batch = draw_batch(np.random.default_rng(seed), real, share)
        kinds.add(batch.number)
        assert batch.query.shape[1] == QUERIES == batch.wanted.shape[1]
        assert torch.isfinite(batch.support).all() and float(batch.support.abs().max()) <= 6
        if not batch.number:
            assert set(batch.targets.unique().tolist()) == {-1.0, 1.0}
            assert torch.equal((batch.wanted > 0).sum(1), torch.full((len(batch.wanted),), QUERIES // 2))
        else:
            assert torch.allclose(batch.targets.mean(1), torch.zeros(len(batch.targets)), atol=1e-4)
    assert kinds == {True, False}


def test_both_networks_learn(tmp_path):
    """A few steps on one batch lower its loss below that of the guesses, and of the row's own numbers."""
    batch = next(b for s in range(9) if not (b := draw_batch(np.random.default_rng(s), [], 0.0)).number)
    parts = (batch.support[:6], batch.targets[:6], batch.query[:6], batch.wanted[:6])
    batch = Batch(*parts, batch.number)
    torch.manual_seed(0)
    cells, rows = CellNet(**TINY), Rows(**TINY)
    for module, loss in ((cells, lambda: cells_loss(cells, batch)), (rows, lambda: rows.loss(batch))):
        optimiser = torch.optim.Adam(module.parameters(), 0.01)
        with torch.no_grad():
            began = min(float(loss()), float(rows.loss(batch, bare=True)) if module is rows else 9.0)
        for _ in range(10):
            optimiser.zero_grad()
            loss().backward()
            optimiser.step()
        assert float(loss().detach()) < began


def test_ridge_is_the_closed_form():
    draw = torch.Generator().manual_seed(0)
    x, y, q = torch.randn(1, 9, 4, generator=draw), torch.randn(1, 9, generator=draw), torch.randn(1, 3, 4)
    x = x - x.mean(1, keepdim=True)
    weights = torch.linalg.solve(x[0].T @ x[0] + 9 * 0.1 * torch.eye(4), x[0].T @ (y[0] - y.mean()))
    assert torch.allclose(ridge(x, y, q, 0.1)[0], q[0] @ weights + y.mean(), atol=1e-5)


def corpus_at(folder):
    (folder / "tables").mkdir(parents=True)
    lines = ["| file | family | what |", "|---|---|---|"]
    rng = np.random.default_rng(0)
    for name, family in (("one", "heart"), ("two", "kept apart")):
        rows = [f"{a:.3f},{b:.3f},{'m' if a > 0 else 'f'},{int(a + b > 0)}" for a, b in rng.normal(size=(80, 2))]
        (folder / "tables" / f"{name}.csv").write_text("\n".join(["age,crp,sex,__y", *rows]) + "\n")
        lines.append(f"| `tables/{name}.csv` | {family} | made |")
    (folder / "MANIFEST.md").write_text("\n".join(lines) + "\n")
    return folder


def test_families_left_out_are_never_read_and_a_killed_run_goes_on(tmp_path):
    corpus = corpus_at(tmp_path / "corpus")
    assert families(corpus) == {"tables/one.csv": "heart", "tables/two.csv": "kept apart"}
    section = {"network": TINY, "steps": 4, "rate": 0.01, "decay": 0.0, "every": 2}
    data = {"corpus": str(corpus), "real": 0.5, "leave_out": ["kept apart"]}
    config = {"what": "records", "seed": 3, "data": data, "incontext": section}
    told = []
    whole = train(config, tmp_path / "whole", lambda *said: told.append(said))
    assert not (tmp_path / "whole" / "tables" / "two.npz").exists()
    assert [t.family for t in read_tables(tmp_path / "whole" / "tables")] == ["heart"]
    shutil.copytree(tmp_path / "whole" / "tables", tmp_path / "cut" / "tables")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "cut", _stop_at(2))
    again = train(config, tmp_path / "cut", lambda *said: None)
    first, second = (load_start(files[0], "incontext").state_dict() for files in (whole, again))
    assert all(torch.equal(first[name], second[name]) for name in first)
    config["incontext"] = {**section, "steps": 1, "rate": 0.0, "start": str(whole[0])}
    further = load_start(train(config, tmp_path / "further", lambda *said: None)[0], "incontext").state_dict()
    assert all(torch.equal(further[name], first[name]) for name in first), (
        "it goes on from the weights that it is given"
    )
    config["incontext"]["start"] = "shipped"
    with pytest.raises(ValueError, match="network"):
        train(config, tmp_path / "other", lambda *said: None)
    card = whole[0].with_suffix(".md").read_text("utf-8")
    assert "kept apart" in card and "heart: one" in card


def _stop_at(step):
    def report(done, total, text):
        if text.startswith("loss") and done == step:
            raise KeyboardInterrupt

    return report


def test_a_prepared_table_has_no_column_of_its_label(tmp_path):
    corpus = corpus_at(tmp_path)
    prepare(corpus / "tables" / "one.csv", "heart", tmp_path / "one.npz")
    (table,) = read_tables(tmp_path)
    assert table.x.shape == (80, 3) and set(np.unique(table.label)) == {0, 1}


def test_starts_for_records_are_trained_on_rows_as_the_product_embeds_them(tmp_path):
    config = {
        "seed": 2,
        "data": {"corpus": str(corpus_at(tmp_path)), "real": 0.5, "leave_out": [], "develop": ["kept apart"]},
        "matching": {"steps": 3, "tasks": 2, "rate": 0.02, "context": 0},
        "anil": {"steps": 3, "tasks": 2, "rate": 0.02, "inner_steps": 4, "rates": {"rows": 1.0, "bias": 0.2}},
    }
    files = train_starts(config, tmp_path / "out", lambda *said: None)
    assert [file.name for file in files] == ["records-anil.safetensors", "records-matching.safetensors"]
    assert load_start(files[0], "anil").steps == 4 and float(load_start(files[1], "matching").scale) != SCALE
    assert "one" in files[0].with_suffix(".md").read_text("utf-8")
    task = draw_tasks(np.random.default_rng(0), [], 0.0, 1)[0]
    assert are_records(task.support.embeddings) and are_records(task.query)
    own = task.support.embeddings[:, ROW_NUMBERS:]
    assert torch.allclose(columns_of(own).embed(own), task.support.embeddings[:, :ROW_NUMBERS], atol=1e-5)
