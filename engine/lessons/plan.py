"""What there is to learn: the ten lessons in order, what each can be set to, which learner's file and paper it shows.

No torch here: the page reads it on every run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high` in steps of `step`; whole where the step is a whole number."""

    start: float
    low: float
    high: float
    step: float

    def read(self, raw: Any) -> float | int:
        """The nearest value allowed; the start for what is no number."""
        try:
            value = float(raw)
        except (TypeError, ValueError):
            value = self.start
        if not math.isfinite(value):
            value = self.start
        value = min(max(value, self.low), self.high)
        value = self.low + round((value - self.low) / self.step) * self.step
        return int(value) if isinstance(self.step, int) else round(value, 4)


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    start: str
    among: tuple[str, ...]

    def read(self, raw: Any) -> str:
        return raw if raw in self.among else self.start


@dataclass(frozen=True)
class Labels:
    """Which case is which class, as text: "0a-3b-12c" is case 0 class a, case 3 class b, case 12 class c."""

    start: str
    cases: int
    classes: str

    def read(self, raw: Any) -> str:
        given = dict(re.findall(r"(\d{1,3})([a-z])", raw)) if isinstance(raw, str) else None
        if given is None:
            return self.start
        kept = sorted((int(i), c) for i, c in given.items() if int(i) < self.cases and c in self.classes)
        return "-".join(f"{i}{c}" for i, c in kept)

    @staticmethod
    def pairs(text: str) -> dict[int, str]:
        return {int(i): c for i, c in re.findall(r"(\d+)([a-z])", text)}


Setting = Number | Choice | Labels
SEED = Number(0, 0, 999, 1)


@dataclass(frozen=True)
class Plan:
    """A lesson. `recipe` is part of what results are kept under: raise it when the same settings give another answer.

    `settings` decide what is computed, `views` only what of it is shown. `source`: the files it shows, from the
    project's root. `paper`: who and when; `link`: where it can be read.
    """

    name: str
    recipe: int
    settings: Mapping[str, Setting]
    source: tuple[str, ...]
    paper: str
    link: str
    views: Mapping[str, Setting] = field(default_factory=dict)

    def view(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """As `read`, for what is only shown."""
        return {name: setting.read(raw.get(name, setting.start)) for name, setting in self.views.items()}

    def read(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Settings from anything (an address written by hand): every one there, every one allowed."""
        return {name: setting.read(raw.get(name, setting.start)) for name, setting in self.settings.items()}

    def job_args(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of the job: equal settings give equal arguments, so that a class asks for one answer once."""
        return {"lesson": self.name, "recipe": self.recipe, "settings": self.read(settings)}


PLANS: tuple[Plan, ...] = (
    Plan(
        "wave", 1,
        {
            "amplitude": Number(2.5, 0.5, 5.0, 0.5), "phase": Number(0.8, 0.0, 3.2, 0.2),
            "points": Number(5, 1, 10, 1), "moved": Number(0, 0, 10, 1), "by": Number(0.0, -4.0, 4.0, 0.5),
            "seed": SEED,
        },
        ("engine/learners/maml.py", "engine/learners/scratch.py", "engine/lessons/wave.py"),
        "Finn, Abbeel & Levine 2017", "https://arxiv.org/abs/1703.03400",
        {"step": Number(0, 0, 10, 1)},
    ),
    Plan(
        "prototypes", 2,
        {
            "labels": Labels("0a-1a-6b-7b-12c", 16, "abc"), "learner": Choice("protonet", ("protonet", "matching")),
            "asked": Number(4, 0, 15, 1),
        },
        ("engine/learners/protonet.py", "engine/learners/matching.py", "engine/lessons/prototypes.py"),
        "Snell, Swersky & Zemel 2017; Vinyals et al. 2016", "https://arxiv.org/abs/1703.05175",
    ),
    Plan(
        "steps", 2,
        {
            "labels": Labels("1a-3a-7b-10b-12c-15c", 16, "abc"), "rate": Choice("1", ("0.25", "1", "4", "16")),
            "learner": Choice("maml", ("maml", "anil")),
        },
        ("engine/learners/maml.py", "engine/learners/head.py", "engine/lessons/steps.py"),
        "Finn, Abbeel & Levine 2017", "https://arxiv.org/abs/1703.03400",
        {"step": Number(0, 0, 20, 1)},
    ),
    Plan(
        "optimiser", 3,
        {
            "labels": Labels("1a-4a-6b-10b-12c-14c", 16, "abc"),
            "numbers": Choice("all", ("all", "two")), "sgd": Choice("0.2", ("0.05", "0.2", "0.5", "1")),
            "adam": Choice("0.03", ("0.01", "0.03", "0.1", "0.5")),
        },
        ("engine/learners/lstm_meta.py", "engine/learners/adam.py", "engine/lessons/optimiser.py"),
        "Ravi & Larochelle 2017", "https://openreview.net/forum?id=rJY0-Kcll",
    ),
    Plan(
        "ambiguous", 2,
        {
            "points": Number(3, 2, 12, 1), "truth": Choice("wave", ("wave", "line")), "models": Number(20, 5, 50, 5),
            "seed": SEED,
        },
        ("engine/learners/platipus.py", "engine/lessons/ambiguous.py"),
        "Finn, Xu & Levine 2018", "https://arxiv.org/abs/1806.02817",
    ),
    Plan(
        "shortcut", 1,
        {
            "rise": Number(250, 100, 400, 50), "taught": Choice("home", ("home", "both")),
            "mark": Choice("on", ("on", "off")), "learner": Choice("maml", ("maml", "logistic", "protonet")),
        },
        ("engine/learners/maml.py", "engine/evidence/attribution.py", "engine/lessons/shortcut.py"),
        "Geirhos et al. 2020", "https://arxiv.org/abs/2004.07780",
    ),
    Plan(
        "patients", 2,
        {
            "taught": Number(3, 1, 3, 1), "learner": Choice("nearest", ("nearest", "protonet", "logistic")),
            "seed": Number(1, 0, 999, 1),
        },
        ("engine/evidence/folds.py", "engine/learners/nearest.py", "engine/lessons/patients.py"),
        "Roberts et al. 2021", "https://doi.org/10.1038/s42256-021-00307-0",
    ),
    Plan(
        "intervals", 1,
        {"cases": Number(5, 1, 400, 1), "wrong": Number(1, 0, 200, 1), "claim": Number(70, 55, 95, 5), "seed": SEED},
        ("engine/evidence/ranges.py", "engine/lessons/intervals.py"),
        "Clopper & Pearson 1934, Biometrika 26", "https://doi.org/10.1093/biomet/26.4.404",
    ),
    Plan(
        "saliency", 2,
        {
            "case": Number(4, 1, 16, 1), "method": Choice("gradcam", ("gradcam", "ig", "stages")), "seed": SEED,
        },
        ("engine/evidence/saliency.py", "engine/evidence/attribution.py", "engine/lessons/saliency.py"),
        "Adebayo et al. 2018", "https://arxiv.org/abs/1810.03292",
    ),
    Plan(
        "abstain", 1,
        {
            "labelled": Number(5, 2, 20, 1), "hard": Number(1.0, 0.4, 2.0, 0.2),
            "learner": Choice("protonet", ("protonet", "logistic", "maml")), "seed": SEED,
        },
        ("engine/evidence/uncertainty.py", "engine/learners/protonet.py", "engine/lessons/abstain.py"),
        "Guo et al. 2017; El-Yaniv & Wiener 2010", "https://arxiv.org/abs/1706.04599",
        {"threshold": Number(70, 50, 99, 1)},
    ),
)  # fmt: skip
BY_NAME = {plan.name: plan for plan in PLANS}
NAMES = tuple(BY_NAME)
