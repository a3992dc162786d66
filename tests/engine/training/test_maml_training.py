"""Meta-training learns what helps new tasks, and the start it writes is the start that is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.episodes import Archive
from engine.learners import head
from engine.learners.starts import load_start, save_start, shipped_start
from engine.training.maml import Labelled, Plan, draw_task, meta_train, task_loss

torch.set_num_threads(1)


def noisy_set(seed: int, telling: int = 10, dimensions: int = 60) -> Labelled:
    """Three classes that differ in the first `telling` numbers; the others are noise, the same in every set."""
    draw = torch.Generator().manual_seed(seed)
    targets = torch.arange(3).repeat_interleave(25)
    means = torch.zeros(3, dimensions)
    means[:, :telling] = 1.2 * torch.randn(3, telling, generator=draw)
    embeddings = means[targets] + torch.randn(75, dimensions, generator=draw)
    labels = np.array([f"c{t}" for t in targets.tolist()])
    archive = Archive(f"set {seed}", np.zeros((75, 1, 1), np.uint8), labels, np.array([f"g{i}" for i in range(75)]))
    return Labelled(embeddings, archive)


@pytest.fixture(scope="module")
def trained():
    plan = Plan(inner_steps=5, iterations=50, tasks=2, gate_rate=0.05, gate_pull=0.01, anil=False)
    return plan, meta_train([noisy_set(seed) for seed in range(6)], plan)


def test_meta_training_helps_tasks_of_sets_it_never_saw(trained):
    plan, start = trained
    rng = np.random.default_rng(5)
    tasks = [draw_task([noisy_set(100)], np.ones(1), rng) for _ in range(12)]
    learned = [task_loss(start, task, plan.inner_steps).item() for task in tasks]
    plain = [task_loss(head.plain_start(60), task, head.PLAIN_STEPS).item() for task in tasks]
    assert np.mean(learned) < np.mean(plain)


def test_the_weighing_prefers_the_numbers_that_tell(trained):
    _, start = trained
    assert start.gate[:10].mean() > start.gate[10:].mean()


def test_a_start_survives_its_file(trained, tmp_path):
    _, start = trained
    save_start(start, tmp_path / "maml.safetensors", {"seed": "0"})
    again = load_start(tmp_path / "maml.safetensors")
    assert torch.equal(again.gate, start.gate) and torch.equal(again.pull, start.pull)
    assert all(torch.equal(again.rates[name], rate) for name, rate in start.rates.items())


@pytest.mark.parametrize(
    "broken",
    [
        {"gate": torch.zeros(3), "pull": torch.zeros(()), "rates.rows": torch.ones(2)},
        {
            "gate": torch.full((3,), torch.nan),
            "pull": torch.zeros(()),
            **{f"rates.{n}": torch.ones(2) for n in ("rows", "bias", "gate")},
        },
    ],
)
def test_weights_that_dont_fit_are_refused_by_name(broken, tmp_path):
    save_file(broken, tmp_path / "maml.safetensors")
    with pytest.raises(ValueError, match="maml.safetensors"):
        load_start(tmp_path / "maml.safetensors")


def test_the_shipped_start_is_there_and_fits_any_embedding():
    start = shipped_start("maml")
    assert start is not None and start.meta_trained
    assert len(start.fitted(17).gate) == 17
