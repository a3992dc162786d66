"""The shipped network is Google's EfficientNet-Lite0: same file, same numbers as the package it came from."""

import hashlib

import torch
from safetensors.torch import load_file

from engine.encoders.efficientnet import Lite0, fold
from engine.encoders.encoder import NETWORK_FILE, WEIGHTS

SHA256 = "1d4fbfdb13e445b01756ba57f4b2eaea878c5a1a66eef8272b75ee9770572417"
# The eight strongest of 1,280 head channels, by efficientnet-lite-pytorch 0.1.0 with its own 32-bit weights.
STRONGEST = {1157: 6.0, 834: 6.0, 238: 5.9732, 814: 5.9347, 518: 5.8281, 77: 5.7847, 130: 5.7407, 848: 5.6929}
NORM, SPREAD_NORM = 37.0228, 14.1612


def picture() -> torch.Tensor:
    """(1, 3, 96, 96): a ramp along rows, one along columns, and a disc."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    return torch.stack([x / 95, y / 95, ((x - 48) ** 2 + (y - 48) ** 2 < 900).float()])[None]


def network() -> Lite0:
    made = Lite0()
    made.load_state_dict({k: v.float() for k, v in load_file(WEIGHTS / NETWORK_FILE).items()}, strict=False)
    return made.eval()


def test_the_weights_are_the_file_that_the_card_describes():
    assert hashlib.sha256((WEIGHTS / NETWORK_FILE).read_bytes()).hexdigest() == SHA256
    assert SHA256 in (WEIGHTS / "lite0.md").read_text("utf-8")


def test_the_head_answers_as_the_original_package_does():
    with torch.inference_mode():
        head = network()(picture())[-1][0]
    means = head.mean((1, 2))
    for channel, value in STRONGEST.items():
        assert abs(means[channel].item() - value) < 0.03  # 16-bit storage
    assert abs(means.norm().item() - NORM) < 0.1
    assert abs(head.std((1, 2), correction=0).norm().item() - SPREAD_NORM) < 0.1


def test_folding_batch_norms_changes_nothing():
    with torch.inference_mode():
        before = network()(picture())
        after = fold(network())(picture())
    for a, b in zip(before, after, strict=True):
        assert torch.allclose(a, b, atol=1e-3)


def test_maps_shrink_as_the_paper_says_also_for_odd_sides():
    with torch.inference_mode():
        sides = [tuple(m.shape[1:]) for m in network()(torch.zeros(1, 3, 101, 64))]
    assert sides == [(16, 51, 32), (24, 26, 16), (40, 13, 8), (112, 7, 4), (320, 4, 2), (1280, 4, 2)]
