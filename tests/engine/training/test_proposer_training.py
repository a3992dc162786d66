"""Training the proposer: what is painted is where it is said to be, and a killed run goes on as if unbroken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.encoders.proposer import CELL, GRID_MM, KINDS, Proposed, load_proposer
from engine.training.painted import paint
from engine.training.proposer import CELLS, Run, cells_of, keep_scan, load_scans, patch, take_step, train

CONFIG = {
    "first_seed": 0,
    "scans": 3,
    "validation_seed": 0,
    "validation_scans": 1,
    "steps": 3,
    "batch": 2,
    "learning_rate": 0.002,
    "decay_from": 0.5,
    "painted": 1.0,
    "seed": 1,
    "checkpoint_every": 1,
    "look_every": 2,
    "mined": 1,
}


def chest(rng: np.random.Generator) -> np.ndarray:
    hu = np.full((40, 96, 96), -1000, np.float32)
    hu[:, 8:88, 8:88] = 40
    hu[:, 20:76, 20:76] = -850
    return hu + rng.normal(0, 10, hu.shape).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    for seed in range(3):
        hu = chest(np.random.default_rng(seed))
        about = {"finding": "normal", "hospital": "A"}
        if seed:
            hu[18:23, 40:50, 40:50] = 40
            about = {
                "finding": "smooth",
                "hospital": "A",
                "centre": [20.0, 44.5, 44.5],
                "radius_mm": 7,
                "density": 40.0,
            }
        keep_scan(tmp_path, seed, hu, about)
    return tmp_path


def test_a_painted_finding_lies_where_it_is_said_to_lie():
    lung = np.zeros(CELLS, bool)
    lung[3:9, 3:9, 3:9] = True
    kinds = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        hu = np.full([n * c for n, c in zip(CELLS, CELL, strict=True)], -850, np.float32)
        before = hu.copy()
        finding = paint(hu, lung, rng, [])
        if finding is None:
            continue
        kinds.add(KINDS[finding.kind])
        changed = np.abs(hu - before)
        assert changed.max() > 60
        middle = np.array(
            [np.average(np.arange(n), weights=changed.sum(tuple({0, 1, 2} - {i}))) for i, n in enumerate(hu.shape)]
        )
        assert np.linalg.norm((middle - finding.centre) * GRID_MM) < max(4.0, 0.5 * finding.radius_mm)
    assert kinds == set(KINDS)


def test_nothing_is_painted_where_there_is_no_lung():
    hu = np.full((24, 48, 48), 40, np.float32)
    assert paint(hu, np.zeros((12, 12, 12), bool), np.random.default_rng(0), []) is None
    assert (hu == 40).all()


def test_the_wanted_heat_has_its_top_at_the_finding_and_the_offset_points_to_it(folder):
    scan = load_scans(folder, range(3))[1]
    for seed in range(10):
        _, findings = patch(scan, np.random.default_rng(seed), [], 0.0)
        wanted = cells_of(findings, CELLS)
        top = np.array(np.unravel_index(int(wanted["heat"].argmax()), CELLS))
        if float(wanted["heat"].max()) < 0.6:  # the patch does not hold it
            continue
        offset = wanted["offset"][(slice(None), *top)].numpy()
        assert np.abs(offset).max() <= 0.51
        assert np.allclose((top + offset) * CELL + (np.array(CELL) - 1) / 2, findings[0].centre, atol=1e-4)


def test_a_resumed_run_is_the_unbroken_run(folder, tmp_path_factory):
    whole = {**CONFIG, "folder": str(folder)}
    train(whole)
    unbroken = Run(folder, 0.002)
    unbroken.resume()
    (folder / "checkpoint.safetensors").unlink()
    scans = load_scans(folder, range(3))
    torch.manual_seed(CONFIG["seed"])
    broken = Run(folder, 0.002)
    broken.network.train()
    take_step(broken, scans, whole)
    broken.save()
    del broken
    train(whole)
    resumed = Run(folder, 0.002)
    resumed.resume()
    assert resumed.step == unbroken.step == 3
    for name, value in unbroken.averaged.state_dict().items():
        assert torch.allclose(value.float(), resumed.averaged.state_dict()[name].float(), atol=1e-6), name


def test_the_weights_written_are_the_ones_loaded(folder):
    file = train({**CONFIG, "folder": str(folder), "steps": 1})
    network = load_proposer(file)
    out = network(torch.zeros(1, 2, 8, 16, 16))
    assert isinstance(out, Proposed)
    assert out.logit.shape == (1, 4, 4, 4)
    assert network.place_spread.min() > 0
