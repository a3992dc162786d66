"""One door for all lessons: name and settings -> what the page draws."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from engine.lessons.plan import BY_NAME


def compute(lesson: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a lesson (plain JSON). Settings that are missing or not allowed are put right; KeyError for a
    lesson that there is not."""
    plan = BY_NAME[lesson]
    return importlib.import_module(f"engine.lessons.{plan.name}").compute(plan.read(settings))
