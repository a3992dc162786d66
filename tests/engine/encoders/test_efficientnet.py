"""The shipped networks are Google's EfficientNet-Lite0 and Lite2: same numbers as the packages they came from."""

import hashlib

import pytest
import torch

from engine.encoders.efficientnet import SHALLOW_MAPS, SideBySide, fold
from engine.encoders.encoder import WEIGHTS, load_network, network_file

SHA256 = {
    "lite0": "1d4fbfdb13e445b01756ba57f4b2eaea878c5a1a66eef8272b75ee9770572417",
    "lite2": "339c8ff686551ba7b851fd58cfa78417b634b5d91988462db876898dcfdfe2f9",
}
# The eight strongest of 1,280 head channels, the norm of their means and of their spreads, as efficientnet-lite-pytorch
# 0.1.0 gives them with its own 32-bit weights on `picture(side)`. It pads every picture as one of its training's size
# (224 and 260 px); TensorFlow and ours pad by the picture at hand, and a side of 132 meets odd halves where 260 does.
SIDE = {"lite0": 96, "lite2": 132}
STRONGEST = {
    "lite0": {1157: 6.0, 834: 6.0, 238: 5.9732, 814: 5.9347, 518: 5.8281, 77: 5.7847, 130: 5.7407, 848: 5.6929},
    "lite2": {966: 5.8013, 1145: 3.9422, 951: 3.8305, 820: 3.6963, 818: 3.643, 336: 3.4659, 995: 3.1223, 772: 3.0075},
}
NORMS = {"lite0": (37.0228, 14.1612), "lite2": (16.9644, 13.274)}
NAMES = pytest.mark.parametrize("name", ["lite0", "lite2"])


def picture(side: int) -> torch.Tensor:
    """(1, 3, side, side): a ramp along rows, one along columns, and a disc."""
    y, x = torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij")
    radius = 30 if side == 96 else 40
    disc = ((x - side // 2) ** 2 + (y - side // 2) ** 2 < radius**2).float()
    return torch.stack([x / (side - 1), y / (side - 1), disc])[None]


@NAMES
def test_the_weights_are_the_file_that_the_card_describes(name):
    assert hashlib.sha256((WEIGHTS / network_file(name)).read_bytes()).hexdigest() == SHA256[name]
    assert SHA256[name] in (WEIGHTS / f"{name}.md").read_text("utf-8")


@NAMES
def test_the_head_answers_as_the_original_package_does(name):
    with torch.inference_mode():
        head = load_network(name)(picture(SIDE[name]))[-1][0]
    means = head.mean((1, 2))
    for channel, value in STRONGEST[name].items():
        assert abs(means[channel].item() - value) < 0.06  # 16-bit storage
    norm, spread = NORMS[name]
    assert abs(means.norm().item() - norm) < 0.1
    assert abs(head.std((1, 2), correction=0).norm().item() - spread) < 0.1


@NAMES
def test_folding_batch_norms_changes_nothing(name):
    with torch.inference_mode():
        before = load_network(name)(picture(96))
        after = fold(load_network(name))(picture(96))
    for a, b in zip(before, after, strict=True):
        assert torch.allclose(a, b, atol=1e-3)


@pytest.mark.parametrize(("name", "widths"), [("lite0", (16, 24, 40, 112, 320)), ("lite2", (16, 24, 48, 120, 352))])
def test_maps_shrink_as_the_paper_says_also_for_odd_sides(name, widths):
    with torch.inference_mode():
        sides = [tuple(m.shape[1:]) for m in load_network(name)(torch.zeros(1, 3, 101, 64))]
    halves = [(51, 32), (26, 16), (13, 8), (7, 4), (4, 2)]
    assert sides == [(w, *side) for w, side in zip(widths, halves, strict=True)] + [(1280, 4, 2)]


def test_side_by_side_each_network_answers_as_alone():
    one, other = load_network("lite2"), load_network("lite0")
    with torch.inference_mode():
        maps = SideBySide(one, other)(picture(101))
        alone = [*one(picture(101)), *other(picture(101))[SHALLOW_MAPS:]]
    assert len(maps) == len(alone) == 9
    for a, b in zip(maps, alone, strict=True):
        assert torch.equal(a, b)
