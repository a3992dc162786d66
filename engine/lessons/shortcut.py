"""The shortcut: at home a scanner's mark tells the class. The model is perfect there, and lost in another hospital.

Home: every picture with the finding bears the mark, no other does. Abroad the scanner marks every picture. Labelling
some pictures of both hospitals makes the mark worthless as a clue, so that the finding is what is left to learn.
Shortcut learning: Geirhos et al. 2020, arXiv 2004.07780.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.evidence.ranges import exact_interval
from engine.learners import Adapted, Support, learner
from engine.lessons import maps, marked, pictures, scans
from engine.lessons.marked import Picture

HOME, ABROAD = "A", "B"
LABELLED = 6  # patients, two pictures each
SICK = 1
METHOD = "stages"  # the map that resolves a mark of a tenth of the picture's side


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"home" | "abroad": {"right", "count", "low", "high"}, "energy", "even", "cases": [{"place", "picture", "map",
    "sick", "said", "probability"}], "labelled"}

    `energy`: share of the map of a sick picture at home that lies on the mark's corner; `even`: the corner's share of
    the area.
    """
    shown = settings["mark"] == "on"
    taught, home, abroad = groups(settings["rise"], settings["taught"], shown)
    model = learner(settings["learner"]).adapt(support(taught))
    one = {"home": next(p for p in home if p.sick), "abroad": next(p for p in abroad if not p.sick)}
    told = {place: _case(model, picture, place) for place, picture in one.items()}
    return {
        "home": score(model, home),
        "abroad": score(model, abroad),
        "energy": told["home"].pop("energy"),
        "even": round(float(marked.on_mark(np.zeros((128, 128))).mean()), 3),
        "cases": [{k: v for k, v in case.items() if k != "energy"} for case in told.values()],
        "labelled": len(taught),
    }


def groups(rise: float, taught: str, marks: bool) -> tuple[list[Picture], list[Picture], list[Picture]]:
    """What is labelled, what is asked at home, what is asked abroad; no patient is in two of them."""
    at_home, elsewhere = ("sick", "all") if marks else ("none", "none")
    home = marked.make(rise, HOME, at_home)
    abroad = marked.make(rise, ABROAD, elsewhere)
    own, foreign = (home[: 2 * LABELLED], []) if taught == "home" else (home[:LABELLED], abroad[:LABELLED])
    return own + foreign, home[2 * LABELLED :], abroad[2 * LABELLED :]


def embeddings(shown: list[Picture]) -> Tensor:
    """(n, d), each picture a case of one slice."""
    encoder = scans.encoder()
    with torch.no_grad():
        return encoder.pool(encoder.embed_views(torch.stack([p.view for p in shown]))[:, None])


def support(taught: list[Picture]) -> Support:
    targets = torch.tensor([int(p.sick) for p in taught])
    return Support(embeddings(taught), targets, ("healthy", "sick"), tuple(p.patient for p in taught))


def score(model: Adapted, asked: list[Picture]) -> dict[str, Any]:
    with torch.no_grad():
        said = model.logits(embeddings(asked)).argmax(1)
    right = int((said == torch.tensor([int(p.sick) for p in asked])).sum())
    low, high = exact_interval(right, len(asked))
    return {"right": right, "count": len(asked), "low": round(low, 3), "high": round(high, 3)}


def _case(model: Adapted, picture: Picture, place: str) -> dict[str, Any]:
    """A picture, the map of "sick" over it, and what the model says."""
    with torch.no_grad():
        probability = float(model.probabilities(embeddings([picture]))[0, SICK])
    marks = maps.drawn(maps.explained(scans.encoder(), model, SICK, picture.view), picture.view, METHOD)[0].numpy()
    grey = np.round(picture.view[0].numpy() * 255).astype(np.uint8)
    return {
        "place": place,
        "picture": pictures.png(grey),
        "map": pictures.png(pictures.warm(grey, marks)),
        "sick": picture.sick,
        "said": probability > 0.5,
        "probability": round(probability, 3),
        "energy": round(maps.energy(marks, marked.on_mark(marks)), 3),
    }
