"""Reptile (Nichol, Achiam & Schulman 2018, arXiv 1803.02999): move the start towards where each task ended.

    W      <- k steps of an optimiser on one task, from theta            (Algorithm 1, line 4; Adam with beta1 = 0)
    theta  <- theta + epsilon * mean over tasks of (W - theta)           (Algorithm 2; epsilon falls linearly to 0)

No derivative of a derivative is taken; that a start from which k steps lead far is found all the same is their
section 5. Rules of the optimiser's state, from their code (openai/supervised-reptile): Adam's second moments carry
over from task to task in training, and after each task in testing everything is put back as it was. Here a state is a
value, so nothing needs to be put back.

Functions take losses of named tensors, as those of `maml.py`. A task's loss may be a list of losses, one a
mini-batch, as in the paper's Omniglot runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.learners import head
from engine.learners.adam import AdamState, adam_descent
from engine.learners.descent import Guard, Loss, Parameters
from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Support, Trace
from engine.nouns import Note

BETAS = (0.0, 0.999)  # no momentum: steps of one task must not go on in the direction of the last


def inner(
    loss: Loss | list[Loss],
    start: Parameters,
    rate: float,
    steps: int,
    state: AdamState | None = None,
    *,
    trace: Trace | None = None,
    guard: Guard | None = None,
) -> tuple[Parameters, AdamState]:
    """Adapt to one task: `steps` updates of all tensors. Returns them and the optimiser's state afterwards."""
    guard = guard or Guard("Reptile")
    return adam_descent(loss, start, tuple(start), rate, steps, state=state, betas=BETAS, trace=trace, guard=guard)


def reptile_step(
    tasks: Sequence[Loss | list[Loss]],
    start: Parameters,
    rate: float,
    steps: int,
    epsilon: float,
    state: AdamState | None = None,
) -> tuple[Parameters, AdamState]:
    """One meta-step over `tasks`, each from the same start; the optimiser's state goes on through them.

    Returns the new start and the state to hand to the next meta-step.
    """
    ends: list[Parameters] = []
    for task in tasks:
        end, state = inner(task, start, rate, steps, state)
        ends.append(end)
    moved = {}
    for name, tensor in start.items():
        direction = torch.stack([end[name] for end in ends]).mean(0) - tensor.detach()
        moved[name] = tensor.detach() + epsilon * direction
    return moved, state or AdamState()


def epsilon(step: int, steps: int, first: float = 1.0) -> float:
    """The outer step size: `first`, falling linearly to 0 at the end of training."""
    return first * (1 - step / steps)


def towards(start: Parameters, ends: Sequence[Parameters]) -> Tensor:
    """A loss whose gradient is Reptile's, theta - mean(W), for an outer optimiser other than plain steps (their
    section 3: "treat it as a gradient and plug it into Adam")."""
    halves = [(start[n] - torch.stack([end[n] for end in ends]).mean(0)).square().sum() / 2 for n in start]
    return torch.stack(halves).sum()


@dataclass(frozen=True)
class ReptileStart:
    """What Reptile learned for the head: `pull` (scalar; every class starts alike, from `pull` times its mean), and the
    optimiser's second moments as training left them, of rows, bias and pull. That of the rows is one number, their sum
    over a row: which of an encoder's numbers have large gradients didn't carry over to new tasks (docs/learners.md).

    Training never looks at a query, so nothing keeps Reptile from being too sure of itself. `temperature`, one number
    measured on training tasks afterwards, divides its scores.
    """

    pull: Tensor
    second: Parameters
    count: int
    rate: float
    steps: int
    temperature: float = 1.0


# Before any training: second moments of the size they have for two classes at even odds. Without any, Adam would blow
# up gradients that are nothing but rounding (a bias at even odds) to full steps.
PLAIN = ReptileStart(
    torch.zeros(()), {"rows": torch.tensor(0.1), "bias": torch.tensor(0.1), "pull": torch.tensor(0.1)}, 1000, 0.02, 10
)


def task_parameters(start: ReptileStart, rows: int, dimensions: int) -> tuple[Parameters, AdamState]:
    """theta and the optimiser's state for one task: rows move from zero, on top of the pull."""
    pull = start.pull.detach()
    theta = {"rows": pull.new_zeros(rows, dimensions), "bias": pull.new_zeros(rows), "pull": pull}
    second = {n: start.second[n].expand(theta[n].shape) for n in start.second}
    second["rows"] = second["rows"] / dimensions
    return theta, AdamState({}, second, start.count)


def head_parameters(theta: Parameters, support: Support | NumberSupport) -> Parameters:
    """The head that theta stands for."""
    gate = theta["rows"].new_zeros(support.embeddings.shape[1])
    begun = head.parameters_for(head.Start(gate, theta["pull"], {}), support)
    return {"rows": begun["rows"] + theta["rows"], "bias": theta["bias"], "gate": gate}


def head_loss(support: Support | NumberSupport) -> Loss:
    return lambda theta: head.support_loss(head_parameters(theta, support), support)


class Reptile(Learner):
    """Reptile over a cached embedding. `start` None: a plain start, and it is said."""

    name = "reptile"
    paper = "Nichol, Achiam & Schulman 2018, On First-Order Meta-Learning Algorithms, arXiv 1803.02999"
    targets = (CLASSES, NUMBER)

    def __init__(self, start: ReptileStart | None = None):
        self.start = start

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        trace = Trace(on_step)
        theta, notes = self._descend(support, steps, trace)
        temperature = (self.start or PLAIN).temperature
        theta = {**theta, **{n: theta[n] / temperature for n in ("rows", "bias")}}
        return head.adapted(self.name, support, theta, trace, notes)

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        return head.fitted(support, *self._descend(support, steps, trace))

    def _descend(
        self, support: Support | NumberSupport, steps: int | None, trace: Trace
    ) -> tuple[Parameters, tuple[Note, ...]]:
        dimensions, guard = support.embeddings.shape[1], Guard(self.name)
        start = self.start or PLAIN
        if isinstance(support, NumberSupport):  # moments of errors of classes would make its steps too long
            start = replace(PLAIN, pull=start.pull)
        theta, state = task_parameters(start, head.number_of_rows(support), dimensions)
        steps = start.steps if steps is None else steps
        end, _ = inner(head_loss(support), theta, start.rate, steps, state, trace=trace, guard=guard)
        notes = guard.notes if self.start else (Note("learners.plain_start"), *guard.notes)
        return head_parameters(end, support), notes
