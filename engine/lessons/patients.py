"""Why a patient must not be split: labels drawn by lot, a patient at a time, and the accuracy that isn't.

There is nothing to learn: heads or tails says nothing about a scan. Yet with slices of one patient on both sides the
learner recognises the patient, and so the label. Leakage of this kind: Roberts et al. 2021, Nature Machine
Intelligence 3, 199.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.learners import Learner, Support, learner
from engine.lessons import pictures, scans
from engine.phantoms.demo import SLICES, demo_series

PATIENTS = 16  # eight of each hospital
AT = (10, 11, 12, 13)  # slices of each patient, neighbours 5 mm apart
DRAWS = 20  # of the lot, for the average
CLASSES = ("heads", "tails")


@cache
def slices() -> tuple[Tensor, tuple[str, ...], tuple[str, ...]]:
    """(64, d) embeddings of four slices of each patient, patient by patient, the patients, and a picture of each
    slice of the first four patients."""
    encoder, rows, names, shown = scans.encoder(), [], [], []
    series = demo_series()
    chosen = [*series[: PATIENTS // 2], *series[len(series) // 2 :][: PATIENTS // 2]]
    for number, each in enumerate(chosen):
        views = encoder.views(scans.volume(each, AT))
        with torch.no_grad():
            rows.append(encoder.embed_views(views))
        names += [each.patient] * len(AT)
        if number < 4:
            shown += [pictures.png(np.round(view[0].numpy()[::2, ::2] * 255).astype(np.uint8)) for view in views]
    assert max(AT) < SLICES
    return torch.cat(rows), tuple(names), tuple(shown)


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"slice" | "patient": {"right", "count", "shares": [DRAWS], "mean"}, "pictures": four rows of four, "lot": the
    class of those four patients}; `shares` right in DRAWS lots, `right` and `count` of the first, this seed's.

    No interval: slices of one patient are not independent, so that one for so many slices would be wrong.
    """
    method, seed = learner(settings["learner"]), settings["seed"]
    told: dict[str, Any] = {}
    for how in ("slice", "patient"):
        counts = [by(how, method, settings["taught"], seed + k) for k in range(DRAWS)]
        shares = [right / count for right, count in counts]
        told[how] = {
            "right": counts[0][0],
            "count": counts[0][1],
            "shares": [round(share, 3) for share in shares],
            "mean": round(sum(shares) / DRAWS, 3),
        }
    shown = list(slices()[2])
    return told | {
        "pictures": [shown[4 * k : 4 * k + 4] for k in range(4)],
        "lot": [CLASSES[int(c)] for c in lot(seed)[:4]],
        "patients": PATIENTS,
        "draws": DRAWS,
    }


def lot(seed: int) -> Tensor:
    """(PATIENTS,) heads or tails, eight of each."""
    return torch.randperm(PATIENTS, generator=torch.Generator().manual_seed(seed)) % 2


def by(how: str, method: Learner, taught: int, seed: int) -> tuple[int, int]:
    """Right and asked. "slice": `taught` slices of every patient teach, the others are asked. "patient": all slices
    of half of the patients teach, four of each class, the others are asked."""
    rows, names, _ = slices()
    label = lot(seed).repeat_interleave(len(AT))
    which = torch.arange(len(label))
    if how == "slice":
        teach = which % len(AT) < taught
    else:
        order = lot(seed).argsort(stable=True)  # all heads, then all tails
        half = torch.cat([order[: PATIENTS // 4], order[PATIENTS // 2 : PATIENTS // 2 + PATIENTS // 4]])
        teach = torch.isin(which // len(AT), half)
    groups = tuple(name for name, chosen in zip(names, teach.tolist(), strict=True) if chosen)
    adapted = method.adapt(Support(rows[teach], label[teach], CLASSES, groups), seed=seed)
    with torch.no_grad():
        said = adapted.logits(rows[~teach]).argmax(1)
    return int((said == label[~teach]).sum()), int((~teach).sum())
