"""Learn from the labelled rows of one table and predict the rows of another."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.commands._tables import (
    InFile,
    Source,
    named_learner,
    read_query,
    read_source,
    sentences,
    unreadable_structures,
)
from engine.nouns import Note
from engine.sentences import Refusal, say

METHOD = "ig"  # one pass a row; the Shapley method takes a second or two for each


@dataclass(frozen=True)
class Part:
    """Rows asked about together: one model, and its judgement of them. `rows`: positions in the query."""

    rows: np.ndarray
    support: np.ndarray
    judgement: Any
    adapted: Any
    prepared: Any


def adapt_table(args: argparse.Namespace) -> int:
    """Write predictions.csv, neighbours.csv, attributions.csv and run.json. Raises ValueError in a sentence."""
    from engine.commands.adapt import Clock

    saliency = args.saliency or METHOD
    _check_map(saliency)
    if not args.query.is_file():
        raise Refusal(Note("commands.no_file", {"file": str(args.query)}))
    from engine.learners import SupportError

    clock = Clock()
    source = read_source(args.support, label=args.label, patient=args.patient, smiles=args.smiles, target=args.target,
                         language=args.language)  # fmt: skip
    query = read_query(args.query, source, args.language)
    if not len(query.table):
        raise InFile(args.query.name, Note("commands.no_rows"), args.language)
    method = named_learner(args.learner, source)
    clock.stop("reading")
    both = Both(source, query)
    try:
        parts, notes = judge_all(args, both, method)
    except (Refusal, SupportError) as error:
        raise InFile(args.support.name, error.note, args.language, unreadable_structures(source)) from error
    clock.stop("adapting")
    args.out.mkdir(parents=True, exist_ok=True)
    if saliency != "none":
        write_attributions(args.out / "attributions.csv", both, parts, saliency, args.seed)
    clock.stop("attributions")
    record = write_all(args, both, method, parts, notes, clock)
    for warning in record["warnings"]:
        print(f"handful: {warning}", file=sys.stderr)
    return 0


def _check_map(name: str) -> None:
    from engine.evidence.row_attribution import METHODS

    names = (*METHODS, "none")
    if name not in names:
        raise Refusal(Note("commands.unknown_map", {"name": name, "names": ", ".join(names)}))


class Both:
    """Both tables as one, the labelled file first, so that one plan makes numbers of all rows."""

    def __init__(self, source: Source, query: Source) -> None:
        import pandas as pd

        from engine.tables import Table
        from engine.tables.molecule_reading import joined

        names = [e.name for e in source.dictionary if e.name in source.table.frame and e.name in query.table.frame]
        frames = [_plain(source.table.frame[names]), _plain(query.table.frame[names])]
        frame = pd.concat(frames, ignore_index=True)
        for name in names:
            frame[name] = frame[name].astype(frames[0][name].dtype)
        lines = np.concatenate([source.table.lines, query.table.lines])
        self.source, self.query, self.start = source, query, len(source.table)
        self.table = Table(source.table.name, frame, lines, source.table.units)
        self.molecules = {name: joined([found, query.molecules[name]]) for name, found in source.molecules.items()}

    def line(self, row: int) -> int:
        """Where a row stands in its own file."""
        return int(self.table.lines[row])


def _plain(frame: Any) -> Any:
    """Categories of two files differ; as texts they go together."""
    return frame.apply(lambda column: column if column.dtype.kind in "fM" else column.astype("object"))


def judge_all(args: argparse.Namespace, both: Both, method: Any) -> tuple[list[Part], list[Note]]:
    """Rows of a patient who has labelled rows are judged without those; the others together."""
    from engine.learners import SupportError
    from engine.tables.cells import listed

    source, query = both.source, both.query
    taught = set(source.groups[source.labelled])
    shared = np.array([g in taught for g in query.groups], dtype=bool)
    parts, notes, lost = [], [], []
    if (~shared).any():
        parts.append(judge_part(args, both, method, source.labelled, np.flatnonzero(~shared)))
    if shared.any():
        values = {"count": int(shared.sum()), "rows": listed(query.table.lines[shared])}
        notes.append(Note("commands.patient_rows_left_out", values))
    for group in sorted(set(query.groups[shared])):
        rows = np.flatnonzero(query.groups == group)
        kept = source.labelled[source.groups[source.labelled] != group]
        try:
            parts.append(judge_part(args, both, method, kept, rows))
        except (SupportError, Refusal) as error:
            if len(parts) == 0 and not (~shared).any() and len(set(query.groups)) == 1:
                raise InFile(args.support.name, error.note, args.language) from error
            lost += rows.tolist()
    if lost:
        notes.append(Note("commands.rows_not_predicted", {"count": len(lost), "rows": listed(query.table.lines[lost])}))
    return parts, notes


def judge_part(args: argparse.Namespace, both: Both, method: Any, support: np.ndarray, rows: np.ndarray) -> Part:
    import torch

    from engine.encoders import tabular
    from engine.evidence import judge
    from engine.evidence.judging_numbers import judge_number
    from engine.learners import NumberSupport, Support

    source, query = both.source, both.query
    prepared = tabular.prepare(both.table, source.dictionary, support, both.molecules or None)
    embedded = torch.from_numpy(prepared.embeddings(np.concatenate([support, both.start + rows])))
    known, asked = embedded[: len(support)], embedded[len(support) :]
    groups = tuple(str(g) for g in source.groups[support])
    names = [str(both.line(i)) for i in support], [str(both.line(both.start + i)) for i in rows]
    rest = (names[0], asked, names[1], [str(g) for g in query.groups[rows]])
    facts = {"site": sites_of(source, support)}
    if source.numeric:
        targets = torch.from_numpy(source.targets[support]).float()
        given = NumberSupport(known, targets, source.unit, groups)
        judged, adapted = judge_number(method, given, *rest, facts=facts, scaled=True, seed=args.seed, steps=args.steps)
    else:
        targets = torch.from_numpy(source.targets[support]).long()
        classes = Support(known, targets, source.classes, groups)
        judged, adapted = judge(method, classes, *rest, facts=facts, scaled=True, seed=args.seed, steps=args.steps)
        adapted = adapted.with_temperature(judged.temperature)
    return Part(rows, support, judged, adapted, prepared)


def sites_of(source: Source, rows: np.ndarray) -> list[object]:
    name = source.dictionary.one("site")
    if name is None:
        return [None] * len(rows)
    values = source.table.frame[name].astype("object").iloc[rows]
    return [None if value != value or value is None else str(value) for value in values]


def write_attributions(path: Path, both: Both, parts: list[Part], method: str, seed: int) -> None:
    """One line a row and column: the value, and by how much it moved the answer for the predicted class (log-odds) or
    the number."""
    from engine.evidence.row_answer import answer_of, bars_of, inputs_of, plain_row
    from engine.evidence.row_attribution import attribute
    from engine.projects.csv_writer import write_csv

    lines = []
    for part in parts:
        bars, groups = bars_of(part.prepared.plan)
        plain = plain_row(part.prepared, part.support)
        inputs = inputs_of(part.prepared.rows(both.start + part.rows))
        for row, values, prediction in zip(part.rows, inputs, part.judgement.predictions, strict=True):
            target = 0 if both.source.numeric else part.judgement.classes.index(prediction.predicted)
            found = attribute(answer_of(part.prepared, part.adapted, target), values, plain, groups, method, seed)
            about = "" if both.source.numeric else prediction.predicted
            for (column, piece), amount in zip(bars, found.amounts, strict=True):
                text = "" if piece else cell_text(both.table, both.start + int(row), column)
                name = f"{column} {piece}".strip()
                lines.append([prediction.case, about, name, text, amount])
    write_csv(path, ["case", "for", "column", "value", "amount"], lines, mark=False)


def cell_text(table: Any, row: int, column: str) -> object:
    """A cell as it may be written: numbers as numbers, days as ISO dates."""
    value = table.frame[column].iloc[row]
    if value is None or value != value:
        return ""
    return str(value)[:10] if table.frame[column].dtype.kind == "M" else value


def write_all(
    args: argparse.Namespace, both: Both, method: Any, parts: list[Part], notes: list[Note], clock: Any
) -> dict[str, Any]:
    """predictions.csv, neighbours.csv and run.json; returns what the last one says."""
    from engine.commands.adapt import versions
    from engine.encoders import tabular
    from engine.learners.starts import start_used
    from engine.projects.csv_writer import write_csv

    source, query = both.source, both.query
    found = sorted(
        ((int(row), p) for part in parts for row, p in zip(part.rows, part.judgement.predictions, strict=True)),
        key=lambda each: each[0],
    )
    predictions = [p for _, p in found]
    if source.numeric:
        head = ["case", "value", "low", "high"]
        rows = [[p.case, p.value, p.low, p.high] for p in predictions]
    else:
        head = ["case", "predicted", *(f"p_{c}" for c in source.classes)]
        rows = [[p.case, p.predicted, *p.probabilities] for p in predictions]
    write_csv(args.out / "predictions.csv", head, rows, mark=False)
    near = [[p.case, i + 1, n.case, n.label, n.distance] for p in predictions for i, n in enumerate(p.neighbours)]
    write_csv(args.out / "neighbours.csv", ["case", "rank", "neighbour", "label", "distance"], near, mark=False)
    said = sentences(source.notes, args.language, source.file) + sentences(query.notes, args.language, query.file)
    for place, part in enumerate(parts):  # how good it is, is said once: of what taught most rows
        about = [n for n in part.judgement.notes if not place or not n.key.startswith("evidence.no_better")]
        said += [say(_named(n, args.language), args.language) for n in about]
    said += [say(n, args.language) for part in parts for n in part.prepared.plan.notes]
    said += [say(n, args.language) for n in notes]
    start = start_used(args.learner, records=True)
    record = {
        "for": "For research and teaching. Not a medical device. Do not use for diagnosis or treatment. "
        f"It has learned from {len(source.labelled)} rows chosen by you.",
        "learner": method.name,
        "label": source.label,
        "target": "number" if source.numeric else "class",
        "classes": list(source.classes),
        "unit": source.unit if source.numeric else "",
        "seed": args.seed,
        "steps": args.steps,
        "started": clock.began.isoformat(timespec="seconds"),
        "seconds": clock.seconds,
        "device": "cpu",
        "versions": versions(),
        "hashes": {
            "encoder": tabular.identity(),
            "learner": hashlib.sha256(start.read_bytes()).hexdigest() if start else None,
            "support": hashlib.sha256(args.support.read_bytes()).hexdigest(),
            "query": hashlib.sha256(args.query.read_bytes()).hexdigest(),
        },
        "columns": {
            role: source.dictionary.named(role)
            for role in ("feature", "molecule", "leak", "identifier", "patient", "site", "date", "ignored")
        },
        "support": [{"case": str(both.line(i)), "label": _label(source, int(i))} for i in source.labelled],
        "tested": [_tested(part.judgement.tested) for part in parts],
        "predictions": [_prediction(p, source.numeric) for p in predictions],
        "held_back": _held_back(found, query),
        "warnings": list(dict.fromkeys(said)),
    }
    (args.out / "run.json").write_text(json.dumps(record, ensure_ascii=False, indent=1), "utf-8")
    return record


def _named(note: Note, language: str) -> Note:
    """A note about a row says "Row 7", where it knows the row by the number of its line."""
    if "case" not in note.values:
        return note
    row = say(Note("commands.row", {"row": note.values["case"]}), language)
    return replace(note, values={**note.values, "case": row})


def _label(source: Source, row: int) -> str | float:
    value = source.targets[row]
    return float(value) if source.numeric else source.classes[int(value)]


def _tested(tested: Any) -> dict[str, Any]:
    return {k: v for k, v in tested.to_json().items() if k not in ("predicted", "probability")}


def _prediction(p: Any, numeric: bool) -> dict[str, Any]:
    answer = {"value": p.value, "unit": p.unit, "level": p.level} if numeric else {"predicted": p.predicted}
    bounds = {"low": p.low, "high": p.high}
    return {"case": p.case, **answer, **bounds, "unlike": p.unlike, "unlike_anything_labelled": p.unlike_flag}


def _held_back(found: list[tuple[int, Any]], query: Source) -> dict[str, Any] | None:
    """How many were right, where the rows to predict brought their labels along."""
    from engine.evidence.held_back import judge_held_back

    known = set(query.labelled.tolist())
    truth = {p.case: _label(query, row) for row, p in found if row in known}
    judged = judge_held_back(truth, {p.case: p.to_json() for _, p in found}) if truth else None
    return {k: v for k, v in judged.items() if k != "wrong"} if judged else None
