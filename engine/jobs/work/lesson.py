"""A lesson's computing: a pure function of its settings, so what one browser asked is there for all others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.lessons.run import compute


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: lesson, settings, recipe (`engine.lessons.plan.Plan.job_args`). Result: the lesson's own JSON."""
    return compute(args["lesson"], args["settings"])
