"""Prototypes move as you label: the demo's cases on a plane, and what two learners make of the labels given so far.

The learners see the two numbers that are drawn and nothing else, so the picture is the whole truth. Nearest mean
(`protonet`, Snell et al. 2017) and attention (`matching`, Vinyals et al. 2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.learners import Support
from engine.learners.matching import PLAIN, Matching, log_attention
from engine.learners.protocol import class_means, class_weights
from engine.learners.protonet import ProtoNet
from engine.lessons import plane
from engine.lessons.plan import Labels


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"points": [{"x", "y", "truth", "tile"}], "share", "labels", "prototypes": {class: [x, y]}, "regions": rows of
    classes or None, "extent", "answers": [class or None], "probability": [...], "attention": [[case, weight]],
    "right", "asked"}; None where fewer than two classes are labelled."""
    where, share = plane.plane()
    labels = Labels.pairs(settings["labels"])
    told = {
        "points": plane.points(),
        "share": round(share, 3),
        "labels": {str(i): c for i, c in labels.items()},
        "prototypes": means(where, labels),
        "extent": list(plane.extent()),
        "regions": None,
        "answers": None,
        "attention": [],
    }
    if len(set(labels.values())) < 2:
        return told
    support = plane.support(labels)
    adapted = (Matching(PLAIN) if settings["learner"] == "matching" else ProtoNet()).adapt(support)
    with torch.no_grad():
        sure, answer = adapted.probabilities(where).max(1)
    answers = [support.classes[k] for k in answer.tolist()]
    free, truth = plane.asked(labels), plane.truth()
    return told | {
        "regions": plane.regions(adapted.logits, support.classes),
        "answers": answers,
        "probability": [round(p, 3) for p in sure.tolist()],
        "attention": _attention(where, labels, support, settings["asked"]),
        "right": sum(answers[i] == truth[i] for i in free),
        "asked": len(free),
    }


def means(where: Tensor, labels: Mapping[int, str]) -> dict[str, list[float]]:
    """The mean of each class that has a labelled case (Snell et al. 2017, eq. 1)."""
    if not labels:
        return {}
    present = sorted(set(labels.values()))
    targets = torch.tensor([present.index(c) for c in labels.values()])
    found = class_means(where[list(labels)], targets, len(present))
    return {c: [round(v, 4) for v in row] for c, row in zip(present, found.tolist(), strict=True)}


def _attention(where: Tensor, labels: Mapping[int, str], support: Support, asked: int) -> list[list[float]]:
    """How much each labelled case has to say about one other case: [case, weight], summing to 1."""
    shift = support.embeddings.mean(0)
    query = where[asked : asked + 1] - shift
    found = log_attention(PLAIN, query, support.embeddings - shift, class_weights(support)).exp().mean(0)[0]
    return [[case, round(weight, 3)] for case, weight in zip(labels, found.tolist(), strict=True)]
