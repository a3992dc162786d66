"""Synthetic tables as files: for each task all hospitals together, each hospital's own export, and the truth.

<task>/synthetic-<task>.csv           all hospitals, common headings, units and codes
<task>/synthetic-<task>-A.csv ...     as hospital A would export it
<task>/truth.json                     what drives the label, and how strongly
<task>/synthetic-<task>-fhir.json     diabetes medication alone: hospital A as a FHIR R4 bundle
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from engine.phantoms.tables import TABLES, make_table, own_table
from engine.phantoms.tables.fhir import bundle

READ_ME = (
    "Synthetic tables. Made by a computer, describe nobody. Not for diagnosis or treatment.\n"
    "Made by: python -m engine phantoms --tables FOLDER --seed {seed}\n"
)


def write_tables(folder: Path, seed: int, report: Callable[[int, int, str], None] | None = None) -> list[Path]:
    """Write every task's files under `folder` and return them; the same seed gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [_text(folder / "README.txt", READ_ME.format(seed=seed))]
    for number, task in enumerate(TABLES, start=1):
        into = folder / task
        into.mkdir(exist_ok=True)
        table = make_table(task, seed)
        frames = {"": table.frame} | {f"-{h.letter}": own_table(table, h) for h in table.hospitals}
        for end, frame in frames.items():
            path = into / f"synthetic-{task}{end}.csv"
            frame.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")
            written.append(path)
        truth = {"what": READ_ME.splitlines()[0], "seed": seed, **table.truth.to_json()}
        written.append(_text(into / "truth.json", json.dumps(truth, ensure_ascii=False, indent=1) + "\n"))
        if task == "diabetes-medication":
            path = into / f"synthetic-{task}-fhir.json"
            written.append(_text(path, json.dumps(bundle(table, table.hospitals[0]), indent=1) + "\n"))
        if report:
            report(number, len(TABLES), task)
    return written


def _text(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path
