"""The adapted model as a function of a row's own values, and which bar of a waterfall each number belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.encoders.tabular import Prepared
from engine.learners import Adapted, AdaptedNumber
from engine.tables.molecules import DESCRIPTORS
from engine.tables.rows import Plan, Rows

STRUCTURE = "structure"  # the bar of all of a molecule's fragments


def answer_of(prepared: Prepared, adapted: Adapted | AdaptedNumber, target: int = 0) -> Callable[[Tensor], Tensor]:
    """(m, 2 d) values, then 0..1 how much of each is missing -> (m,) the log-odds of class `target` against all
    others, or the number. Differentiable; each row by itself."""

    def answer(inputs: Tensor) -> Tensor:
        values, missing = inputs.chunk(2, dim=1)
        embeddings = prepared.embed(values, missing)
        if isinstance(adapted, AdaptedNumber):
            return adapted.mean(embeddings)
        logits = adapted.logits(embeddings)
        others = [k for k in range(logits.shape[1]) if k != target]
        return logits[:, target] - logits[:, others].logsumexp(1)

    return answer


def bars_of(plan: Plan) -> tuple[list[tuple[str, str]], list[int]]:
    """The bars (column, part), and for each of the 2 d inputs of `answer_of` which bar it belongs to. A molecule has a
    bar for its fragments and one for each descriptor; other columns have no parts."""
    bars: dict[tuple[str, str], int] = {}
    of_number = []
    for each in plan.columns:
        for i in range(len(each.names)):
            part = {"counts": STRUCTURE, "descriptors": DESCRIPTORS[i % len(DESCRIPTORS)]}.get(each.how, "")
            of_number.append(bars.setdefault((each.column, part), len(bars)))
    return list(bars), [*of_number, *of_number]


def inputs_of(rows: Rows) -> Tensor:
    """(n, 2 d): values, then 1 where one is missing."""
    return torch.from_numpy(np.concatenate([rows.values, rows.missing.astype(np.float32)], axis=1))


def plain_row(prepared: Prepared, support: Sequence[int] | np.ndarray) -> Tensor:
    """(2 d,) the mean of the labelled rows, at these positions; of a molecule's fragments none."""
    found = prepared.rows(np.asarray(support, dtype=int))
    plain, width, start = inputs_of(found).mean(0), found.values.shape[1], 0
    for each in prepared.plan.columns:
        end = start + len(each.names)
        if each.how == "counts":
            plain[start:end] = 0.0
        if each.how in ("counts", "descriptors"):
            plain[width + start : width + end] = 0.0
        start = end
    return plain
