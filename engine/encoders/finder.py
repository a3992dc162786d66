"""The finder: where in a case is the thing that these clicks point at?

`propose` looks over each case once, as it arrives. `refine` learns from a task's clicks, in a second: within each
pointed scan, the pointed places compete against all others (conditional logit; McFadden 1974), starting from the
proposer's opinion and kept near it by a ridge, so that no clicks means the proposer alone and few clicks can only
nudge. `Finder.find` gives the best places of another case; `encode_place` turns a place into an embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from engine.encoders.dense import Dense, identity, propose
from engine.encoders.places import encode_place, settled
from engine.nouns import Place

__all__ = [
    "APART_MM",
    "Checked",
    "Dense",
    "Finder",
    "check",
    "encode_place",
    "identity",
    "propose",
    "refine",
    "settled",
]

APART_MM = 15.0  # places offered lie at least this far from each other, and a hit is a centre this near the truth
NEAR_MM = 7.0  # grid places this near a click teach as the pointed one (the grid has one every 6 mm)
AROUND_MM = 20.0  # places nearer than this to a click, or inside what was pointed at, teach nothing
MERGE_MM = 9.0  # places this near a peak have a say in its centre
RIDGE = 30.0  # how strongly the clicks' weights are held to zero; chosen on phantoms 5000-5999 (docs/finder.md)
TRUST_RIDGE = 3.0  # and the trust in the proposer to one
MOST_RIVALS = 4000  # places of a scan that compete with the pointed one


@dataclass(frozen=True)
class Finder:
    """Scores of places: log-odds = `trust` x the proposer's + `weights` . standardised features + `bias`."""

    weights: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    trust: float = 1.0
    bias: float = 0.0
    clicks: int = 0

    @property
    def identity(self) -> str:
        """Changes with the proposer, the clicks and what was learned from them: a key for what was found."""
        digest = hashlib.sha256(identity().encode())
        for part in (self.weights, self.mean, self.spread, np.array([self.trust, self.bias])):
            digest.update(np.ascontiguousarray(part, np.float64).tobytes())
        return digest.hexdigest()[:16]

    def log_odds(self, dense: Dense) -> np.ndarray:
        """(m,) for the places of a case."""
        scores = self.trust * _log_odds(dense.objectness) + self.bias
        if self.clicks:
            scores = scores + _standardised(dense, self.mean, self.spread) @ self.weights
        return scores

    def find(self, dense: Dense, count: int = 5) -> list[Place]:
        """The best places, best first, at least `APART_MM` apart, centred on what was found there."""
        if not len(dense.objectness):
            return []
        scores = self.log_odds(dense)
        places: list[Place] = []
        centres = np.empty((0, 3))
        for index in np.argsort(scores)[::-1]:
            if len(places) == count:
                break
            centre = _centred(dense, scores, index)
            if len(centres) and np.linalg.norm(centres - centre, axis=1).min() < APART_MM:
                continue
            centres = np.vstack([centres, centre])
            places.append(
                Place(
                    tuple(float(c) for c in centre),
                    size_mm=(2.0 * float(dense.radius_mm[index]),) * 3,
                    shape="sphere",
                    by="finder",
                    score=float(1 / (1 + np.exp(-scores[index]))),
                )
            )
        return places


def _log_odds(objectness: np.ndarray) -> np.ndarray:
    inside = np.clip(objectness.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(inside / (1 - inside))


def _standardised(dense: Dense, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.clip((dense.features.astype(np.float32) - mean) / spread, -6, 6)


def _centred(dense: Dense, scores: np.ndarray, index: int) -> np.ndarray:
    """The mean of the centres that places near the peak point to, each with the weight of its odds."""
    near = np.linalg.norm(dense.centres_mm - dense.centres_mm[index], axis=1) < MERGE_MM
    weight = np.exp(np.clip(scores[near] - scores[index], -20, 0))
    return (dense.centres_mm[near] * weight[:, None]).sum(0) / weight.sum()


@dataclass(frozen=True)
class _Choice:
    """One click's lesson: features and proposer's log-odds of the pointed places, and of their rivals."""

    pointed: np.ndarray
    pointed_prior: np.ndarray
    rivals: np.ndarray
    rivals_prior: np.ndarray


def refine(pointed: Sequence[tuple[Dense, Sequence[Place]]], seed: int = 0) -> Finder:
    """Learn from clicks: (a case's Dense, the places a person pointed at in it), one entry a case; none is fine.

    Cases without places are left out: nobody said that nothing is there. `seed` only draws among rivals.
    """
    pointed = [(dense, places) for dense, places in pointed if places and len(dense.objectness)]
    if not pointed:
        return Finder(np.zeros(0), np.zeros(0), np.ones(0))
    rng = np.random.default_rng(seed)
    rows = np.concatenate([dense.features.astype(np.float32) for dense, _ in pointed])
    mean, spread = rows.mean(0), rows.std(0) + 1e-3
    choices = []
    for dense, places in pointed:
        choices += _choices(dense, places, _standardised(dense, mean, spread), rng)
    width = rows.shape[1]
    start = np.concatenate([np.zeros(width), [1.0]])
    fit = minimize(_loss, start, args=(choices,), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    learned = Finder(fit.x[:-1], mean, spread, trust=float(fit.x[-1]), clicks=len(choices))
    return replace(learned, bias=_bias(learned, choices))


def _choices(dense: Dense, places: Sequence[Place], features: np.ndarray, rng: np.random.Generator) -> list[_Choice]:
    prior = _log_odds(dense.objectness)
    away = np.stack([np.linalg.norm(dense.positions_mm - np.array(p.centre_mm), axis=1) for p in places])
    reach = np.array([max(AROUND_MM, max(p.size_mm or (0.0,)) / 2 + NEAR_MM) for p in places])
    rivals = np.flatnonzero((away > reach[:, None]).all(0))
    if len(rivals) > MOST_RIVALS:
        order = rivals[np.argsort(prior[rivals])[::-1]]
        rest = rng.choice(order[MOST_RIVALS // 2 :], MOST_RIVALS // 2, replace=False)
        rivals = np.concatenate([order[: MOST_RIVALS // 2], rest])
    chosen = []
    for distance in away:
        near = np.flatnonzero(distance <= NEAR_MM)
        if not len(near):
            near = np.argsort(distance)[:2]
        chosen.append(_Choice(features[near], prior[near], features[rivals], prior[rivals]))
    return chosen


def _loss(values: np.ndarray, choices: list[_Choice]) -> tuple[float, np.ndarray]:
    """Minus the log-likelihood that the choice falls on one of the pointed places, with the ridge; its gradient."""
    weights, trust = values[:-1], values[-1]
    loss = 0.5 * RIDGE * weights @ weights + 0.5 * TRUST_RIDGE * (trust - 1) ** 2
    slope = np.concatenate([RIDGE * weights, [TRUST_RIDGE * (trust - 1)]])
    for choice in choices:
        mine = choice.pointed @ weights + trust * choice.pointed_prior
        theirs = choice.rivals @ weights + trust * choice.rivals_prior
        best = max(mine.max(), theirs.max() if len(theirs) else -np.inf)
        odds, rival_odds = np.exp(mine - best), np.exp(theirs - best)
        total = odds.sum() + rival_odds.sum()
        loss += np.log(total) - np.log(odds.sum())
        pull, push = odds / total - odds / odds.sum(), rival_odds / total
        slope[:-1] += pull @ choice.pointed + push @ choice.rivals
        slope[-1] += pull @ choice.pointed_prior + push @ choice.rivals_prior
    return float(loss), slope


def _bias(finder: Finder, choices: list[_Choice]) -> float:
    """A shift that makes the scores read as chances: each click against its scan's best rival, held to zero."""
    ours = np.array([(c.pointed @ finder.weights + finder.trust * c.pointed_prior).max() for c in choices])
    rival = [c for c in choices if len(c.rivals)]
    theirs = np.array([(c.rivals @ finder.weights + finder.trust * c.rivals_prior).max() for c in rival])
    bias = 0.0
    for _ in range(25):  # Newton on a convex function of one number
        up, down = 1 / (1 + np.exp(ours + bias)), 1 / (1 + np.exp(-theirs - bias))
        slope = up.sum() - down.sum() - bias
        bias += float(np.clip(slope / ((up * (1 - up)).sum() + (down * (1 - down)).sum() + 1.0), -2, 2))
    return bias


@dataclass(frozen=True)
class Checked:
    """Leave-one-patient-out on the clicks: of `count` pointed places, found at first guess, and among five."""

    first: int
    among_five: int
    count: int


def check(pointed: Sequence[tuple[Dense, Sequence[Place]]], patients: Sequence[str], seed: int = 0) -> Checked:
    """How often the finder finds what was pointed at in a patient whose clicks it has not seen."""
    first = five = count = 0
    for patient in sorted(set(patients)):
        others = [p for p, who in zip(pointed, patients, strict=True) if who != patient]
        finder = refine(others, seed)
        for dense, places in (p for p, who in zip(pointed, patients, strict=True) if who == patient):
            found = np.array([p.centre_mm for p in finder.find(dense)]).reshape(-1, 3)
            for place in places:
                hits = np.linalg.norm(found - np.array(place.centre_mm), axis=1) <= APART_MM
                first += bool(hits[:1].any())
                five += bool(hits.any())
                count += 1
    return Checked(first, five, count)
