"""Where an answer comes from: a map over a case's slices on the *adapted* model, with the checks that come with it.

A map alone proves nothing. Each carries how far its parts add up to the answer (convergence) and how much it looks
like the map of a model that learned nothing (Adebayo et al. 2018, arXiv 1810.03292); `deletion.py` tests whether what
it marks matters. `benchmarks/saliency.py` scores all methods against the phantoms' lesion masks.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor

from engine.encoders import Encoder
from engine.encoders.framing import Frame
from engine.evidence.attribution import (
    GRAIN,
    METHODS,
    SLICES_AT_MOST,
    Attribution,
    Explained,
    blurred,
    slice_effects,
    smooth,
)
from engine.learners import Adapted
from engine.nouns import Geometry, Note, Place, Volume

GRID = 64  # rows and columns of a map: twice coarser than the views, finer than any method resolves
STRONGEST = 5  # slices named
ROUGH = 0.1  # relative convergence above which a map's details are not to be read
OUTWEIGHED = 2.0  # times what speaks for the class
UNSPECIFIC = 0.5  # rank correlation with a random model's map above which it shows the picture, not the answer


@dataclass(frozen=True)
class Saliency:
    """A map over a case, on a grid of its own.

    `map` float32 (slices, rows, columns): above 0 speaks for the class `label`, below against it; `geometry` places
    it in the patient. `slices`: the case's slice of each map slice. `strongest`: the case's slices whose marks for
    the class weigh most, strongest first. `convergence` and `likeness` as in the module's text; None where a method
    has no convergence, or likeness was not asked for. `verdict`: the check in a word.
    """

    map: np.ndarray
    geometry: Geometry
    slices: tuple[int, ...]
    strongest: tuple[int, ...]
    method: str
    label: str
    convergence: float | None
    likeness: float | None
    verdict: Note

    def page(self) -> np.ndarray:
        """uint8 (slices, rows, columns) for the viewer, which draws what speaks for the class: 0 nothing, 255 the
        strongest such mark, however strong those against it are (`outweighed` says so)."""
        marks = np.clip(self.map, 0, None)
        top = float(marks.max())
        return np.zeros(self.map.shape, np.uint8) if top == 0 else np.round(255 * marks / top).astype(np.uint8)

    @property
    def outweighed(self) -> bool:
        """Whether marks against the class weigh far more than those for it: then what is drawn is not why."""
        return float(-self.map.clip(max=0).sum()) > OUTWEIGHED * float(self.map.clip(min=0).sum())

    def to_json(self) -> dict[str, Any]:
        """Everything but the map."""
        return {
            "shape": list(self.map.shape),
            "geometry": self.geometry.to_json(),
            "slices": list(self.slices),
            "strongest": list(self.strongest),
            "method": self.method,
            "label": self.label,
            "convergence": self.convergence,
            "likeness": self.likeness,
            "verdict": self.verdict.to_json(),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], map: np.ndarray) -> Saliency:
        return cls(
            map,
            Geometry.from_json(raw["geometry"]),
            tuple(raw["slices"]),
            tuple(raw["strongest"]),
            raw["method"],
            raw["label"],
            raw["convergence"],
            raw["likeness"],
            Note.from_json(raw["verdict"]),
        )

    def save(self, path: Path) -> None:
        """Write as npz under another name first; the description stands in it as JSON text."""
        part = path.with_name(path.name + ".part")
        with part.open("wb") as out:
            np.savez_compressed(out, map=self.map, about=np.array(json.dumps(self.to_json())))
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Saliency:
        with np.load(path, allow_pickle=False) as raw:
            return cls.from_json(json.loads(str(raw["about"])), raw["map"])


def explain(
    encoder: Encoder,
    adapted: Adapted,
    volume: Volume,
    *,
    target: int | None = None,
    method: str = "gradcam",
    region: Place | None = None,
    check: bool = True,
    seed: int = 0,
) -> Saliency:
    """The map of one case for one class (its most likely one by default).

    `region`: as given to `Encoder.encode`. `check`: also draw the map of a random model and compare (doubles the
    time). Raises ValueError for an unknown method or a region outside the volume.
    """
    if method not in METHODS:
        raise ValueError(f"There is no map called '{method}'. Choose one of: {', '.join(METHODS)}.")
    frame = encoder.frame(volume, region)
    views = encoder.views(volume, region=region)
    with torch.no_grad():
        embeddings = torch.cat([encoder.embed_views(part) for part in views.split(32)])
        scores = adapted.logits(encoder.pool(embeddings)[None].cpu())[0]
    target = int(scores.argmax()) if target is None else target
    model = Explained(encoder, adapted, target, embeddings, list(range(len(views))))
    drawn = _draw(model, views, method)
    likeness = None
    if check:
        stranger = randomised(model, views, seed)
        likeness = rank_likeness(drawn.map, _draw(stranger, views, method, drawn.chosen).map)
    grid, geometry = _placed(drawn, frame, volume.geometry)
    weight = np.clip(grid, 0, None).sum((1, 2))
    order = [int(i) for i in np.argsort(-weight, kind="stable") if weight[i] > 0][:STRONGEST]
    return Saliency(
        grid,
        geometry,
        frame.slices,
        tuple(frame.slices[i] for i in order),
        method,
        adapted.classes[target],
        drawn.convergence,
        likeness,
        _verdict(grid, drawn.convergence, likeness),
    )


@dataclass(frozen=True)
class Drawn:
    """A map over all views (k, rows, columns), zero where a slice was not chosen."""

    map: Tensor
    convergence: float | None
    chosen: list[int]


def _draw(model: Explained, views: Tensor, method: str, chosen: list[int] | None = None) -> Drawn:
    emptied = blurred(views)
    most = SLICES_AT_MOST.get(method, len(views))
    if chosen is None and most >= len(views):
        chosen = list(range(len(views)))
    elif chosen is None:
        chosen = sorted(slice_effects(model, views, emptied).abs().topk(most).indices.tolist())
    found: Attribution = METHODS[method](model.of(chosen), views[chosen], emptied[chosen])
    marks = smooth(found.map, GRAIN[method] * views.shape[-1] / 128) if method in GRAIN else found.map
    whole = torch.zeros(len(views), *marks.shape[1:])
    whole[chosen] = marks
    return Drawn(whole, found.convergence, chosen)


def randomised(model: Explained, views: Tensor, seed: int) -> Explained:
    """The same question to a model that learned nothing: network weights drawn anew layer by layer, a random head."""
    draw = torch.Generator().manual_seed(seed)
    embedder = copy.deepcopy(model.network)
    for module in embedder.network.modules():
        if isinstance(module, torch.nn.Conv2d):
            fan_in = module.weight[0].numel()
            fresh = torch.randn(module.weight.shape, generator=draw) * (2 / fan_in) ** 0.5  # He et al. 2015
            module.weight.data.copy_(fresh)
            if module.bias is not None:
                module.bias.data.zero_()
    with torch.no_grad():
        embeddings = torch.cat([embedder(part) for part in views.split(32)])
    rows = torch.randn(len(model.adapted.classes), embeddings.shape[1], generator=draw)
    head = replace(model.adapted, score=lambda x: x @ rows.T, prototypes=None, temperature=1.0)
    encoder = copy.copy(model.encoder)
    encoder.embedder = embedder
    return Explained(encoder, head, model.target, embeddings, model.chosen)


def rank_likeness(one: Tensor, other: Tensor) -> float:
    """Spearman correlation of two maps' sizes on the coarse grid, over the places where either says something."""
    a, b = _coarse(one).abs().flatten().numpy(), _coarse(other).abs().flatten().numpy()
    said = (a > 0) | (b > 0)
    if said.sum() < 2 or np.ptp(a[said]) == 0 or np.ptp(b[said]) == 0:
        return 0.0
    return float(spearmanr(a[said], b[said]).statistic)


def _coarse(maps: Tensor) -> Tensor:
    """(k, h, w) -> (k, GRID, GRID): averaged down, or interpolated up where the method is coarser."""
    if maps.shape[-1] > GRID:
        return F.adaptive_avg_pool2d(maps[:, None], GRID)[:, 0]
    return F.interpolate(maps[:, None], (GRID, GRID), mode="bilinear", align_corners=False)[:, 0]


def _placed(drawn: Drawn, frame: Frame, geometry: Geometry) -> tuple[np.ndarray, Geometry]:
    """The map on its grid and where that grid lies. The frame's slices are even to within half a slice."""
    grid = _coarse(drawn.map).numpy().astype(np.float32)
    k = len(frame.slices)
    step = (frame.slices[-1] - frame.slices[0]) / (k - 1) if k > 1 else 1.0
    row_step, col_step = (frame.row1 - frame.row0) / GRID, (frame.col1 - frame.col0) / GRID
    corner = np.array([frame.slices[0], frame.row0 + (row_step - 1) / 2, frame.col0 + (col_step - 1) / 2])
    spacing = np.array(geometry.spacing_mm) * [step, row_step, col_step]
    origin = geometry.to_mm(corner)
    return grid, replace(
        geometry,
        origin_mm=tuple(float(v) for v in origin),
        spacing_mm=tuple(float(v) for v in spacing),
    )


def _verdict(grid: np.ndarray, convergence: float | None, likeness: float | None) -> Note:
    if not np.abs(grid).max() > 0:
        return Note("evidence.map_empty")
    if likeness is not None and likeness >= UNSPECIFIC:
        return Note("evidence.map_unspecific", {"likeness": f"{likeness:.2f}"})
    if convergence is not None and convergence > ROUGH:
        return Note("evidence.map_rough", {"delta": round(100 * convergence)})
    return Note("evidence.map_sound")
