"""What the answer about one row rests on: amounts by column, rows like it, typical rows, and a molecule's atoms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.evidence.row_answer import answer_of, bars_of, inputs_of, plain_row
from engine.evidence.row_attribution import attribute
from engine.jobs.work import rooms
from engine.jobs.work.atoms import atom_weights, shown_by_atoms
from engine.jobs.work.row_look import position
from engine.jobs.work.row_model import RowModel, as_is, case_of, row_model
from engine.jobs.work.weights import other_weights
from engine.nouns import Case, Note
from engine.tables.molecules import DESCRIPTORS
from engine.tables.rows import Rows, texts_of

MOST_DIFFERENT = 5
DIFFERS = 0.5  # standard deviations of the labelled rows; half of one is hardly told apart


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: run, case, method ("ig", "shapley", "ablation"), target (a class; null: the predicted one).

    Result: {"base", "output" (log-odds of the target, or the number), "base_probability", "probability" (null for a
    number), "target", "unit", "left_over", "columns": [{"column", "part", "text", "unit", "amount"}] largest first,
    "neighbours": [{"case", "label", "distance", "different"}], "typical": [{"class", "case", "distance", "different"}],
    "atoms": {column: [weight an atom, -1..1]}, "atoms_share": {column: share of the structure's say on atoms},
    "notes": [what a person should know of it]}.
    """
    report(0, 1, Note("work.explaining").to_json())
    model, method = row_model(args["run"]), args.get("method", "ig")
    case = case_of(model, args["case"])
    prediction = rooms.store().predictions(args["run"]).get(case.id, {})
    target = "" if model.numeric else args.get("target") or prediction.get("predicted") or model.adapted.classes[0]
    index = 0 if model.numeric else model.adapted.classes.index(target)
    rows = as_is(model.run.id, position(case))
    names, groups = bars_of(model.prepared.plan)
    row, plain = inputs_of(rows), plain_row(model.prepared, [position(model.cases[c]) for c in model.taught])
    answer = answer_of(model.prepared, model.adapted, index)
    found = attribute(answer, row[0], plain, groups, method, seed=model.run.record["seed"])
    single = found.single if found.single is not None else None
    if single is None and model.data.molecules:
        single = attribute(answer, row[0], plain, groups, "ig").single
    columns = [
        {"column": column, "part": part, **text_of(model, case, column, part), "amount": amount}
        for (column, part), amount in zip(names, found.amounts, strict=True)
    ]
    columns.sort(key=lambda each: -abs(each["amount"]))
    chance = (lambda log_odds: float(torch.sigmoid(torch.tensor(log_odds)))) if not model.numeric else (lambda _: None)
    return {
        "base": found.base, "output": found.output, "left_over": found.left_over,
        "base_probability": chance(found.base), "probability": chance(found.output),
        "target": target, "unit": model.adapted.unit if model.numeric else "", "method": method, "columns": columns,
        "neighbours": [beside(model, case, n, {"label": n["label"]}) for n in prediction.get("neighbours", [])],
        "typical": [beside(model, case, t, {"class": t["label"]}) for t in prediction.get("typical", [])],
        "atoms": atom_weights(model.data, position(case), rows, single) if single is not None else {},
        "atoms_share": shown_by_atoms(rows, model.data, single) if single is not None else {},
        "notes": [note.to_json() for note in other_weights(model.run)],
    }  # fmt: skip


def text_of(model: RowModel, case: Case, column: str, part: str) -> dict[str, str]:
    """{"text", "unit"}: a value as the person's own table says it."""
    data, row = model.data, position(case)
    if part in DESCRIPTORS:
        value = float(data.molecules[column].descriptors[row, DESCRIPTORS.index(part)])
        return {"text": "" if np.isnan(value) else f"{value:.4g}", "unit": ""}
    how = next(each for each in model.prepared.plan.columns if each.column == column)
    if how.how == "days":
        days = (data.table.frame[column].iloc[row] - data.table.frame[how.since].iloc[row]).total_seconds() / 86_400
        return {"text": "" if np.isnan(days) else f"{days:.4g}", "unit": "days"}
    cells = data.table.frame[column].iloc[[row]]
    if cells.dtype.kind == "f":
        text = "" if np.isnan(cells.iloc[0]) else f"{cells.iloc[0]:.6g}"
    else:
        found = texts_of(cells).iloc[0]
        text = found if isinstance(found, str) else ""
    return {"text": text, "unit": data.dictionary[column].unit}


def beside(model: RowModel, case: Case, other: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A labelled row beside this one, and the columns in which they differ most."""
    if other["case"] not in model.cases:
        different: list[str] = []
    else:
        pair = model.prepared.rows(np.array([position(case), position(model.cases[other["case"]])]))
        different = most_different(pair)
    return {"case": other["case"], **more, "distance": other["distance"], "different": different}


def most_different(pair: Rows) -> list[str]:
    """The columns in which two rows differ, most first: by standard deviations of the labelled rows; what one lacks and
    the other has counts as one."""
    apart: dict[str, float] = {}
    gaps = np.where(pair.missing[0] != pair.missing[1], 1.0, np.abs(pair.values[0] - pair.values[1]))
    for column, gap in zip(pair.columns, gaps, strict=True):
        apart[column] = max(apart.get(column, 0.0), float(gap))
    return sorted((c for c, gap in apart.items() if gap >= DIFFERS), key=lambda c: -apart[c])[:MOST_DIFFERENT]
