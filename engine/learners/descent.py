"""Steps that stay finite: what every gradient learner here does when a step goes too far.

A step after which the loss isn't a finite number is taken back and tried at half the size; the size stays halved.
Each time is counted, so that the page can say it. What isn't finite at a millionth of the size never will be.
Where the caller says so, a step that leaves the labelled cases worse explained than no step at all counts as too far
as well: learned step sizes fit the tasks they were learned on, and a parabola forgives less than a softmax.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from engine.learners.protocol import SupportError
from engine.nouns import Note

Parameters = dict[str, Tensor]
Loss = Callable[[Parameters], Tensor]

MAX_HALVINGS = 20  # a step a million times smaller


class Guard:
    """Watches one adaptation of the method called `name`. `halvings`: how often a step was taken back.

    `most`: what the loss may be at any step, in units of that at the start; infinity (the papers): anything finite.
    """

    def __init__(self, name: str, most: float = math.inf):
        self.name, self.most, self.shrink, self.halvings = name, most, 1.0, 0
        self.highest = math.inf

    def begin(self, value: Tensor) -> Tensor:
        """The loss at the start. Raises SupportError where even that is not finite: no step can help."""
        if not torch.isfinite(value):
            raise SupportError(Note("learners.diverged", {"name": self.name}))
        if math.isfinite(self.most):
            self.highest = self.most * float(value.detach())
        return value

    def step(self, loss: Loss, move: Callable[[float], Parameters]) -> tuple[Parameters, Tensor]:
        """`move(size)` gives the parameters after a step of that relative size (1 at first). Returns them, and the
        loss there, which is finite. Raises SupportError if it never becomes so."""
        while True:
            moved = move(self.shrink)
            value = loss(moved)
            finite, tried = bool(torch.isfinite(value)), self.halvings == MAX_HALVINGS
            if finite and (tried or math.isinf(self.highest) or float(value.detach()) <= self.highest):
                return moved, value
            self.shrink, self.halvings = self.shrink / 2, self.halvings + 1
            if self.halvings > MAX_HALVINGS:
                raise SupportError(Note("learners.diverged", {"name": self.name}))

    @property
    def notes(self) -> tuple[Note, ...]:
        return (Note("learners.step_halved", {"count": self.halvings}),) if self.halvings else ()


def module_loss(module: nn.Module, inputs: Tensor, targets: Tensor, error: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """The loss of any network as a function of its named parameters."""
    return lambda parameters: error(functional_call(module, parameters, (inputs,)), targets)


def leaves(parameters: Parameters) -> Parameters:
    """Copies that carry a gradient of their own and remember nothing of where they came from."""
    return {name: tensor.detach().clone().requires_grad_() for name, tensor in parameters.items()}
