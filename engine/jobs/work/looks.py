"""Ways of looking at the same cases: the whole scan, or the place where the finding is; for rows their columns.

A look gives every case one embedding. For the place, clicks teach a finder where to look; a case that a person
pointed at is embedded there, every other where the finder would look first. Which look is better for a question is
not decided here: leave-one-patient-out on the labelled cases decides (`adapt`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from engine.encoders.finder import Dense, Finder, encode_place, refine
from engine.encoders.finder import identity as finder_identity
from engine.intake import load_volume
from engine.jobs.work import encode, rooms
from engine.jobs.work.row_look import row_embeddings
from engine.nouns import Case, Note, Place

FEWEST_CLICKS = 3  # below it, what a person pointed at is too little to say where to look elsewhere
PLACES_OFFERED = 5


@dataclass(frozen=True)
class Look:
    """`embeddings`: case id -> (d,) float32. `places`: case id -> where was looked, best first (none: everywhere)."""

    name: str
    embeddings: Mapping[str, np.ndarray]
    places: Mapping[str, Sequence[Place]] = field(default_factory=dict)


def whole_look(cases: Sequence[str], regions: Mapping[str, Place]) -> Look:
    """The embedding made when the case arrived, or that of the region a person narrowed it to."""
    return Look("whole", {c: encode.whole(c, regions.get(c)).embedding for c in cases})


def row_look(table: str, cases: Mapping[str, Case], support: Sequence[str], asked: Sequence[str]) -> Look:
    """Rows of a kept table, as numbers that are scaled by the labelled rows alone. Raises Refusal."""
    return Look("row", row_embeddings(table, cases, support, asked))


def can_point(cases: Sequence[str], places: Mapping[str, Sequence[Place]]) -> bool:
    """Whether enough was pointed at, in volumes, to learn where to look."""
    return sum(1 for c in cases if places.get(c) and dense(c) is not None) >= FEWEST_CLICKS


def place_look(
    cases: Sequence[str],
    places: Mapping[str, Sequence[Place]],
    *,
    seed: int,
    report: Callable[..., None],
    cancelled: Callable[[], bool],
) -> Look:
    """Learn where to look from the clicks, then embed each case at its place."""
    clicked = [(dense(c), places[c]) for c in cases if places.get(c) and dense(c) is not None]
    report(1, 5, Note("work.finder", {"count": len(clicked)}).to_json())
    finder = refine(clicked, seed)
    embeddings, looked = {}, {}
    for done, case in enumerate(cases):
        if cancelled():
            break
        looked[case] = list(places.get(case) or ()) or found(finder, case)
        at = looked[case][0] if looked[case] else None
        embeddings[case] = place_embedding(case, at) if at else encode.whole(case).embedding
        report(2 + done / len(cases), 5, Note("work.places", {"done": done + 1, "total": len(cases)}).to_json())
    return Look("place", embeddings, looked)


def found(finder: Finder, case: str) -> list[Place]:
    """Where the finder would look in a case, best first; nowhere in a picture."""
    features = dense(case)
    return finder.find(features, PLACES_OFFERED) if features is not None else []


@lru_cache(maxsize=256)
def dense(case: str) -> Dense | None:
    """A case's dense features, kept in memory by the worker: a megabyte a case, and Adapt is pressed often."""
    return encode.dense(case)


def place_embedding(case: str, place: Place) -> np.ndarray:
    """The embedding of a case at a place; from its file if it was made before."""
    text = json.dumps([place.centre_mm, place.size_mm, place.shape])
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = rooms.case_dir(case)
    path = folder / f"place-{rooms.encoder().identity}-{finder_identity()}-{name}.npy"
    if path.exists():
        return np.load(path, allow_pickle=False)
    embedding = encode_place(rooms.encoder(), load_volume(folder), dense(case), place).embedding
    part = path.with_suffix(".part")
    with part.open("wb") as out:
        np.save(out, embedding)
    part.replace(path)
    return embedding
