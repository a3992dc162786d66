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

import torch
from torch import Tensor, nn

from engine.learners.descent import Guard, Loss, Parameters
from engine.learners.protocol import Trace

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
