"""From a handful of labelled cases to a model of the task: one file a method, one protocol (`protocol.py`).

The methods' files import torch and the standard library only, so each can be read beside its paper.
"""

from __future__ import annotations

from functools import partial

from engine.learners.by_kind import ByKind
from engine.learners.finetune import FineTune
from engine.learners.incontext import InContext
from engine.learners.logistic import C_RECORDS, Logistic
from engine.learners.lstm_meta import LSTMMetaLearner
from engine.learners.maml import ANIL, MAML, FirstOrderMAML
from engine.learners.matching import Matching
from engine.learners.nearest import Nearest
from engine.learners.numbers import AdaptedNumber, NumberSupport, adapt_number
from engine.learners.platipus import Platipus
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Step, Support, SupportError
from engine.learners.protonet import ProtoNet
from engine.learners.reptile import Reptile
from engine.learners.ridge import Ridge
from engine.learners.scratch import Scratch
from engine.learners.starts import shipped_start

__all__ = [
    "CLASSES",
    "NUMBER",
    "Adapted",
    "AdaptedNumber",
    "Learner",
    "NumberSupport",
    "OnStep",
    "Step",
    "Support",
    "SupportError",
    "adapt_number",
    "learner",
    "learners",
]

RECORD_KINDS = ("record", "molecule")

STARTED = (Matching, MAML, FirstOrderMAML, ANIL, Reptile, LSTMMetaLearner, Platipus)  # have a meta-learned start a kind


def _started(method: type[Learner]) -> Learner:
    """With its starts for images and for rows of tables; without one for rows, that for images serves both."""
    images = shipped_start(method.name)
    return ByKind(method(images), method(shipped_start(method.name, records=True) or images))


_MAKE = {
    "protonet": ProtoNet,
    "incontext": lambda: InContext(shipped_start("incontext")),
    **{method.name: partial(_started, method) for method in STARTED},
    "nearest": Nearest,
    "logistic": lambda: ByKind(Logistic(), Logistic(C_RECORDS)),
    "ridge": Ridge,
    "finetune": FineTune,
    "scratch": Scratch,
}


def learners(target: str | None = None, kind: str | None = "image") -> list[Learner]:
    """Every method, the meta-learners first, then the controls; with `target` those that take "classes" or "number".

    `kind` of case: "record" and "molecule" have a method more, which reads columns; None lists all methods.
    """
    made = [make() for make in _MAKE.values()]
    if kind not in (None, *RECORD_KINDS):
        made = [each for each in made if not each.records_only]
    return [each for each in made if target is None or target in each.targets]


def learner(name: str) -> Learner:
    """The method of that name. Raises ValueError that lists the names there are."""
    if name not in _MAKE:
        raise ValueError(f"There is no learner called '{name}'. Choose one of: {', '.join(_MAKE)}.")
    return _MAKE[name]()
