"""An optimiser that was learned: the LSTM meta-learner's gates beside gradient descent and Adam on the same task.

All three adapt the same head from the same start (the LSTM's) on the same labelled cases: on all numbers of their
embeddings, as the rule was trained, or on the two of the plane, which it never saw the like of. What the gates do is
read off while `engine.learners.lstm_meta.unroll` runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from engine.learners import head
from engine.learners.adam import adam_descent
from engine.learners.lstm_meta import UNIT, LSTMStart, TwoSided, plain_lstm_start, unroll
from engine.learners.maml import inner_loop
from engine.learners.protocol import Support, Trace
from engine.learners.starts import shipped_start
from engine.lessons import plane, scans
from engine.lessons.plan import Labels

STEPS = 12  # as published for one case a class
Coordinates = dict[str, Tensor]


class Watched(nn.Module):
    """The learned rule, remembering its gates: mean, least and greatest over all coordinates, a row a step."""

    def __init__(self, rule: nn.Module):
        super().__init__()
        self.rule, self.rates, self.keeps = rule, [], []

    def begin(self, theta: Tensor) -> tuple[Tensor, ...]:
        return self.rule.begin(theta)

    def forward(self, loss: Tensor, gradient: Tensor, theta: Tensor, state: tuple[Tensor, ...]):
        rates, keeps, state = self.rule(loss, gradient, theta, state)
        for kept, gate in ((self.rates, rates), (self.keeps, keeps)):
            kept.append([round(float(v), 4) for v in (gate.mean(), gate.min(), gate.max())])
        return rates, keeps, state


class Task:
    """The head's loss in the coordinates of the labelled cases' axes, in which the LSTM steps (`adapt_head`)."""

    def __init__(self, support: Support, start: LSTMStart):
        self.support = support
        gate = support.embeddings.new_zeros(support.embeddings.shape[1])
        placed = head.place(gate, support.embeddings, support.embeddings)
        self.axes = head.axes(placed)
        self.inside = placed @ self.axes.T
        begun = head.parameters_for(head.Start(gate, start.pull, {}), support)
        self.start = {"rows": begun["rows"] @ self.axes.T / UNIT, "bias": begun["bias"] / UNIT}

    def loss(self, theta: Coordinates) -> Tensor:
        return head.error(head.linear(self.inside, {n: UNIT * t for n, t in theta.items()}), self.support)


def compute(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"lstm" | "sgd" | "adam": [STEPS + 1 losses], "rates": [[mean, least, greatest] a step], "keeps": likewise}"""
    labels = Labels.pairs(settings["labels"])
    labels = labels if len(set(labels.values())) > 1 else {0: "a", 7: "b"}
    start = shipped_start("lstm") or plain_lstm_start()
    support = plane.support(labels)
    if settings["numbers"] == "all":
        support = replace(support, embeddings=scans.embeddings()[list(labels)])
    task, watched = Task(support, start), Watched(start.rule)
    traces = {name: Trace() for name in ("lstm", "sgd", "adam")}
    with torch.no_grad():
        unroll(task.loss, task.start, TwoSided(watched), STEPS, trace=traces["lstm"])
    sgd = {name: torch.tensor([float(settings["sgd"])]) for name in task.start}
    inner_loop(task.loss, _copy(task.start), sgd, STEPS, second_order=False, trace=traces["sgd"])
    adam_descent(task.loss, _copy(task.start), tuple(task.start), float(settings["adam"]), STEPS, trace=traces["adam"])
    return {
        **{name: [round(step.loss, 4) for step in trace.steps] for name, trace in traces.items()},
        "rates": watched.rates,
        "keeps": watched.keeps,
        "labelled": len(labels),
    }


def _copy(theta: Coordinates) -> Coordinates:
    return {name: tensor.clone() for name, tensor in theta.items()}
