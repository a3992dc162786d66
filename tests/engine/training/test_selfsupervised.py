"""Self-supervised steps: the loss is the paper's, no label has a say, and a killed run is the same run."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.encoders.encoder import TRAINED_FILE
from engine.training.encoder import prepare, shares, train
from engine.training.selfsupervised import contrast_loss, pretrain
from tests.engine.training.test_encoder_training import archive, config


def test_the_loss_is_that_of_the_paper():
    """Equation 1, written out for one pair after the other."""
    views = torch.nn.functional.normalize(torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    total = 0.0
    for i in range(6):
        j = (i + 3) % 6
        others = sum(torch.exp(views[i] @ views[k] / 0.5) for k in range(6) if k != i)
        total -= torch.log(torch.exp(views[i] @ views[j] / 0.5) / others)
    torch.testing.assert_close(contrast_loss(views[:3], views[3:], 0.5), total / 6)
    same = contrast_loss(views[:3], views[:3], 0.1)
    assert same < contrast_loss(views[:3], views[[1, 2, 0]], 0.1)


def trained(tmp_path, name, labels=None):
    settings = config(tmp_path / "sets", 1)
    settings["train"] |= {"self_supervised": 2, "every": 1}
    module, _ = prepare(settings, tmp_path / name)
    if labels is not None:
        module.sources[0].labels.copy_(labels)
    before = {k: v.clone() for k, v in module.network.state_dict().items()}
    pretrain(module, module.sources, shares(module.sources), settings["train"], tmp_path / name, 1, lambda *a: None)
    return before, module.network.state_dict()


def test_the_deep_blocks_move_and_no_label_has_a_say(tmp_path):
    (tmp_path / "sets").mkdir()
    archive(tmp_path / "sets")
    before, after = trained(tmp_path, "one")
    moved = {k for k in after if not torch.equal(before[k], after[k])}
    assert moved and not any(k.startswith(("stem", "blocks.0.")) for k in moved)
    other = trained(tmp_path, "two", torch.from_numpy(np.random.default_rng(0).integers(0, 2, 24)))[1]
    assert all(torch.equal(after[k], other[k]) for k in after)


def test_a_run_that_is_killed_in_either_half_is_the_same_run(tmp_path):
    (tmp_path / "sets").mkdir()
    archive(tmp_path / "sets")
    settings = config(tmp_path / "sets", 2)
    settings["train"] |= {"self_supervised": 2, "every": 1}
    told = []
    whole = load_file(train(settings, tmp_path / "whole", lambda *said: told.append(said)) / TRAINED_FILE)
    assert sum("loss" in said[2] for said in told) == 4

    def kill_after(count):
        def report(done, total, text):
            nonlocal left
            left -= "loss" in text
            if left == 0:
                raise KeyboardInterrupt

        left = count
        return report

    for count in (1, 2):  # in the first half, then in the second
        with pytest.raises(KeyboardInterrupt):
            train(settings, tmp_path / "parts", kill_after(count))
    parts = load_file(train(settings, tmp_path / "parts", lambda *said: None) / TRAINED_FILE)
    assert all(torch.equal(whole[k], parts[k]) for k in whole)
