"""Does removing what a map marks change the answer? (Deletion: Petsiuk, Das & Saenko 2018, RISE, arXiv 1806.07421.)

The most marked places are blurred first, ever more of them; the same amount is blurred elsewhere for comparison. A
map that marks what the answer rests on lets the score fall earlier than the other places do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.encoders import Encoder
from engine.evidence.attribution import blurred
from engine.evidence.saliency import Saliency
from engine.learners import Adapted
from engine.nouns import Note, Place, Volume

STEPS = 10
ELSEWHERE = 2  # draws of other places, averaged
PATCHES = 8  # other places are smooth blobs of this many a side: pixels here and there would be noise, not blur
TOLD_AT = 0.3  # share blurred that the verdict speaks of
MATTERS = 0.05  # by so much must the score fall more than elsewhere, on average up to half blurred

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class DeletionCurve:
    """`shares` blurred (0..1), and the score left with the `marked` places or `elsewhere` blurred first."""

    shares: tuple[float, ...]
    marked: tuple[float, ...]
    elsewhere: tuple[float, ...]

    @property
    def verdict(self) -> Note:
        half = [i for i, share in enumerate(self.shares) if 0 < share <= 0.5]
        lead = sum(self.elsewhere[i] - self.marked[i] for i in half) / len(half)
        told = min(range(len(self.shares)), key=lambda i: abs(self.shares[i] - TOLD_AT))
        values = {
            "share": round(100 * self.shares[told]),
            "start": f"{self.marked[0]:.2f}",
            "marked": f"{self.marked[told]:.2f}",
            "elsewhere": f"{self.elsewhere[told]:.2f}",
        }
        return Note("evidence.deletion_yes" if lead > MATTERS else "evidence.deletion_no", values)

    def to_json(self) -> dict[str, Any]:
        return {"shares": list(self.shares), "marked": list(self.marked), "elsewhere": list(self.elsewhere)}


def deletion_curve(
    encoder: Encoder,
    adapted: Adapted,
    volume: Volume,
    saliency: Saliency,
    region: Place | None = None,
    *,
    seed: int = 0,
    tick: Tick = lambda done, total: None,
) -> DeletionCurve:
    """The curve of a map over the slices that it marks. `region`: as the map was drawn. `tick` may raise to stop."""
    views = encoder.views(volume, region=region)
    emptied = blurred(views)
    target = adapted.classes.index(saliency.label)
    side = views.shape[-1]
    marks = F.interpolate(torch.from_numpy(saliency.map)[:, None], (side, side), mode="bilinear")[:, 0]
    looked = (marks.flatten(1).abs().amax(1) > 0).view(-1, 1, 1).expand_as(marks)
    shares = [i / STEPS for i in range(STEPS + 1)]
    total, done = 2 + (1 + ELSEWHERE) * (STEPS - 1), 0

    def left(order: Tensor, share: float) -> float:
        nonlocal done
        score = _score(encoder, adapted, target, torch.lerp(views, emptied, _first(order, looked, share).to(views)))
        done += 1
        tick(done, total)
        return score

    ends = left(marks, 0.0), left(marks, 1.0)  # the same in whatever order

    def curve(order: Tensor) -> list[float]:
        return [ends[0], *(left(order, share) for share in shares[1:-1]), ends[1]]

    draw = torch.Generator().manual_seed(seed)
    on_marked = curve(marks)
    others = []
    for _ in range(ELSEWHERE):
        patches = torch.rand(len(marks), 1, PATCHES, PATCHES, generator=draw)
        others.append(curve(F.interpolate(patches, (side, side), mode="bicubic")[:, 0]))
    mean = [sum(each) / len(each) for each in zip(*others, strict=True)]
    return DeletionCurve(tuple(shares), tuple(on_marked), tuple(mean))


def _first(order: Tensor, looked: Tensor, share: float) -> Tensor:
    """(k, 1, h, w) of 0 and 1: the first `share` of the looked-at places in descending order."""
    ranked = order.where(looked, torch.full_like(order, -torch.inf)).flatten()
    mask = torch.zeros_like(ranked)
    mask[ranked.topk(round(share * int(looked.sum()))).indices] = 1.0
    return mask.view_as(order)[:, None]


def _score(encoder: Encoder, adapted: Adapted, target: int, views: Tensor) -> float:
    with torch.inference_mode():
        pooled = encoder.pool(torch.cat([encoder.embed_views(part) for part in views.split(32)]))
        return float(adapted.probabilities(pooled[None].cpu())[0, target])
