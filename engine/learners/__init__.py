"""From a handful of labelled cases to a model of the task: one file a method, one protocol (`protocol.py`).

The methods' files import torch and the standard library only, so each can be read beside its paper.
"""

from __future__ import annotations

from engine.learners.logistic import Logistic
from engine.learners.maml import MAML
from engine.learners.nearest import Nearest
from engine.learners.protocol import Adapted, Learner, OnStep, Step, Support, SupportError
from engine.learners.protonet import ProtoNet
from engine.learners.starts import shipped_start

__all__ = ["Adapted", "Learner", "OnStep", "Step", "Support", "SupportError", "learner", "learners"]

_MAKE = {
    "protonet": ProtoNet,
    "maml": lambda: MAML(shipped_start("maml")),
    "nearest": Nearest,
    "logistic": Logistic,
}


def learners() -> list[Learner]:
    """Every method, the meta-learners first, then the controls."""
    return [make() for make in _MAKE.values()]


def learner(name: str) -> Learner:
    """The method of that name. Raises ValueError that lists the names there are."""
    if name not in _MAKE:
        raise ValueError(f"There is no learner called '{name}'. Choose one of: {', '.join(_MAKE)}.")
    return _MAKE[name]()
