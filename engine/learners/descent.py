"""Steps that stay finite: what every gradient learner here does when a step goes too far.

A step after which the loss isn't a finite number is taken back and tried at half the size; the size stays halved.
Each time is counted, so that the page can say it. What isn't finite at a millionth of the size never will be.
"""

from __future__ import annotations

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
    """Watches one adaptation of the method called `name`. `halvings`: how often a step was taken back."""

    def __init__(self, name: str):
        self.name, self.shrink, self.halvings = name, 1.0, 0

    def begin(self, value: Tensor) -> Tensor:
        """The loss at the start. Raises SupportError where even that is not finite: no step can help."""
        if not torch.isfinite(value):
            raise SupportError(Note("learners.diverged", {"name": self.name}))
        return value

    def step(self, loss: Loss, move: Callable[[float], Parameters]) -> tuple[Parameters, Tensor]:
        """`move(size)` gives the parameters after a step of that relative size (1 at first). Returns them, and the
        loss there, which is finite. Raises SupportError if it never becomes so."""
        while True:
            moved = move(self.shrink)
            value = loss(moved)
            if torch.isfinite(value):
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
