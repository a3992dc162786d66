"""One press of Adapt where the answer is a number: learn it, predict it with an interval, and say how far to trust it.

The interval is the learner's own jackknife+ (`engine.learners.numbers`), a patient left out at a time; the same models
give the test on one's own cases.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.evidence.checks import CHANCE, TOLD
from engine.evidence.embedding_map import flatten
from engine.evidence.neighbours import COUNT
from engine.evidence.nouns import MapPoint, Neighbour
from engine.evidence.uncertainty import unlike
from engine.learners import AdaptedNumber, Learner, NumberSupport, OnStep, adapt_number
from engine.learners.numbers import LEVEL
from engine.nouns import Note

FEWEST_PATIENTS = 4  # below it there is no interval at the level of LEVEL
MISSED_BY_FAR = 5.0  # times the median miss: of errors of one normal kind fewer than 1 in 1000 are so large
FEWEST_FOR_DOUBT = 8  # labelled cases, below which a median miss says little
MOST_DOUBTED = 5


@dataclass(frozen=True)
class NumberPrediction:
    """One case: `value` in the target's unit; `low` and `high` hold it with probability `level`, None where too few
    patients are labelled for that. `unlike` as in `Prediction`; a neighbour's label is its number as text."""

    case: str
    value: float
    low: float | None
    high: float | None
    unit: str
    level: float
    unlike: float | None
    unlike_flag: bool
    neighbours: tuple[Neighbour, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class NumberTested:
    """Each labelled case by a model that saw nothing of its patient: `predicted` (None where that can't be), mean
    absolute error, the same for always saying the others' mean, and R² (1 - squared errors / squared differences from
    the mean; below 0 it is worse than the mean). None where nothing could be tested."""

    count: int
    mae: float | None
    mean_mae: float | None
    r2: float | None
    predicted: tuple[float | None, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class NumberJudgement:
    """Everything that one press of Adapt gives, as `Judgement` does for classes."""

    learner: str
    unit: str
    predictions: tuple[NumberPrediction, ...]
    tested: NumberTested
    trace: tuple[tuple[int, float, float], ...]
    points: tuple[MapPoint, ...]
    map_share: float
    notes: tuple[Note, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        raw = asdict(self)
        raw["notes"] = [note.to_json() for note in self.notes]
        return raw


def judge_number(
    learner: Learner,
    support: NumberSupport,
    support_cases: Sequence[str],
    query: Tensor,
    query_cases: Sequence[str],
    query_groups: Sequence[str],
    *,
    facts: Mapping[str, Sequence[object]] | None = None,
    scaled: bool = False,
    seed: int = 0,
    steps: int | None = None,
    on_step: OnStep | None = None,
) -> tuple[NumberJudgement, AdaptedNumber]:
    """Adapt `learner` to the numbers of the support and predict each query (m, d). `scaled` as in `unlike`. Raises
    SupportError."""
    started = time.perf_counter()
    adapted = adapt_number(learner, support, steps=steps, seed=seed, on_step=on_step)
    with torch.no_grad():
        values = adapted.mean(query)
    interval = adapted.interval(query) if len(query) else None  # adapts by gradients, without each patient in turn
    tested = number_tested(adapted)
    notes = [*adapted.notes, *_few(support, tested), *_site(support, (facts or {}).get("site"))]
    notes += doubted_numbers(support, support_cases, tested)
    predictions = _predictions(adapted, support_cases, query, query_cases, query_groups, values, interval, scaled)
    points, share = _map(adapted, support_cases, query, query_cases, values)
    trace = tuple((s.step, s.loss, s.seconds) for s in adapted.trace)
    judgement = NumberJudgement(
        learner.name, support.unit, predictions, tested, trace, points, share, tuple(notes),
        time.perf_counter() - started,
    )  # fmt: skip
    return judgement, adapted


def number_tested(adapted: AdaptedNumber) -> NumberTested:
    """The test on one's own cases, from the models that the interval rests on."""
    targets, said = adapted.support.targets.double(), adapted.left_out_means().double()
    ok = ~said.isnan()
    predicted = tuple(float(s) if good else None for s, good in zip(said, ok, strict=True))
    if not ok.any():
        return NumberTested(0, None, None, None, predicted)
    missed, apart = (said - targets)[ok], (targets - targets.mean())[ok]
    spread = float(apart.square().sum())
    r2 = 1 - float(missed.square().sum()) / spread if spread > 0 else None
    return NumberTested(int(ok.sum()), float(missed.abs().mean()), float(apart.abs().mean()), r2, predicted)


def scores(value: Tensor, truth: Tensor, low: Tensor | None, high: Tensor | None) -> dict[str, float | None]:
    """{"mae", "r2", "covered"} of (m,) predictions: `covered` is the share of truths inside their interval."""
    missed, apart = value - truth, truth - truth.mean()
    spread = float(apart.square().sum())
    inside = None if low is None or high is None else float(((truth >= low) & (truth <= high)).float().mean())
    return {
        "mae": float(missed.abs().mean()),
        "r2": 1 - float(missed.square().sum()) / spread if spread > 0 else None,
        "covered": inside,
    }


def doubted_numbers(support: NumberSupport, cases: Sequence[str], tested: NumberTested) -> list[Note]:
    """Labelled cases whose number is far from what the other patients' cases say."""
    told = [(i, abs(p - float(support.targets[i]))) for i, p in enumerate(tested.predicted) if p is not None]
    if len(told) < FEWEST_FOR_DOUBT:
        return []
    usual = float(np.median([missed for _, missed in told]))
    far = sorted((each for each in told if each[1] > MISSED_BY_FAR * usual), key=lambda each: -each[1])
    return [
        Note(
            "evidence.doubted_number",
            {
                "case": cases[i],
                "label": _rounded(float(support.targets[i])),
                "other": _rounded(tested.predicted[i]),
                "unit": f" {support.unit}" if support.unit else "",
            },
        )  # fmt: skip
        for i, _ in far[:MOST_DOUBTED]
    ]


def _rounded(value: float) -> str:
    """Three digits, and all of those before the point."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _few(support: NumberSupport, tested: NumberTested) -> list[Note]:
    patients = len(set(support.groups))
    if patients < FEWEST_PATIENTS:
        return [Note("evidence.few_numbers", {"count": patients, "needed": FEWEST_PATIENTS})]
    if tested.mae is not None and tested.mean_mae is not None and tested.mae >= tested.mean_mae:
        unit = f" {support.unit}" if support.unit else ""
        values = {"missed": f"{tested.mae:.3g}{unit}", "mean": f"{tested.mean_mae:.3g}{unit}", "count": tested.count}
        return [Note("evidence.no_better_than_mean", values)]
    return []


def _site(support: NumberSupport, sites: Sequence[object] | None) -> list[Note]:
    """Whether where a row comes from tells its number: most of the differences lie between sites, seldom by luck."""
    if not sites or len({s for s in sites if s}) < 2:
        return []
    by_site: dict[object, list[float]] = {}
    for site, target in zip(sites, support.targets.tolist(), strict=True):
        if site:
            by_site.setdefault(site, []).append(target)
    from scipy.stats import kruskal  # a second to import

    values = [np.array(v) for v in by_site.values()]
    together = np.concatenate(values)
    total = float(((together - together.mean()) ** 2).sum())
    between = sum(len(v) * float((v.mean() - together.mean()) ** 2) for v in values)
    if len(together) <= len(values) or total == 0 or between < TOLD * total or kruskal(*values).pvalue >= CHANCE:
        return []
    return [Note("evidence.shortcut_site_number", {"percent": round(100 * between / total), "count": len(values)})]


def _predictions(
    adapted: AdaptedNumber,
    support_cases: Sequence[str],
    query: Tensor,
    cases: Sequence[str],
    groups: Sequence[str],
    values: Tensor,
    interval: tuple[Tensor, Tensor] | None,
    scaled: bool,
) -> tuple[NumberPrediction, ...]:
    support = adapted.support
    strange = unlike(support, query, scaled) if len(query) else None
    with torch.no_grad():
        distances = torch.cdist(adapted.space(query), adapted.space(support.embeddings))
    found = []
    for i, (case, group) in enumerate(zip(cases, groups, strict=True)):
        order = [j for j in distances[i].argsort(stable=True).tolist() if support.groups[j] != group][:COUNT]
        near = tuple(
            Neighbour(support_cases[j], f"{float(support.targets[j]):.6g}", float(distances[i, j])) for j in order
        )
        low, high = (None, None) if interval is None else (float(interval[0][i]), float(interval[1][i]))
        share, flag = (None, False) if strange is None else (float(strange[0][i]), bool(strange[1][i]))
        found.append(NumberPrediction(case, float(values[i]), low, high, support.unit, LEVEL, share, flag, near))
    return tuple(found)


def _map(
    adapted: AdaptedNumber, support_cases: Sequence[str], query: Tensor, cases: Sequence[str], values: Tensor
) -> tuple[tuple[MapPoint, ...], float]:
    """Labelled and asked cases on one sheet; a point's label is its number."""
    with torch.no_grad():
        labelled, asked = adapted.space(adapted.support.embeddings).numpy(), adapted.space(query).numpy()
    axes, mean, share = flatten(np.concatenate([labelled, asked]).astype(np.float64))
    kinds = [("labelled", labelled, support_cases, adapted.support.targets), ("query", asked, cases, values)]
    points = tuple(
        MapPoint(case, f"{float(number):.6g}", kind, float(x), float(y))
        for kind, embedded, names, numbers in kinds
        for case, number, (x, y) in zip(names, numbers, (embedded - mean) @ axes.T, strict=True)
    )
    return points, share
