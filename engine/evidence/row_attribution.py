"""What an answer about a row rests on: captum's attributions of the adapted model, added up by column.

The answer is the log-odds of a class against all others (they add up; probabilities do not), or the number itself. It
is compared with a plain row: the labelled rows' mean. A molecule is compared with one that has no fragment at all.

    ig         integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365)
    shapley    Shapley values by sampling orders (Castro et al. 2009; Strumbelj & Kononenko 2010)
    ablation   one column at a time put back to the plain row's value
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from captum.attr import FeatureAblation, IntegratedGradients, ShapleyValueSampling
from torch import Tensor

IG_STEPS = 64
EVALUATIONS = 2000  # of the model by the Shapley method, about: a second or two for the record encoder
MOST_ORDERS, FEWEST_ORDERS = 40, 5
AT_ONCE = 256  # rows through the model at a time

Answer = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class RowAttribution:
    """`base` and `output`: the answer for the plain row and for this one. `amounts` (g,): by how much each column moved
    it, in the order of the groups. `single` (p,): the same by number, from integrated gradients; None for the others.
    `left_over`: output - base - the sum of the amounts (ablation does not add up; the others nearly do)."""

    base: float
    output: float
    amounts: tuple[float, ...]
    left_over: float
    single: Tensor | None = None


def attribute(
    answer: Answer, row: Tensor, plain: Tensor, groups: Sequence[int], method: str, seed: int = 0
) -> RowAttribution:
    """Attribute `answer` ((m, p) -> (m,), differentiable) at `row` (p,) against `plain` (p,). `groups` (p,) says which
    column each number belongs to, from 0. Raises ValueError for an unknown method."""
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}; choose one of {', '.join(METHODS)}")
    at, away = row[None].float(), plain[None].float()
    mask = torch.tensor(groups)[None]
    with torch.no_grad():
        base, output = (float(each) for each in answer(torch.cat([away, at])))
    single = METHODS[method](answer, at, away, mask, seed)
    count = int(mask.max()) + 1
    if method == "ig":
        amounts = torch.zeros(count).index_add(0, mask[0], single[0].float())
    else:  # captum writes a group's amount at each of its numbers
        amounts = torch.zeros(count).scatter(0, mask[0], single[0].float())
    left_over = output - base - float(amounts.sum())
    given = tuple(float(a) for a in amounts)
    return RowAttribution(base, output, given, left_over, single[0].detach() if method == "ig" else None)


def _integrated(answer: Answer, row: Tensor, plain: Tensor, mask: Tensor, seed: int) -> Tensor:
    method = IntegratedGradients(answer)
    return method.attribute(row, plain, n_steps=IG_STEPS, method="gausslegendre", internal_batch_size=AT_ONCE).detach()


def _shapley(answer: Answer, row: Tensor, plain: Tensor, mask: Tensor, seed: int) -> Tensor:
    orders = min(max(EVALUATIONS // (int(mask.max()) + 1), FEWEST_ORDERS), MOST_ORDERS)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        return ShapleyValueSampling(answer).attribute(
            row, plain, feature_mask=mask, n_samples=orders, perturbations_per_eval=AT_ONCE
        )


def _ablation(answer: Answer, row: Tensor, plain: Tensor, mask: Tensor, seed: int) -> Tensor:
    with torch.no_grad():
        return FeatureAblation(answer).attribute(row, plain, feature_mask=mask, perturbations_per_eval=AT_ONCE)


METHODS = {"ig": _integrated, "shapley": _shapley, "ablation": _ablation}
