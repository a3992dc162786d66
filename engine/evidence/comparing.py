"""Every method on the same labelled cases: how often right, how sure, how fast, who agrees with whom, which to take.

"Recommended" is measured, never a matter of taste: each method is judged on the patients it did not learn from, and
the simplest one is kept unless another is right so much more often that chance seldom does that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

from engine.evidence.cost import measured
from engine.evidence.folds import Fold, LeftOut, Tick, judge_folds
from engine.evidence.nouns import Tested
from engine.evidence.uncertainty import calibrated, temperature_of
from engine.learners import Learner, Support, SupportError
from engine.nouns import Note

# By how little there is to explain; a method that is not named here comes after all that are. Ties go to the first.
SIMPLEST_FIRST = (
    "protonet", "nearest", "logistic", "matching", "scratch", "finetune", "anil", "maml-first-order", "reptile", "maml",
    "lstm", "platipus",
)  # fmt: skip
CHANCE = 0.05  # a lead this rare by luck counts; divided by the number of methods that could have had that luck


@dataclass(frozen=True)
class Compared:
    """One method. `tested`: each labelled case by a model that saw nothing of its patient. `log_loss`: the mean there.

    `seconds`, `peak_bytes`: one adaptation to all labelled cases. `answers`: its class for each case asked about.
    `refused`: why it could not learn from these cases; the rest is then empty.
    """

    name: str
    tested: Tested
    log_loss: float | None
    seconds: float | None
    peak_bytes: int | None
    answers: tuple[str, ...]
    refused: Note | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "refused": self.refused.to_json() if self.refused else None}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Compared:
        return cls(
            raw["name"],
            Tested.from_json(raw["tested"]),
            raw["log_loss"],
            raw["seconds"],
            raw["peak_bytes"],
            tuple(raw["answers"]),
            Note.from_json(raw["refused"]) if raw["refused"] else None,
        )


def compare_one(
    learner: Learner,
    support: Support,
    folds: Sequence[Fold],
    query: Tensor,
    seed: int = 0,
    tick: Tick = lambda: None,
) -> Compared:
    """Judge one method on the folds, then let it learn from all labelled cases, timed, and answer for the query (m, d).

    `tick` is called after each of len(folds) + 1 adaptations and may raise to stop.
    """
    try:
        left_out = judge_folds(learner, support, folds, seed, tick)
        adapted, seconds, peak = measured(lambda: learner.adapt(support, seed=seed))
    except SupportError as error:
        nothing = Tested(0, 0, 0.0, 1.0, ("",) * len(support.targets), (None,) * len(support.targets))
        return Compared(learner.name, nothing, None, None, None, (), error.note)
    tick()
    with torch.no_grad():
        answers = adapted.logits(query).argmax(1).tolist() if len(query) else []
    temperature = calibrated(adapted, left_out).temperature
    return Compared(
        learner.name,
        left_out.tested(support.classes, temperature),
        left_out_log_loss(left_out),
        seconds,
        peak,
        tuple(support.classes[a] for a in answers),
    )


def left_out_log_loss(left_out: LeftOut) -> float | None:
    """Mean of -log p(own class), each case with the temperature that the other folds' cases would choose.

    Choosing it on the case itself would flatter. None where nothing could be tested.
    """
    rows = left_out.testable.nonzero().flatten()
    if not len(rows):
        return None
    losses = []
    for fold in left_out.fold[rows].unique():
        mine = rows[left_out.fold[rows] == fold]
        others = rows[left_out.fold[rows] != fold]
        rest = LeftOut(left_out.scores[others], left_out.targets[others], left_out.fold[others])
        scaled = left_out.scores[mine] / temperature_of(rest)
        losses.append(torch.nn.functional.cross_entropy(scaled, left_out.targets[mine], reduction="none"))
    return float(torch.cat(losses).mean())


def agreement(answers: Sequence[Sequence[str]]) -> list[list[float | None]]:
    """Share of cases to which two methods give the same answer, every pair; "" is no answer and is not counted."""

    def share(one: Sequence[str], other: Sequence[str]) -> float | None:
        both = [(a, b) for a, b in zip(one, other, strict=False) if a and b]
        return sum(a == b for a, b in both) / len(both) if both else None

    return [[share(one, other) for other in answers] for one in answers]


def recommend(compared: Sequence[Compared], support: Support) -> tuple[str | None, list[Note]]:
    """Which method to take, and why, in sentences. None where nothing could be tested.

    Leads over the simplest method are counted by patients (a patient on whom both are right equally often says
    nothing) and tested with the exact sign test (McNemar 1947), the level divided by the number of rivals.
    """
    able = sorted((c for c in compared if c.tested.count), key=_simplicity)
    if not able:
        return None, [Note("evidence.compare_untested")]
    simplest, rivals = able[0], able[1:]
    ahead = [r for r in rivals if r.tested.right > simplest.tested.right]
    sure = [r for r in ahead if lead_chance(r, simplest, support) <= CHANCE / len(rivals)]
    if sure:
        best = max(sure, key=lambda c: c.tested.right)
        values = {**_counts("best", best), **_counts("simplest", simplest)}
        said = [Note("evidence.compare_better", {**values, "chance": f"{lead_chance(best, simplest, support):.3f}"})]
    elif ahead:
        best = max(ahead, key=lambda c: c.tested.right)
        said = [Note("evidence.compare_tie", {**_counts("best", best), **_counts("simplest", simplest)})]
        best = simplest
    else:
        best = simplest
        said = [Note("evidence.compare_simplest", _counts("simplest", simplest))]
    commonest = max(Counter(support.targets.tolist()).values()) / len(support.targets)
    if best.tested.low <= commonest:
        said.append(Note("evidence.compare_guessing", {"n": best.tested.count}))
    return best.name, said


def lead_chance(one: Compared, other: Compared, support: Support) -> float:
    """How often luck alone would set two methods so far apart: exact two-sided sign test over patients."""
    balance: dict[str, int] = {}
    for i, (a, b) in enumerate(zip(one.tested.predicted, other.tested.predicted, strict=True)):
        own = support.classes[int(support.targets[i])]
        if a and b:
            balance[support.groups[i]] = balance.get(support.groups[i], 0) + (a == own) - (b == own)
    signs = np.sign(list(balance.values()))
    decided = int((signs != 0).sum())
    return 1.0 if not decided else float(binomtest(int((signs > 0).sum()), decided).pvalue)


def _simplicity(compared: Compared) -> int:
    known = compared.name in SIMPLEST_FIRST
    return SIMPLEST_FIRST.index(compared.name) if known else len(SIMPLEST_FIRST)


def _counts(who: str, compared: Compared) -> dict[str, Any]:
    return {who: compared.name, f"{who}_right": compared.tested.right, "n": compared.tested.count}
