"""How often a method errs by how many patients it learned from, and what more labels would probably bring.

Smaller handfuls are drawn from the labelled patients, each teaches a model, and the patients left over judge it. The
mean error is then followed by an inverse power law, error(m) = floor + fall * m^-rate (Cortes et al. 1993, NIPS 6;
for medical data Mukherjee et al. 2003, J Comput Biol 10:119; Figueroa et al. 2012, BMC Med Inform Decis Mak 12:8), with
floor and fall at least 0: more labels are taken to do no harm. The interval resamples patients and handfuls and fits
anew each time, and is stretched, since the patients that taught were as few as those that judged and are not drawn
anew. It says how far the few patients allow other curves, not whether the law holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from engine.evidence.ranges import LEVEL
from engine.learners import Learner, NumberSupport, Support, SupportError, adapt_number

FEWEST_PATIENTS = 10  # below it the sizes lie so close that every curve fits
SIZES = 6
HANDFULS = 16  # drawn a size
DRAWS = 1000
RATES = np.linspace(0.1, 2.0, 39)  # of the published curves on real data nearly all lie between 0.2 and 1.5
Ticked = Callable[[int, int], None]  # (done, total) before each handful; may raise to stop
# Resampling those that judge held the true error in 78 to 93 of 100 drawn projects, where 95 were promised
# (docs/readers.md); the spread around the fit is stretched by what 78 of 100 lack: 1.96 / 1.22.
STRETCH = 1.6
AHEAD = 2.0  # how far beyond what is labelled anything is said, as a factor


@dataclass(frozen=True)
class Handfuls:
    """What was tried: `size` (t,) patients that taught; `wrong`, `judged` (t, p): summed error of and number of cases
    of each patient that was judged (0 for those that taught)."""

    size: np.ndarray
    wrong: np.ndarray
    judged: np.ndarray


@dataclass(frozen=True)
class Curve:
    """`sizes` with their mean `error` (share of wrong answers, or mean distance from the number).

    `ahead`: numbers of patients up to AHEAD times what is labelled, with the fitted error `fit` and where 95 of 100
    refits lie, `low` to `high`. `now`, `then` and `gain` are (fit, low, high) at what is labelled, at `then_patients`,
    and how much smaller the error is there than now. All empty or None where too few patients allow nothing.
    """

    patients: int
    sizes: tuple[int, ...]
    error: tuple[float, ...]
    ahead: tuple[int, ...] = ()
    fit: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    then_patients: int | None = None
    now: tuple[float, float, float] | None = None
    then: tuple[float, float, float] | None = None
    gain: tuple[float, float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def try_handfuls(
    learner: Learner,
    support: Support | NumberSupport,
    *,
    seed: int = 0,
    handfuls: int = HANDFULS,
    tick: Ticked = lambda done, total: None,
) -> Handfuls:
    """Adapt to ever larger handfuls of the labelled patients and judge each on the patients left over.

    The largest leaves one patient out, each once. Raises SupportError where nothing could be learned at all.
    """
    patients = sorted(set(support.groups))
    whose = np.array([patients.index(group) for group in support.groups])
    rng = np.random.default_rng(seed)
    size, wrong, judged = [], [], []
    refused: SupportError | None = None
    drawn = _drawn(support, whose, len(patients), rng, handfuls)
    for done, taught in enumerate(drawn):
        tick(done, len(drawn))
        mine = np.isin(whose, taught)
        try:
            part = support.take(torch.from_numpy(mine))
            missed = _missed(learner, part, support, torch.from_numpy(~mine), seed)
        except SupportError as error:
            refused = error
            continue
        size.append(len(taught))
        wrong.append(np.bincount(whose[~mine], missed, len(patients)))
        judged.append(np.bincount(whose[~mine], minlength=len(patients)))
    if not size and refused is not None:
        raise refused
    return Handfuls(np.array(size, int), np.array(wrong).reshape(-1, len(patients)),
                    np.array(judged).reshape(-1, len(patients)))  # fmt: skip


def curve(tried: Handfuls, patients: int, *, most: float = np.inf, seed: int = 0, draws: int = DRAWS) -> Curve:
    """The curve through what was tried, and ahead of it. `most`: no error is larger (1 for a share)."""
    sizes = np.unique(tried.size)
    seen = _means(tried, sizes, np.ones((1, len(tried.size))), np.ones((1, tried.wrong.shape[1])))[0]
    plain = Curve(patients, tuple(map(int, sizes)), tuple(map(float, seen)))
    if patients < FEWEST_PATIENTS or len(sizes) < 3:
        return plain
    rng = np.random.default_rng(seed)
    shares = _shares(tried, sizes, rng, draws)
    whole = rng.multinomial(patients, np.full(patients, 1 / patients), draws).astype(float)
    refits = _means(tried, sizes, shares, whole)
    refits = refits[~np.isnan(refits).any(1)]
    last = int(round(AHEAD * patients))
    ahead = np.unique(np.round(np.geomspace(sizes[0], last, 25)).astype(int))
    ahead = np.union1d(ahead, [patients, last])
    best = np.minimum(_follow(sizes, seen[None], ahead)[0], most)
    others = _stretched(np.minimum(_follow(sizes, refits, ahead), most), best, most)
    low, high = np.quantile(others, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    at_now, at_last = int(np.searchsorted(ahead, patients)), len(ahead) - 1
    gains = np.maximum(others[:, at_now] - others[:, at_last], 0)  # more labels are taken to do no harm
    gain_low, gain_high = np.quantile(gains, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])

    def at(i: int) -> tuple[float, float, float]:
        return float(best[i]), float(low[i]), float(high[i])

    return Curve(
        patients, plain.sizes, plain.error, tuple(map(int, ahead)), tuple(map(float, best)), tuple(map(float, low)),
        tuple(map(float, high)), last, at(at_now), at(at_last),
        (float(best[at_now] - best[at_last]), float(gain_low), float(gain_high)),
    )  # fmt: skip


def _stretched(others: np.ndarray, best: np.ndarray, most: float) -> np.ndarray:
    """(b, a) refits drawn away from the fit (a,); an error stays between 0 and `most`."""
    return np.clip(best + STRETCH * (others - best), 0, most)


def _drawn(
    support: Support | NumberSupport, whose: np.ndarray, patients: int, rng: np.random.Generator, handfuls: int
) -> list[np.ndarray]:
    """Which patients teach, each time: every class is there, and at least one patient is left to judge."""
    classes = len(support.classes) if isinstance(support, Support) else 1
    first = min(2 * classes, patients - 1)
    sizes = np.unique(np.round(np.geomspace(first, patients - 1, SIZES)).astype(int))
    targets = support.targets.numpy() if isinstance(support, Support) else np.zeros(len(whose), int)
    drawn = []
    for size in sizes[:-1]:
        for _ in range(handfuls):
            order = rng.permutation(patients)
            has = [next((p for p in order if (targets[whose == p] == c).any()), order[0]) for c in range(classes)]
            order = np.array(list(dict.fromkeys([*has, *order])))
            drawn.append(order[:size])
    everyone = np.arange(patients)
    return [*drawn, *(np.delete(everyone, p) for p in range(patients))]


def _missed(
    learner: Learner, part: Support | NumberSupport, whole: Support | NumberSupport, rest: torch.Tensor, seed: int
) -> np.ndarray:
    """(k,) the error on each case that did not teach."""
    asked, truth = whole.embeddings[rest], whole.targets[rest]
    if isinstance(part, NumberSupport):
        said = adapt_number(learner, part, seed=seed).mean(asked).detach()
        return (said - truth).abs().double().numpy()
    with torch.no_grad():
        best = learner.adapt(part, seed=seed).logits(asked).argmax(1)
    return (best != truth).double().numpy()


def _means(tried: Handfuls, sizes: np.ndarray, shares: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(b, s) mean error a size, with the trials weighted by `shares` (b, t) and the patients by `whole` (b, p)."""
    wrong, judged = whole @ tried.wrong.T * shares, whole @ tried.judged.T * shares
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([wrong[:, tried.size == s].sum(1) / judged[:, tried.size == s].sum(1) for s in sizes], 1)


def _shares(tried: Handfuls, sizes: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    """(b, t) how often each handful is drawn again; the largest size tries every patient once, and stays whole."""
    shares = np.ones((draws, len(tried.size)))
    for size in sizes[:-1]:
        rows = np.flatnonzero(tried.size == size)
        shares[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), draws)
    return shares


def _follow(sizes: np.ndarray, errors: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """(b, a) the best inverse power law through each row of errors (b, s), at `ahead` (a,).

    For each rate the two amounts are least squares with both at least 0, which has a closed form; the best rate wins.
    """
    best, least = np.zeros((len(errors), len(ahead))), np.full(len(errors), np.inf)
    mean = errors.mean(1)
    for rate in RATES:
        x = sizes**-rate
        spread = x - x.mean()
        fall = np.maximum(errors @ spread / (spread @ spread), 0)
        floor = mean - fall * x.mean()
        below = floor < 0
        fall = np.where(below, np.maximum(errors @ x / (x @ x), 0), fall)
        floor = np.where(below, 0, floor)
        off = ((errors - floor[:, None] - fall[:, None] * x) ** 2).sum(1)
        better = off < least - 1e-15
        least = np.where(better, off, least)
        best = np.where(better[:, None], floor[:, None] + fall[:, None] * ahead.astype(float) ** -rate, best)
    return best
