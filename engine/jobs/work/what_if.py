"""What if a value of this row were another: the run's own model, asked again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from engine.jobs.work.row_model import case_of, changed_row, row_model


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: run, case, values {column: number, text, ISO date or null}. Result: {"probabilities": {class: p},
    "predicted"}, or for a number {"value", "low", "high", "unit"}; and "unseen": how many of the row's answers
    no labelled row has."""
    model = row_model(args["run"])
    rows = changed_row(model, case_of(model, args["case"]), args["values"])
    unseen = int(rows.unseen[0])
    if not model.numeric:
        found = dict(zip(model.adapted.classes, model.probabilities(rows)[0].tolist(), strict=True))
        return {"probabilities": found, "predicted": max(found, key=found.get), "unseen": unseen}
    with torch.no_grad():
        embedding = model.embed(rows)
        value = float(model.adapted.mean(embedding))
    interval = model.adapted.interval(embedding)
    low, high = (None, None) if interval is None else (float(interval[0]), float(interval[1]))
    return {"value": value, "low": low, "high": high, "unit": model.adapted.unit, "unseen": unseen}
