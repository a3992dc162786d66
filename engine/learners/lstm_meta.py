"""The LSTM meta-learner (Ravi & Larochelle, ICLR 2017): the gates of an LSTM cell are the learning rule.

The cell's state is the learner's parameters, and its update is gradient descent with a rate and a forgetting of its own
for every parameter at every step (eqs. 2-4):

    theta_t = f_t * theta_{t-1} - i_t * grad L_t
    i_t = sigmoid(W_I [x_t, theta_{t-1}, i_{t-1}] + b_I)            the learning rate
    f_t = sigmoid(W_F [x_t, theta_{t-1}, f_{t-1}] + b_F)            how much of the old value stays

x_t is the output of an ordinary LSTM (20 units) that is fed loss and gradient, preprocessed (their section 3.2;
Andrychowicz et al. 2016, appendix A). One set of weights serves all coordinates, each of which has a hidden state of
its own. theta_0 is learned too. Loss and gradient count as constants (section 3.2.1): no second derivative is ever
taken, which makes `unroll` cheap; its meta-gradient is exact for a learner whose losses and gradients are given.

Start of the gates: f near 1 and i near 0.01 (b_F = 5, b_I = -4.6): it begins as plain gradient descent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.learners import head
from engine.learners.descent import Guard, Loss, Parameters
from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Support, Trace
from engine.nouns import Note

UNITS = 20
P = 10.0  # of the preprocessing
KEEP = 5.0  # b_F: sigmoid(5) = 0.993
FIRST_RATE = 0.01  # sigmoid(b_I)


def preprocess(values: Tensor, p: float = P) -> Tensor:
    """(...,) -> (..., 2): (log|v| / p, sign v) where |v| >= e^-p, else (-1, e^p v). Sizes and signs apart, because
    gradients of different coordinates differ by orders of magnitude."""
    size = values.abs()
    large = size >= math.exp(-p)
    log = size.clamp(min=math.exp(-p)).log() / p
    return torch.stack(
        [torch.where(large, log, -torch.ones_like(log)), torch.where(large, values.sign(), math.exp(p) * values)], -1
    )


class MetaLSTM(nn.Module):
    """The rule: (loss, gradient, theta) of N coordinates -> new theta. Its weights are what meta-training learns."""

    def __init__(self, units: int = UNITS, keep: float = KEEP, rate: float = FIRST_RATE):
        super().__init__()
        self.reader = nn.LSTMCell(4, units)
        self.input_gate, self.forget_gate = nn.Linear(units + 2, 1), nn.Linear(units + 2, 1)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.01, 0.01)
        nn.init.constant_(self.forget_gate.bias, keep)
        nn.init.constant_(self.input_gate.bias, math.log(rate / (1 - rate)))

    def begin(self, theta: Tensor) -> tuple[Tensor, ...]:
        """(N,) -> the state before the first step: h, c (N, units), i and f (N, 1), all zero."""
        units = self.reader.hidden_size
        return (theta.new_zeros(len(theta), units),) * 2 + (theta.new_zeros(len(theta), 1),) * 2

    def forward(
        self, loss: Tensor, gradient: Tensor, theta: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Scalar loss (or one a coordinate), gradient (N,), theta (N,) -> rates i (N,), keeps f (N,), state."""
        h, c, i, f = state
        read = torch.cat([preprocess(gradient), preprocess(loss.expand_as(gradient))], -1)  # (N, 4)
        h, c = self.reader(read, (h, c))
        i = torch.sigmoid(self.input_gate(torch.cat([h, theta[:, None], i], -1)))
        f = torch.sigmoid(self.forget_gate(torch.cat([h, theta[:, None], f], -1)))
        return i[:, 0], f[:, 0], (h, c, i, f)


def unroll(
    losses: Loss | Sequence[Loss],
    start: Parameters,
    rule: MetaLSTM,
    steps: int,
    *,
    trace: Trace | None = None,
    guard: Guard | None = None,
) -> Parameters:
    """`steps` updates of all tensors in `start` by the rule; differentiable in the rule's weights and in `start`.

    `losses`: one loss, or a list taken in turn (mini-batches). Loss and gradient enter as constants.
    """
    listed, guard = [losses] if callable(losses) else list(losses), guard or Guard("LSTM")
    watched: Parameters = {}

    def look(step: int) -> Loss:
        """The loss at constants of the same value, which its gradient will be taken at."""

        def at(theta: Parameters) -> Tensor:
            watched.clear()
            watched.update({n: t.detach().requires_grad_() for n, t in theta.items()})
            with torch.enable_grad():
                return listed[step % len(listed)](watched)

        return at

    theta, state = dict(start), rule.begin(flat(start))
    value = guard.begin(look(0)(theta))
    if trace:
        trace.add(0, float(value.detach()))
    for step in range(steps):
        gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(value, list(watched.values()))])
        before = flat(theta)
        rates, keeps, state = rule(value.detach(), gradient, before, state)

        def move(size: float, like=theta, before=before, g=gradient, rates=rates, keeps=keeps) -> Parameters:
            return shaped(before + size * (keeps * before - rates * g - before), like)

        theta, value = guard.step(look(step + 1), move)
        if trace:
            trace.add(step + 1, float(value.detach()))
    return theta


def flat(theta: Parameters) -> Tensor:
    """All coordinates in a row (N,)."""
    return torch.cat([tensor.reshape(-1) for tensor in theta.values()])


def shaped(coordinates: Tensor, like: Parameters) -> Parameters:
    """`flat` undone."""
    parts = coordinates.split([tensor.numel() for tensor in like.values()])
    return {n: part.reshape(t.shape) for (n, t), part in zip(like.items(), parts, strict=True)}


class TwoSided(nn.Module):
    """The rule's gates, averaged over both directions of every coordinate.

    The head adapts in the axes that the labelled cases span, and which way an axis points is arbitrary. With gates that
    are the same for (gradient, theta) and (-gradient, -theta), mirrored cases give mirrored answers.
    """

    def __init__(self, rule: MetaLSTM):
        super().__init__()
        self.rule = rule

    def begin(self, theta: Tensor) -> tuple[Tensor, ...]:
        return self.rule.begin(torch.cat([theta, -theta]))

    def forward(
        self, loss: Tensor, gradient: Tensor, theta: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        i, f, state = self.rule(loss, torch.cat([gradient, -gradient]), torch.cat([theta, -theta]), state)
        return i.view(2, -1).mean(0), f.view(2, -1).mean(0), state


# Rows are UNIT times their coordinates. A rate is a sigmoid, so at most 1; in these coordinates that is as far as the
# longest steps that MAML learned over the same embedding (rates of 4 to 10, UNIT squared is 16).
UNIT = 4.0
STEPS = 12  # as published for one case a class
# The rule was learned on classes, whose loss flattens out. On a number's parabola its long steps swing wider from about
# the fifteenth on (docs/learners.md), whatever number of steps it was trained over.
NUMBER_STEPS = 12


@dataclass(frozen=True)
class LSTMStart:
    """What meta-training learned for the head: the rule, and c_0 (every class from `pull` times its mean)."""

    rule: MetaLSTM
    pull: Tensor
    steps: int = STEPS


def plain_lstm_start() -> LSTMStart:
    """The rule before any training: gradient descent at one rate (2 for the rows, as `head.PLAIN_RATE`)."""
    generator = torch.random.get_rng_state()
    torch.manual_seed(0)
    rule = MetaLSTM(keep=8.0, rate=head.PLAIN_RATE / UNIT**2)
    torch.random.set_rng_state(generator)
    return LSTMStart(rule.requires_grad_(False), torch.zeros(()))


def adapt_head(
    start: LSTMStart,
    support: Support | NumberSupport,
    steps: int | None = None,
    trace: Trace | None = None,
    guard: Guard | None = None,
) -> Parameters:
    """The head after the rule's steps in the coordinates of the cases' axes; differentiable in the start."""
    gate = support.embeddings.new_zeros(support.embeddings.shape[1])
    placed = head.place(gate, support.embeddings, support.embeddings)
    found = head.axes(placed)  # (r, d)
    inside = placed @ found.T  # (n, r)
    begun = head.parameters_for(head.Start(gate, start.pull, {}), support)
    theta = {"rows": begun["rows"] @ found.T / UNIT, "bias": begun["bias"] / UNIT}

    def loss(coordinates: Parameters) -> Tensor:
        return head.error(head.linear(inside, {n: UNIT * t for n, t in coordinates.items()}), support)

    end = unroll(loss, theta, TwoSided(start.rule), start.steps if steps is None else steps, trace=trace, guard=guard)
    return {"rows": UNIT * end["rows"] @ found, "bias": UNIT * end["bias"], "gate": gate}


class LSTMMetaLearner(Learner):
    """The learned rule over a cached embedding. `start` None: the untrained rule, and it is said."""

    name = "lstm"
    paper = "Ravi & Larochelle 2017, Optimization as a Model for Few-Shot Learning, ICLR"
    targets = (CLASSES, NUMBER)

    def __init__(self, start: LSTMStart | None = None):
        self.start = start

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        trace = Trace(on_step)
        theta, notes = self._unroll(support, steps, trace)
        return head.adapted(self.name, support, theta, trace, notes)

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        most = min(NUMBER_STEPS, self.start.steps if self.start else STEPS)
        return head.fitted(support, *self._unroll(support, most if steps is None else steps, trace))

    def _unroll(
        self, support: Support | NumberSupport, steps: int | None, trace: Trace
    ) -> tuple[Parameters, tuple[Note, ...]]:
        guard = Guard(self.name, most=1.0)  # the rule's steps may swing wider with each (docs/learners.md)
        with torch.no_grad():
            theta = adapt_head(self.start or plain_lstm_start(), support, steps, trace, guard)
        return theta, guard.notes if self.start else (Note("learners.plain_start"), *guard.notes)
