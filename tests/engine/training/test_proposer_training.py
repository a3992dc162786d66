"""Training the proposer: what is painted is where it is said to be, and a killed run goes on as if unbroken."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import torch
from scipy import ndimage

from engine.encoders.proposer import CELL, GRID_MM, KINDS, Proposed, load_proposer
from engine.nouns import Geometry, Volume
from engine.training.painted import UNNAMED, Finding, paint, paint_soft
from engine.training.proposer import (
    CELLS,
    Run,
    cells_of,
    keep_scan,
    load_scans,
    loss_of,
    patch,
    rate_at,
    take_step,
    train,
)
from engine.training.real_scans import FWHM, make_versions, version

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


def test_a_soft_tissue_finding_lies_where_it_is_said_and_keeps_the_noise():
    tissue = np.zeros(CELLS, bool)
    tissue[2:10, 2:10, 2:10] = True
    shape, painted = [n * c for n, c in zip(CELLS, CELL, strict=True)], 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hu = (40 + 20 * rng.standard_normal(shape)).astype(np.float32)
        before = hu.copy()
        finding = paint_soft(hu, tissue, rng, [])
        if finding is None:
            continue
        painted += 1
        assert finding.kind == UNNAMED
        changed = np.abs(ndimage.gaussian_filter(hu - before, 1))
        middle = np.array(
            [np.average(np.arange(n), weights=changed.sum(tuple({0, 1, 2} - {i}))) for i, n in enumerate(hu.shape)]
        )
        assert np.linalg.norm((middle - finding.centre) * GRID_MM) < max(5.0, 0.6 * finding.radius_mm)
        grain = [x - ndimage.uniform_filter(x, 3) for x in (before, hu)]
        core = tuple(slice(max(0, round(c) - 1), round(c) + 2) for c in finding.centre)
        assert grain[1][core].std() > 0.5 * grain[0][core].std()
    assert painted >= 15


def test_no_soft_tissue_finding_is_painted_in_air():
    hu = np.full([n * c for n, c in zip(CELLS, CELL, strict=True)], -1000, np.float32)
    assert paint_soft(hu, np.ones(CELLS, bool), np.random.default_rng(0), []) is None
    assert (hu == -1000).all()


def test_what_is_painted_is_no_sharper_than_the_scan():
    steepest = []
    for soft in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        hu = np.full([n * c for n, c in zip(CELLS, CELL, strict=True)], 40, np.float32)
        assert paint_soft(hu, np.ones(CELLS, bool), np.random.default_rng(3), [], soft)
        steepest.append(max(np.abs(np.diff(hu, axis=axis)).max() for axis in range(3)))
    assert steepest[1] < 0.8 * steepest[0]


def test_a_finding_without_a_kind_teaches_no_kind():
    finding = Finding((12.0, 24.0, 24.0), 8.0, 100.0, UNNAMED)
    wanted = {name: value[None] for name, value in cells_of([finding], CELLS).items()}
    out = Proposed(
        torch.zeros(1, 1, *CELLS),
        torch.zeros(1, *CELLS),
        torch.zeros(1, 3, *CELLS),
        torch.randn(1, 2 + len(KINDS), *CELLS),
    )
    losses = loss_of(out, wanted)
    assert float(losses["kind"]) == 0.0
    assert float(losses["radius"]) > 0.1


@pytest.mark.parametrize("grey", [False, True])
def test_a_version_is_the_same_patient_seen_by_another_scanner(grey):
    rng = np.random.default_rng(0)
    voxels = (chest(rng) + (1000 if grey else 0)).astype(np.int16)
    volume = Volume(voxels, Geometry(spacing_mm=(1.5, 1.5, 1.5)), is_hu=not grey)
    thicknesses = set()
    for seed in range(12):
        seen = version(volume, np.random.default_rng(seed))
        thicknesses.add(round(40 / len(seen.voxels)))
        extent = [n * s for n, s in zip(seen.voxels.shape, seen.geometry.spacing_mm, strict=True)]
        assert 0.8 * 96 * 1.5 < extent[1] < 1.25 * 96 * 1.5
        assert 0.6 * 40 * 1.5 < extent[0] < 1.25 * 40 * 1.5
        if not grey:
            assert abs(float(np.median(seen.voxels)) - np.median(voxels)) < 30
    assert len(thicknesses) >= 3


def test_real_scans_are_taken_in_and_painted_on(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    hu = chest(np.random.default_rng(1)).astype(np.int16)
    file = tmp_path / "somebody.nii.gz"
    nibabel.save(nibabel.Nifti1Image(hu.transpose(2, 1, 0), np.diag([1.5, 1.5, 3.0, 1.0])), file)
    names = make_versions(file, 2, folder)
    scans = load_scans(folder, names)
    assert [s.name for s in scans] == names
    assert all(s.real and not s.grey and s.finding is None for s in scans)
    assert scans[0].soft == pytest.approx(tuple(s / FWHM / g for s, g in zip((3.0, 1.5, 1.5), GRID_MM, strict=True)))
    kinds = {f.kind for seed in range(40) for f in patch(scans[0], np.random.default_rng(seed), [], 1.0)[1]}
    assert UNNAMED in kinds and kinds - {UNNAMED}


def test_a_real_scan_that_is_not_there_is_told_and_left_out(folder, capsys):
    config = {**CONFIG, "folder": str(folder), "steps": 1, "real_folder": str(folder), "real": ["nobody.nii.gz"]}
    train({**config, "real_versions": 2, "real_share": 0.5, "painted_real": 1.0})
    assert "nobody.nii.gz is not here" in capsys.readouterr().out


def test_the_rate_falls_to_nothing_at_the_end_of_each_round():
    config = {"learning_rate": 0.002, "decay_from": 0.5, "steps": 300, "restarts": [200]}
    rates = [rate_at(step, config) for step in (0, 100, 150, 199, 200, 250, 299)]
    assert rates == pytest.approx([0.00004, 0.002, 0.001, 0.00002, 0.002, 0.002, 0.00004])
