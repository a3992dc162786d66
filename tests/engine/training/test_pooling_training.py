"""The training loop goes on where it was killed, and the attention learns where a finding is."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from engine.encoders.pooling import SlicePooling
from engine.training.loop import Run
from engine.training.pooling import Study, mixed_study, study_loss, top_slice_hits


def fresh(folder):
    torch.manual_seed(0)
    return Run(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1)), folder, seed=3, rate=1e-2, decay=0.01)


def loss_of(run):
    def loss(rng):
        x = torch.from_numpy(rng.standard_normal((8, 3))).float()
        return ((run.module(x) - x.sum(1, keepdim=True)) ** 2).mean()

    return loss


def test_a_killed_run_ends_with_the_very_numbers_of_an_unbroken_one(tmp_path):
    whole = fresh(tmp_path / "whole")
    whole.train(loss_of(whole), 30, every=10)
    killed = fresh(tmp_path / "killed")
    killed.train(loss_of(killed), 30, every=10, cancelled=lambda: killed.step == 17)
    assert killed.step == 17
    resumed = fresh(tmp_path / "killed")
    resumed.resume()
    assert resumed.step == 17
    resumed.train(loss_of(resumed), 30, every=10)
    for a, b in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_progress_says_steps_loss_and_time_left(tmp_path):
    lines = []
    run = fresh(tmp_path)
    run.train(loss_of(run), 20, every=10, report=lambda done, total, text: lines.append((done, total, text)))
    assert [line[:2] for line in lines] == [(10, 20), (20, 20)]
    assert "loss" in lines[0][2] and "s left" in lines[0][2]


def test_a_loss_that_is_not_a_number_stops_the_run_with_a_sentence(tmp_path):
    run = fresh(tmp_path)
    with pytest.raises(ValueError, match="no longer a number at step 0"):
        run.train(lambda rng: run.module(torch.full((1, 3), torch.nan)).sum(), 5)


def made_studies(count, seed):
    """Studies of 12 slices in 40 dimensions; a finding shifts two neighbouring slices along one direction."""
    g = torch.Generator().manual_seed(seed)
    studies = []
    for _ in range(count):
        slices, share = torch.randn(12, 40, generator=g), torch.zeros(12)
        at = int(torch.randint(0, 11, (1,), generator=g))
        slices[at : at + 2, :4] += 2.5
        share[at : at + 2] = 0.5
        studies.append(Study(slices, share))
    return studies


def test_attention_learns_which_slices_hold_the_finding_in_studies_it_has_not_seen(tmp_path):
    torch.manual_seed(0)
    pooling, studies = SlicePooling(40), made_studies(60, 1)
    before = np.mean(top_slice_hits(pooling, made_studies(60, 2)))
    run = Run(pooling, tmp_path, seed=0, rate=5e-3, decay=0.01)

    def loss(rng):
        return torch.stack([study_loss(pooling, studies[i], rng) for i in rng.integers(0, 60, 8)]).mean()

    run.train(loss, 150)
    after = np.mean(top_slice_hits(pooling, made_studies(60, 2)))
    assert before < 0.4 and after > 0.8


def test_untrained_attention_is_the_plain_mean_and_one_slice_is_itself():
    slices = torch.randn(7, 30)
    pooling = SlicePooling(30)
    assert torch.allclose(pooling(slices), slices.mean(0), atol=1e-6)
    assert torch.allclose(pooling(slices[:1]), slices[0], atol=1e-6)


def test_a_study_of_real_pictures_marks_the_abnormal_ones():
    embeddings = torch.arange(40.0)[:, None].expand(40, 5)
    normal = np.arange(40) >= 10
    for seed in range(30):
        study = mixed_study(embeddings, normal, 12, np.random.default_rng(seed))
        assert ((study.embeddings[:, 0] < 10) == (study.share > 0)).all()
        assert len(study.share) == 12 and float(study.share.sum()) in (0.0, pytest.approx(1.0))


def test_the_command_trains_from_a_config_and_writes_weights_that_the_encoder_takes(tmp_path):
    """Two synthetic studies that stand in for phantoms already made; a few steps; the shape of the shipped file."""
    from engine.encoders import load_encoder

    d = load_encoder().embedder.dimensions
    (tmp_path / "run" / "phantoms").mkdir(parents=True)
    for seed in (1, 2):
        tensors = {"embeddings": torch.randn(6, d).half(), "share": torch.tensor([0, 0, 1.0, 0, 0, 0])}
        save_file(tensors, tmp_path / "run" / "phantoms" / f"{seed}.safetensors")
    (tmp_path / "small.toml").write_text(
        'what = "pooling"\nseed = 1\n[data]\nfirst_seed = 1\nphantoms = 2\nhospitals = ["A"]\ncorpus = ""\n'
        "pictures = 4\n[train]\nsteps = 3\nbatch = 2\nrate = 1e-3\ndecay = 0.0\nshare = 0.5\nevery = 1\n"
    )
    command = [sys.executable, "-m", "engine", "train", str(tmp_path / "small.toml"), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert "3/3 loss" in done.stderr
    SlicePooling(d).load_state_dict({k: v.float() for k, v in load_file(done.stdout.strip()).items()})


def test_an_unknown_config_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "odd.toml").write_text('what = "dreams"\n')
    command = [sys.executable, "-m", "engine", "train", str(tmp_path / "odd.toml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "dreams" in done.stderr and "Traceback" not in done.stderr
