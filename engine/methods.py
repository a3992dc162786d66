"""The learners' names and what can be asked of each, for whoever must not import torch (the page).

`tests/engine/learners/test_learners.py` holds this list against the registry, `engine.learners`.
"""

from __future__ import annotations

CLASSES, NUMBER = "classes", "number"
BOTH = (CLASSES, NUMBER)

META_LEARNERS: dict[str, tuple[str, ...]] = {
    "protonet": (CLASSES,),
    "matching": BOTH,
    "maml": BOTH,
    "maml-first-order": BOTH,
    "anil": BOTH,
    "reptile": BOTH,
    "lstm": BOTH,
    "platipus": BOTH,
}
CONTROLS: dict[str, tuple[str, ...]] = {
    "nearest": BOTH,
    "logistic": (CLASSES,),
    "ridge": (NUMBER,),
    "finetune": BOTH,
    "scratch": BOTH,
}


def methods(target: str) -> tuple[str, ...]:
    """Names of the learners of "classes" or of a "number", meta-learners first."""
    return tuple(name for name, targets in {**META_LEARNERS, **CONTROLS}.items() if target in targets)
