"""How sure: tested on one's own cases a patient at a time, ranges over patients, and likeness to what was labelled."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from engine.evidence.folds import LeftOut, Tick, judge_folds, leave_out
from engine.learners import Adapted, Learner, Support

DRAWS = 20  # resamples; the smallest and largest of 20 span about 90 % of such draws (19/21)
NEIGHBOURS = 3  # over so many labelled cases is likeness averaged: one alone may be the odd one
FEWEST_FOR_UNLIKE = 5  # with fewer labelled cases, "farther than all of them" happens to one case in five or more
MOST_SCALED_APART = 100  # patients; with more, one patient hardly moves a spread
FARTHEST = 6.0  # spreads; engine.tables.rows clips there
TEMPERATURE_RANGE = 2.0  # leave-one-out may move the shipped temperature by this factor at most
TEMPERATURE_PRIOR = 0.35  # standard deviation of its logarithm: ten cases move it, two hardly


def leave_one_patient_out(learner: Learner, support: Support, seed: int = 0, tick: Tick = lambda: None) -> LeftOut:
    """Adapt once for every patient without that patient's cases, and judge those.

    A case whose class would be gone without its patient can't be tested. Above MOST_FOLDS patients they are left out
    in that many groups. `tick` is called after each adaptation and may raise to stop.
    """
    return judge_folds(learner, support, leave_out(support, seed), seed, tick)


def calibrated(adapted: Adapted, left_out: LeftOut) -> Adapted:
    """Move the temperature to where leave-one-patient-out log-loss is least, held back by a prior around 1."""
    return adapted.with_temperature(temperature_of(left_out)) if left_out.testable.any() else adapted


def temperature_of(left_out: LeftOut) -> float:
    """The temperature of least leave-one-patient-out log-loss, within TEMPERATURE_RANGE; 1 where nothing was tested.

    With 5-20 cases there is little to fit on; a fixed start and a bound keep two lucky cases from deciding.
    """
    ok = left_out.testable
    scores, targets = left_out.scores[ok].double().numpy(), left_out.targets[ok].numpy()
    if not len(targets):
        return 1.0

    def loss(log_t: float) -> float:
        s = scores / np.exp(log_t)
        top = s.max(1)
        normaliser = top + np.log(np.exp(s - top[:, None]).sum(1))
        return float((normaliser - s[np.arange(len(s)), targets]).sum() + 0.5 * (log_t / TEMPERATURE_PRIOR) ** 2)

    bound = float(np.log(TEMPERATURE_RANGE))
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))


def probability_ranges(
    learner: Learner,
    support: Support,
    query: Tensor,
    temperature: float,
    seed: int = 0,
    draws: int = DRAWS,
    tick: Tick = lambda: None,
) -> tuple[Tensor, Tensor]:
    """(m, c) lowest and highest probability over models that learned from resampled patients of each class.

    A class with a single patient can't be resampled; its part of the range is too narrow, and a check says so.
    """
    rng = np.random.default_rng(seed)
    groups = np.array(support.groups)
    found = []
    for draw in range(draws):
        rows = []
        for k in range(len(support.classes)):
            own = np.flatnonzero(support.targets.numpy() == k)
            patients = np.unique(groups[own])
            for patient in rng.choice(patients, len(patients)):
                rows.extend(own[groups[own] == patient].tolist())
        adapted = learner.resampling(draw).adapt(support.take(torch.tensor(rows)), seed=seed)
        with torch.no_grad():
            found.append(adapted.with_temperature(temperature).probabilities(query))
        tick()
    stacked = torch.stack(found)
    return stacked.min(0).values, stacked.max(0).values


def sample_ranges(adapted: Adapted, query: Tensor) -> Tensor | None:
    """(m, c, 2) where nine of ten of the models lie that a learner drew for this task; None where it draws none.

    They differ by what the labelled cases leave open (PLATIPUS: Finn, Xu & Levine 2018), where `probability_ranges`
    differ by who was labelled.
    """
    with torch.no_grad():
        samples = adapted.samples(query)  # (s, m, c)
    if samples is None:
        return None
    return torch.stack([samples.quantile(q, dim=0) for q in (0.05, 0.95)], dim=2)


def unlike(support: Support, query: Tensor, scaled: bool = False) -> tuple[Tensor, Tensor] | None:
    """How unlike anything labelled each query is: (m,) share of labelled cases that lie nearer to their fellows,
    and (m,) bool: farther out than all of them. None where fewer than FEWEST_FOR_UNLIKE patients are labelled.

    A case's place is its mean distance to the nearest labelled cases of other patients (kNN distance, Sun et al.
    2022, arXiv 2204.06507), ranked among the labelled cases' own. For a case of the same kind as the labelled ones
    the flag is a false alarm once in n + 1. Measured on the embedding itself, so that it says the same whatever
    method answers: in matching networks' own space, where length is lost, strangers were told at 0.92 and not 0.99
    AUROC (docs/uncertainty.md).

    `scaled`: the labelled rows set the scale of each number (tables). A row lies nearer to rows whose spread it has a
    part in, so each labelled one is seen in the others' scale, as a new row is; without, of ten labelled rows' kin up
    to a third was flagged, and nearly all in a table of 600 columns.
    """
    if len(set(support.groups)) < FEWEST_FOR_UNLIKE:
        return None
    usual, asked = nearness(support, query, scaled)
    share = (usual[None, :] < asked[:, None]).mean(1)
    return torch.from_numpy(share).float(), torch.from_numpy(asked > usual.max())


def nearness(support: Support, query: Tensor, scaled: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(n,) and (m,) mean distance to the nearest labelled cases of other patients, for labelled and asked cases;
    `scaled` as in `unlike`."""
    groups = np.array(support.groups)
    if scaled and len(set(support.groups)) <= MOST_SCALED_APART:
        inside = _apart(support.embeddings, groups)
    else:
        inside = torch.cdist(support.embeddings, support.embeddings).numpy()
        inside[groups[:, None] == groups[None, :]] = np.inf
    outside = torch.cdist(query, support.embeddings).numpy()
    return _mean_of_nearest(inside), _mean_of_nearest(outside)


def _apart(rows: Tensor, groups: np.ndarray) -> np.ndarray:
    """(n, d) -> (n, n) distances from each row to those of other patients, each number scaled by those others alone;
    infinite within a patient. A number that the others all share counts as one at most: it would have no scale."""
    whole, top = rows.std(0, correction=0), rows.abs().amax(0).clamp(min=FARTHEST)
    found = np.full((len(rows), len(rows)), np.inf)
    for group in np.unique(groups):
        mine = groups == group
        own, others = rows[torch.from_numpy(mine)], rows[torch.from_numpy(~mine)]
        centre, spread = others.mean(0), others.std(0, correction=0)
        varies = spread > 1e-5
        scale = torch.where(varies, whole / spread.clamp(min=1e-5), 0.0)
        far, near = (torch.clamp((x - centre) * scale, -top, top) for x in (own, others))
        alone = torch.where(varies, 0.0, own - centre).clamp(-1, 1).square().sum(1, keepdim=True)
        found[np.ix_(mine, ~mine)] = (torch.cdist(far, near).square() + alone).sqrt().numpy()
    return found


def _mean_of_nearest(distances: np.ndarray) -> np.ndarray:
    """(m, n) -> (m,) mean of the NEIGHBOURS smallest finite distances of each row."""
    nearest = np.sort(distances, axis=1)[:, :NEIGHBOURS]
    return np.where(np.isfinite(nearest), nearest, 0).sum(1) / np.isfinite(nearest).sum(1)
