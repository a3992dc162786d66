"""What a saliency map can and cannot say: the map of a model that learned beside that of one that did not.

The second model has weights drawn at random, layer by layer (`engine.evidence.saliency.randomised`), as in Adebayo et
al. 2018, arXiv 1810.03292. A map that looks the same for both shows the picture, not what was learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from engine.evidence.saliency import UNSPECIFIC, randomised, rank_likeness
from engine.learners import Support, learner
from engine.lessons import maps, pictures, scans
from engine.phantoms.demo import demo_mask

SIDE = 128


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"picture", "left", "right": PNGs, "real": "left" or "right", "likeness", "unspecific", "energy": {"real",
    "random", "even"}, "said", "truth"}

    The learner saw the other cases alone. `energy`: share of the marks for the class within the finding's own pixels;
    `even`: the finding's share of the picture.
    """
    case = settings["case"] - 1
    scan, encoder = scans.findings()[case], scans.encoder()
    model = learner("maml").adapt(others(case))
    view = encoder.views(scan.volume, region=scan.place)[0]
    with torch.no_grad():
        target = int(model.logits(scans.embeddings()[case : case + 1]).argmax())
    asked = maps.explained(encoder, model, target, view)
    stranger = randomised(asked, view[None], settings["seed"])
    real, random = (maps.drawn(each, view, settings["method"]) for each in (asked, stranger))
    likeness, inside = rank_likeness(real, random), finding(case)
    grey = np.round(view[0].numpy() * 255).astype(np.uint8)
    side = side_of(case, settings["seed"])
    drawn = {"real": real[0].numpy(), "random": random[0].numpy()}
    other = {"left": "right", "right": "left"}[side]
    energy = {name: round(maps.energy(m, maps.shrunk(inside, m.shape[-1])), 3) for name, m in drawn.items()}
    return {
        "picture": pictures.png(grey),
        side: pictures.png(pictures.warm(grey, drawn["real"])),
        other: pictures.png(pictures.warm(grey, drawn["random"])),
        "real": side,
        "likeness": round(likeness, 3),
        "unspecific": likeness >= UNSPECIFIC,
        "energy": energy | {"even": round(float(inside.mean()), 3)},
        "said": scans.FINDINGS[target],
        "truth": scan.finding,
    }


def side_of(case: int, seed: int) -> str:
    """Where the map of the model that learned hangs, by lot."""
    return "left" if np.random.default_rng((case, seed)).random() < 0.5 else "right"


def others(case: int) -> Support:
    """All cases but one, as they are."""
    kinds = [scans.FINDINGS.index(scan.finding) for scan in scans.findings()]
    rows = [i for i in range(len(kinds)) if i != case]
    targets = torch.tensor([kinds[i] for i in rows])
    return Support(scans.embeddings()[rows], targets, scans.FINDINGS, tuple(f"patient {i}" for i in rows))


def finding(case: int) -> np.ndarray:
    """Bool (SIDE, SIDE): the finding's own pixels in the view."""
    scan = scans.findings()[case]
    at = scans.encoder().frame(scan.volume, scan.place)
    whole = demo_mask(scan.series.uid)
    step = scan.volume.geometry.to_mm(np.array([at.slices[0], 0.0, 0.0]))
    s = round(float(scan.series.geometry.to_voxel(step)[0]))
    rows = np.clip(
        np.round(at.row0 + (np.arange(SIDE) + 0.5) * (at.row1 - at.row0) / SIDE - 0.5), 0, whole.shape[1] - 1
    )
    cols = np.clip(
        np.round(at.col0 + (np.arange(SIDE) + 0.5) * (at.col1 - at.col0) / SIDE - 0.5), 0, whole.shape[2] - 1
    )
    return whole[s][np.ix_(rows.astype(int), cols.astype(int))]
