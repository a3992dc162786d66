"""One press of Adapt: learn from the labelled cases, judge the others, and say how far that can be trusted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from engine.evidence import checks
from engine.evidence.embedding_map import embedding_map
from engine.evidence.folds import MOST_FOLDS
from engine.evidence.neighbours import nearest_labelled, typical_cases
from engine.evidence.nouns import Judgement, Prediction
from engine.evidence.teach_next import teach_next
from engine.evidence.uncertainty import (
    DRAWS,
    calibrated,
    leave_one_patient_out,
    probability_ranges,
    sample_ranges,
    unlike,
)
from engine.learners import Adapted, Learner, OnStep, Support
from engine.nouns import Note

Progress = Callable[[int, int], None]


def judge(
    learner: Learner,
    support: Support,
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
    progress: Progress | None = None,
) -> tuple[Judgement, Adapted]:
    """Adapt `learner` to the support and judge each query (m, d). Returns the judgement and the adapted model.

    `facts`: what is known of the labelled scans apart from the finding (`checks.FACTS`), for the shortcut check.
    `scaled`: the labelled rows set the embedding's scale (tables), as in `unlike`.
    `progress(done, total)` counts adaptations (the model itself, then one a patient left out, then the resamples) and
    may raise to stop. Raises SupportError for a support that can't teach, or a patient on both sides.
    """
    support.refuse_shared(tuple(query_groups))
    started = time.perf_counter()
    total = 1 + min(len(set(support.groups)), MOST_FOLDS) + DRAWS
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(min(done, total), total)

    plain = learner.adapt(support, steps=steps, seed=seed, on_step=on_step)
    tick()
    left_out = leave_one_patient_out(learner, support, seed, tick)
    adapted = calibrated(plain, left_out)
    tested = left_out.tested(support.classes, adapted.temperature)
    with torch.no_grad():
        probabilities = adapted.probabilities(query)
    low, high = probability_ranges(learner, support, query, adapted.temperature, seed, tick=tick)
    low, high = torch.minimum(low, probabilities), torch.maximum(high, probabilities)
    asked_once = replace(adapted, space=lru_cache(2)(adapted.space))  # of the labelled cases and of those asked about
    predictions = _predictions(
        asked_once, support, tuple(support_cases), query, tuple(query_cases), tuple(query_groups), probabilities, low,
        high, scaled,
    )  # fmt: skip
    points, share = embedding_map(
        asked_once,
        support,
        tuple(support_cases),
        query,
        tuple(query_cases),
        tuple(p.predicted for p in predictions),
    )
    notes = [*plain.notes, *checks.few_cases(support, tested), *checks.shortcuts(support, facts or {})]
    notes += checks.contradicted_labels(support, support_cases, tested)
    judgement = Judgement(
        learner.name,
        support.classes,
        predictions,
        tested,
        adapted.temperature,
        tuple((s.step, s.loss, s.seconds) for s in plain.trace),
        points,
        share,
        tuple(notes),
        time.perf_counter() - started,
        _next_cases(support, query, tuple(query_cases), tuple(query_groups), probabilities, predictions),
    )
    return judgement, adapted


def _next_cases(
    support: Support,
    query: Tensor,
    cases: tuple[str, ...],
    groups: tuple[str, ...],
    probabilities: Tensor,
    predictions: tuple[Prediction, ...],
) -> tuple[tuple[str, Note], ...]:
    strange = [p.unlike_flag for p in predictions]
    found = teach_next(probabilities, support.classes, query, groups, support.embeddings, strange=strange)
    return tuple((cases[p.index], p.reason) for p in found)


def _predictions(
    adapted: Adapted,
    support: Support,
    support_cases: tuple[str, ...],
    query: Tensor,
    cases: tuple[str, ...],
    groups: tuple[str, ...],
    probabilities: Tensor,
    low: Tensor,
    high: Tensor,
    scaled: bool,
) -> tuple[Prediction, ...]:
    strange = unlike(support, query, scaled)
    neighbours = nearest_labelled(adapted, support, support_cases, query, groups)
    typical = typical_cases(adapted, support, support_cases, query)
    sampled = sample_ranges(adapted, query)
    return tuple(
        Prediction(
            case,
            support.classes,
            tuple(probabilities[i].tolist()),
            tuple(low[i].tolist()),
            tuple(high[i].tolist()),
            None if strange is None else float(strange[0][i]),
            False if strange is None else bool(strange[1][i]),
            neighbours[i],
            typical[i],
            None if sampled is None else tuple((float(a), float(b)) for a, b in sampled[i]),
        )
        for i, case in enumerate(cases)
    )
