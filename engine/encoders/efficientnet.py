"""EfficientNet-Lite (Google 2020, Apache-2.0): the network of EfficientNet-B0 (Tan & Le 2019, arXiv 1905.11946,
Table 1) without squeeze-and-excitation and with ReLU6 in place of swish, so that it is fast on a CPU; Lite2 is 1.1
times as wide and 1.2 times as deep as Lite0.

Names of the weights are this file's own; `assets/weights/lite0.md` and `lite2.md` tell where the numbers come from.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# One row a stage: expansion, kernel, stride of the first block, output channels, blocks (paper, Table 1; Lite2's scaled
# as its section 5.1 says, but that the first and the last stage keep their one block).
STAGES = {
    "lite0": (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ),
    "lite2": (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 3),
        (6, 5, 2, 48, 3),
        (6, 3, 2, 88, 4),
        (6, 5, 1, 120, 4),
        (6, 5, 2, 208, 5),
        (6, 3, 1, 352, 1),
    ),
}
STEM, HEAD = 32, 1280
BATCH_NORM_EPS = 1e-3  # as in the TensorFlow original
# The stages whose maps the embedding pools: the last map of each resolution (1/2, 1/4, 1/8, 1/16, 1/32) and the head.
POOLED = (0, 1, 2, 4, 6)
SHALLOW_MAPS = 3  # of them, those at 1/2, 1/4 and 1/8 of the pixels
# Blocks before the deep ones, up to the first of the fifth stage. Our own training leaves them as they are: edges and
# textures serve every picture. What comes out of them, at 1/16 of the pixels, is the last map that everything deeper
# rests on: Grad-CAM looks at it (`middle`).
DEEP_STAGE = 4


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm and ReLU6, padded as TensorFlow's "SAME" (more at the lower right)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True):
        super().__init__()
        self.stride, self.kernel, self.active = stride, kernel, active
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (max((-(-n // self.stride) - 1) * self.stride + self.kernel - n, 0) for n in x.shape[-2:])
        around = (rows // 2, columns // 2)
        if rows % 2 or columns % 2:  # one more at the lower right: a convolution can't, so zeros are put there first
            x, around = F.pad(x, (around[1], columns - around[1], around[0], rows - around[0])), (0, 0)
        conv = self.conv
        x = self.norm(F.conv2d(x, conv.weight, conv.bias, self.stride, around, groups=conv.groups))
        return F.relu6(x, inplace=True) if self.active else x  # nothing else needs what it overwrites


class Block(nn.Module):
    """Inverted residual: widen, filter each channel by itself, narrow; added to its input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        wide = inputs * expansion
        self.expand = ConvNorm(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = ConvNorm(wide, outputs, 1, active=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Lite(nn.Module):
    """(n, 3, rows, columns) in 0..1 -> the pooled maps, shallow to deep, each (n, channels, rows, columns).

    `name`: a row of STAGES. `classifier` (1000 ImageNet classes) is only there where the weights carry it: the product
    does not need it.
    """

    def __init__(self, name: str, classes: int = 0):
        super().__init__()
        table = STAGES[name]
        self.name = name
        self.channels = (*(table[i][3] for i in POOLED), HEAD)
        self.shallow_blocks = sum(row[-1] for row in table[:DEEP_STAGE]) + 1
        self.ends = tuple(sum(row[-1] for row in table[: i + 1]) for i in POOLED)  # blocks until a pooled stage is done
        self.stem = ConvNorm(3, STEM, 3, 2)
        self.stages, width = nn.ModuleList(), STEM
        for expansion, kernel, stride, channels, count in table:
            blocks = [Block(width, channels, expansion, kernel, stride)]
            blocks += [Block(channels, channels, expansion, kernel, 1) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*blocks))
            width = channels
        self.head = ConvNorm(width, HEAD, 1)
        self.middle = nn.Identity()
        self.classifier = nn.Linear(HEAD, classes) if classes else None

    def forward(self, x: Tensor) -> list[Tensor]:
        maps, x = self.shallow(x)
        return [*maps, *self.deep(self.middle(x))]

    @property
    def blocks(self) -> list[nn.Module]:
        """All blocks in order, across stages."""
        return [block for stage in self.stages for block in stage]

    def shallow(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """(n, 3, rows, columns) -> the maps pooled among the shallow blocks, and the map that the others start from."""
        x = self.stem((x * 255.0 - 127.0) / 128.0)  # the original's own scaling
        maps = []
        for number, block in enumerate(self.blocks[: self.shallow_blocks], start=1):
            x = block(x)
            if number in self.ends:
                maps.append(x)
        return maps, x

    def deep(self, x: Tensor) -> list[Tensor]:
        """The map of the shallow blocks -> the deeper maps that are pooled, and the head's."""
        maps = []
        for number, block in enumerate(self.blocks[self.shallow_blocks :], start=self.shallow_blocks + 1):
            x = block(x)
            if number in self.ends:
                maps.append(x)
        return [*maps, self.head(x)]

    def logits(self, x: Tensor) -> Tensor:
        """(n, classes) ImageNet logits; used to check the converted weights against the original package."""
        if self.classifier is None:
            raise ValueError("these weights carry no ImageNet classifier")
        return self.classifier(self(x)[-1].mean((2, 3)))


class SideBySide(nn.Module):
    """A network as ImageNet left it, and beside it another whose deep blocks our training moved.

    Training makes most questions easier and a few harder; keeping an untouched network keeps what was known, and two
    networks that were not made alike err less alike. Maps: all of `untouched`, then the deep ones of `trained`. Both
    networks' middle maps are laid one upon the other there, so that `middle` is still what all deeper maps rest on.
    """

    def __init__(self, untouched: Lite, trained: Lite):
        super().__init__()
        self.untouched, self.trained = untouched, trained
        self.channels = (*untouched.channels, *trained.channels[SHALLOW_MAPS:])
        self.middle = nn.Identity()

    def forward(self, x: Tensor) -> list[Tensor]:
        maps, ours = self.untouched.shallow(x)
        both = self.middle(torch.cat([ours, self.trained.shallow(x)[1]], 1))
        ours, theirs = both[:, : ours.shape[1]], both[:, ours.shape[1] :]
        return [*maps, *self.untouched.deep(ours), *self.trained.deep(theirs)]


def fold(network: nn.Module) -> nn.Module:
    """Put each batch norm into the convolution before it, in place: the same function, a fifth faster on a CPU."""
    network.eval()
    for module in network.modules():
        if isinstance(module, ConvNorm) and isinstance(module.norm, nn.BatchNorm2d):
            module.conv, module.norm = fuse_conv_bn_eval(module.conv, module.norm), nn.Identity()
    return network
