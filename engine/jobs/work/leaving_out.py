"""Leaving a patient out where the finding has to be found first: out of the labels, and out of the clicks too.

The finder is taught without the left-out patient's click and has to find the place by itself, as it has to in the
cases that are predicted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from engine.encoders.finder import Finder, refine
from engine.evidence.folds import Fold, patient_folds
from engine.jobs.queue import Cancelled
from engine.jobs.work import encode, looks
from engine.jobs.work.adapt import Said, support_of
from engine.jobs.work.looks import Look
from engine.learners import Support, SupportError
from engine.nouns import Note


def place_folds(
    said: Said, support: Support, seed: int, report: Callable[..., None], cancelled: Callable[[], bool]
) -> list[Fold]:
    """A fold for each labelled patient (`support` says who is who), as `engine.evidence.folds.leave_out` makes them."""
    ids = said.split.support
    pointed = {c: looks.place_embedding(c, said.places[c][0]) for c in ids if said.places.get(c)}
    parts = patient_folds(support.groups, seed)
    folds = []
    for done, rows in enumerate(parts):
        if cancelled():
            raise Cancelled
        report(done, len(parts), Note("work.testing").to_json())
        others = [c for i, c in enumerate(ids) if i not in rows]
        finder = refine([(looks.dense(c), said.places[c]) for c in others if said.places.get(c)], seed)
        seen = {c: pointed[c] if c in pointed else _where_found(finder, c) for c in others}
        try:
            taught = support_of(replace(said, split=replace(said.split, support=tuple(others))), Look("place", seen))
        except SupportError:
            continue  # the class is gone without this patient: nothing can be tested
        judged = np.stack([_where_found(finder, ids[i]) for i in rows])
        folds.append(Fold(taught, rows, torch.from_numpy(judged)))
    report(len(parts), len(parts), Note("work.testing").to_json())
    return folds


def _where_found(finder: Finder, case: str) -> np.ndarray:
    places = looks.found(finder, case)
    return looks.place_embedding(case, places[0]) if places else encode.whole(case).embedding
