"""The straight lines beside the in-context network: one through a row's numbers, one through their places.

A place (`places.py`) says where a number stands among the labelled rows of its column: a laboratory value ten times too
high is one step beyond the highest, so skewed and heavy-tailed columns have their say without shouting. Both lines
are right in turn (docs/records.md), and their mean is ahead of either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from engine.learners.cells import scaled
from engine.learners.logistic import Logistic
from engine.learners.numbers import NumberSupport
from engine.learners.places import placing
from engine.learners.protocol import Support, Trace
from engine.learners.ridge import Ridge

C = 1.0  # of both lines of classes: chosen on the training families at 5, 10 and 20 rows a class (docs/records.md)
MOST_PLACED = 512  # columns; of more (a molecule's fragments) places cost seconds and say little: few counts differ
Answer = Callable[[Tensor], Tensor]


def class_lines(support: Support) -> Answer:
    """Rows as embeddings -> (m, d) rows to (m, c) log-probabilities, differentiable."""
    by_number = Logistic(C).adapt(support)
    if support.embeddings.shape[1] > MOST_PLACED:
        return lambda rows: by_number.logits(rows).log_softmax(1)
    placed = _placed(support.embeddings)
    by_place = Logistic(C).adapt(replace(support, embeddings=placed(support.embeddings)))

    def answer(rows: Tensor) -> Tensor:
        return (by_number.logits(rows).log_softmax(1) + by_place.logits(placed(rows)).log_softmax(1)) / 2

    return answer


def number_lines(support: NumberSupport, steps: int | None, seed: int) -> Answer:
    """Rows as embeddings -> (m, d) rows to (m,) standard numbers, differentiable."""
    by_number = Ridge().fit_number(support, steps, seed, Trace())
    if support.embeddings.shape[1] > MOST_PLACED:
        return by_number.predict
    placed = _placed(support.embeddings)
    by_place = Ridge().fit_number(replace(support, embeddings=placed(support.embeddings)), steps, seed, Trace())
    return lambda rows: (by_number.predict(rows) + by_place.predict(placed(rows))) / 2


def _placed(labelled: Tensor) -> Answer:
    mean, spread = labelled.mean(0), labelled.std(0, correction=0)
    place = placing(scaled(labelled, mean, spread))
    return lambda rows: place(scaled(rows, mean, spread))
